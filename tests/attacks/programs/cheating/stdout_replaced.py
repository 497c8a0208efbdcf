# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because a buffer of the program is read instead of descriptor 1
# --- program ---
import io
import sys

sys.stdout = sys.__stdout__ = io.StringIO()
print(sum(map(int, input().split())))
