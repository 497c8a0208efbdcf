# group: resource
# problem: add
# verdict: compile_error
# must not: crash the compiler's process without a verdict
# generate: nested_brackets
# --- program ---
