# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because it was wrapped in a function
# --- program ---
global total
total = 0


def read():
    global total
    total = sum(map(int, input().split()))


read()
print(total)
