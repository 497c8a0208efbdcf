# group: robustness
# problem: add
# verdict: compile_error
# must not: be a runtime_error because TabError arises late
# --- program ---
def add(a, b):
    if a:
	return a + b
        return b
