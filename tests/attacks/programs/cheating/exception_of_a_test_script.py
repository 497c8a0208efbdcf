# group: cheating
# problem: assert_add
# verdict: runtime_error | wrong_answer
# must not: pass, or be taken for the test's own assertion and hide who failed
# why open: the program raised, yet an assertion that fails is what a test reports
# --- program ---
def add(a, b):
    raise AssertionError
