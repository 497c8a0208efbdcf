# group: escape
# problem: sum_two
# verdict: runtime_error
# must not: replace itself by a program that is no file
# --- program ---
import os

fd = os.memfd_create("copy")
with open("/bin/sh", "rb") as shell:
    os.write(fd, shell.read())
os.execve(fd, ["sh", "-c", "read a b; echo $((a + b))"], {})
