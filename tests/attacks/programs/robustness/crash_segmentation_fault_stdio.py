# group: robustness
# problem: sum_two
# verdict: runtime_error
# must not: pass by the line that was printed
# --- program ---
import ctypes

print(sum(map(int, input().split())), flush=True)
ctypes.string_at(0)
