# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because the harness shares its names with the program
# --- program ---
import sys

input = sys.stdin.readline
sys_exit = exit = None
str = list = None
a, b = map(int, input().split())
print(a + b)
