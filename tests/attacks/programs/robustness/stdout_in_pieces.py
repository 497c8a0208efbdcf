# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because writes by two roads change places
# --- program ---
import os
import sys

a, b = map(int, input().split())
text = str(a + b)
sys.stdout.write(text[:1])
sys.stdout.flush()
os.write(1, text[1:].encode())
sys.stdout.write("\n")
