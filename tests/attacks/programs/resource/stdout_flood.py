# group: resource
# problem: sum_two
# verdict: output_limit
# must not: fill memory or disk, or block on a pipe that nobody drains
# --- program ---
import sys

for _ in range(1300):
    sys.stdout.write("x" * 999_999 + "\n")
