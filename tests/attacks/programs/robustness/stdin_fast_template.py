# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because the template replaces both streams and prints at exit
# --- program ---
import atexit
import io
import os
import sys

data = io.BytesIO(os.read(0, os.fstat(0).st_size))
sys.stdin = io.TextIOWrapper(data)
output = io.BytesIO()
atexit.register(lambda: os.write(1, output.getvalue()))
a, b = map(int, sys.stdin.readline().split())
output.write(f"{a + b}\n".encode())
