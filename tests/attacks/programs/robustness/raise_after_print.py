# group: robustness
# problem: sum_two
# verdict: runtime_error
# must not: pass by the line that was printed
# --- program ---
print(sum(map(int, input().split())), flush=True)
raise ValueError("too late")
