# group: cheating
# problem: add
# verdict: runtime_error
# must not: be an output_limit: it wrote nothing
# --- program ---
import signal

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
signal.raise_signal(signal.SIGXFSZ)
raise RuntimeError("not killed")
