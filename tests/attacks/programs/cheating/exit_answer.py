# group: cheating
# problem: answer_number
# verdict: runtime_error
# must not: pass because the process ended with status 0
# --- program ---
raise SystemExit
