# group: resource
# problem: sum_two
# verdict: output_limit | passed
# must not: fill memory or disk, or block on a pipe that nobody drains
# why open: standard error is no part of the answer: it may be counted as printed text or thrown away, but never stored
# --- program ---
import sys

a, b = map(int, input().split())
for _ in range(200):
    sys.stderr.write("x" * 999_999 + "\n")
print(a + b)
