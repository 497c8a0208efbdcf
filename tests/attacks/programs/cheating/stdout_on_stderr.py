# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because both streams are read as one
# --- program ---
import sys

print(sum(map(int, input().split())), file=sys.stderr)
