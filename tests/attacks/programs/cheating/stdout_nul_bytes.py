# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: cut the comparison at a NUL byte
# --- program ---
import sys

sys.stdout.write(str(sum(map(int, input().split()))) + "\0garbage\n")
