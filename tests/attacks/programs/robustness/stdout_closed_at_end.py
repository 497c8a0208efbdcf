# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because flushing a closed stream at exit is an error
# --- program ---
import sys

print(sum(map(int, input().split())))
sys.stdout.close()
