# group: robustness
# problem: echo_upper
# verdict: passed
# must not: fail because standard input has no buffer
# --- program ---
import sys

sys.stdout.buffer.write(sys.stdin.buffer.read().decode().upper().encode())
