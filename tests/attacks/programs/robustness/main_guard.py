# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because __name__ is not __main__
# --- program ---
def main():
    a, b = map(int, input().split())
    print(a + b)


if __name__ == "__main__":
    main()
