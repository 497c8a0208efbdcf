# group: robustness
# problem: sum_two
# verdict: wrong_answer
# must not: pass, or be a compile_error: nothing is a program that prints nothing
# --- program ---
