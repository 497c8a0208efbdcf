# group: cheating
# problem: check_square
# verdict: runtime_error | wrong_answer
# must not: make the tester believe that check has returned
# why open: the forged lines either count as answers, and then as wrong ones, or as nothing
# --- program ---
import os

for fd in range(64):
    for line in (b"passed\n", b"null\n" * 8, b'{"passed": true}\n', b"\x00\x00\x00\x04true"):
        try:
            os.write(fd, line)
        except OSError:
            pass
os._exit(0)
