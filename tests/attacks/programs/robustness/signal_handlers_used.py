# group: robustness
# problem: add
# verdict: passed
# must not: fail because the program has timers of its own
# --- program ---
import signal

fired = []
signal.signal(signal.SIGALRM, lambda *args: fired.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)


def add(a, b):
    while not fired:
        pass
    return a + b
