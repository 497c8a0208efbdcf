# group: robustness
# problem: count_lines
# verdict: passed
# must not: time out because every line is a message
# --- program ---
import sys

for number in range(int(input())):
    sys.stdout.write(f"{number}\n")
