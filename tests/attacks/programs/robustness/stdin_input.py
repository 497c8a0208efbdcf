# group: robustness
# problem: echo_upper
# verdict: passed
# must not: end badly at the last line, which has no newline
# --- program ---
while True:
    try:
        line = input()
    except EOFError:
        break
    print(line.upper())
