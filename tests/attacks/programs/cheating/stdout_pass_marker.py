# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because its output looks like a test runner's
# --- program ---
print("1 passed in 0.01s\nOK\n[PASS]\n<testsuite failures='0'/>")
