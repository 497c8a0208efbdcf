# group: resource
# problem: add
# verdict: timeout | runtime_error
# must not: leave a stopped process that nobody reaps
# why open: a stop that takes effect ends at the wall limit; a stop that is refused or ignored goes on to the error
# --- program ---
import signal


def add(a, b):
    signal.raise_signal(signal.SIGSTOP)
    raise RuntimeError("not stopped")
