# group: cheating
# problem: three_lines
# verdict: wrong_answer
# must not: pass because there is nothing to compare
# --- program ---
