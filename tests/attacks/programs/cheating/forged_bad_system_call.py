# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error because the process died by SIGSYS
# --- program ---
import signal

signal.raise_signal(signal.SIGSYS)
raise RuntimeError("not killed")
