# group: robustness
# problem: echo_upper
# verdict: passed
# must not: read the program's arguments instead
# --- program ---
import fileinput

for line in fileinput.input():
    print(line.rstrip("\n").upper())
