# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: be a sandbox_error because the result file was sealed by the program
# why open: sealed before the answer, the file stays empty; sealed after it, the answer is wrong
# --- program ---
import fcntl

for fd in range(64):
    try:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    except OSError:
        pass


def add(a, b):
    return None
