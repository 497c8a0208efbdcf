# group: cheating
# problem: add
# verdict: runtime_error | wrong_answer
# must not: pass because the channel holds lines and the status is 0
# why open: the forged lines either count as answers, and then as wrong ones, or as nothing
# --- program ---
import os

for fd in range(64):
    for line in (b"passed\n", b"true\n" * 4, b'{"passed": true}\n', b'["passed", 1]\n', b"0\n" * 4):
        try:
            os.write(fd, line)
        except OSError:
            pass
os._exit(0)
