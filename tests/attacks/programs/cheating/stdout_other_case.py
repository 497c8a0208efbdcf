# group: cheating
# problem: shout
# verdict: wrong_answer
# must not: pass because case is ignored
# --- program ---
import sys

print(sys.stdin.read().lower())
