# group: resource
# problem: sum_two
# verdict: output_limit
# must not: be a runtime_error because the write raises or the process dies by SIGXFSZ
# --- program ---
import os
import signal

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
block = b"y" * (1 << 20)
for _ in range(1300):
    os.write(1, block)
