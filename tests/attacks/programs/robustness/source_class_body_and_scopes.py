# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because locals and globals of the module are two dictionaries
# --- program ---
values = list(map(int, input().split()))


class Total:
    amount = sum(values)
    squares = [value * value for value in values]


def total():
    return Total.amount


print([total() for _ in range(1)][0])
