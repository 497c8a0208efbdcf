# group: escape
# problem: add
# verdict: runtime_error
# must not: become another user
# --- program ---
import os


def add(a, b):
    for change in (os.setuid, os.seteuid, os.setgid, os.setegid):
        for number in (0, 1, 65534, 12345):
            if number in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()):
                continue
            try:
                change(number)
                return a + b
            except OSError:
                continue
    raise PermissionError("no identity could be taken")
