# group: resource
# problem: sum_two
# verdict: output_limit
# must not: fill memory or disk
# --- program ---
import sys

a, b = map(int, input().split())
print(a + b)
sys.stdout.write(" " * 10_000_000)
