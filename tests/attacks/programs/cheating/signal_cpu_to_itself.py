# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a timeout: it used no time
# --- program ---
import signal

signal.signal(signal.SIGXCPU, signal.SIG_DFL)
signal.raise_signal(signal.SIGXCPU)
raise RuntimeError("not killed")
