# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: change its own input, or the input of the next run
# --- program ---
import os

try:
    os.lseek(0, 0, os.SEEK_SET)
    os.write(0, b"0 0\n")
except OSError:
    pass
print("not a number")
