# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error: it closes everything and vanishes as a broken set-up would
# --- program ---
import os

os.closerange(0, 4096)
os._exit(1)
