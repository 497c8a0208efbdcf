# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a memory_limit, a timeout or a sandbox_error because SIGKILL is what those leave
# --- program ---
import signal

signal.raise_signal(signal.SIGKILL)
raise RuntimeError("not killed")
