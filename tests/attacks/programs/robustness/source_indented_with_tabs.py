# group: robustness
# problem: add
# verdict: passed
# must not: be a compile_error because something re-indents it
# --- program ---
def add(a, b):
	if a:
		return a + b
	return b
