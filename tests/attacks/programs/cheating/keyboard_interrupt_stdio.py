# group: cheating
# problem: sum_two
# verdict: runtime_error
# must not: stop the grader
# --- program ---
print(sum(map(int, input().split())), flush=True)
raise KeyboardInterrupt
