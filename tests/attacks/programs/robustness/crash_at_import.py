# group: robustness
# problem: puzzle_square
# verdict: runtime_error
# must not: be a sandbox_error
# --- program ---
import ctypes

ctypes.string_at(0)
