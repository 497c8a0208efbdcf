# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because __main__ is the harness
# --- program ---
import __main__

offset = 0


def total(numbers):
    return __main__.offset + sum(numbers)


print(__main__.total(map(int, input().split())))
