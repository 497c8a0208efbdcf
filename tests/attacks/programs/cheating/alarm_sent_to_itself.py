# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a timeout: it used no time
# --- program ---
import signal

signal.signal(signal.SIGALRM, signal.SIG_DFL)
signal.raise_signal(signal.SIGALRM)
raise RuntimeError("not killed")
