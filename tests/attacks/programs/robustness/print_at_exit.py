# group: robustness
# problem: sum_two
# verdict: passed
# must not: end before exit handlers have printed
# --- program ---
import atexit

total = sum(map(int, input().split()))
atexit.register(lambda: print(total))
