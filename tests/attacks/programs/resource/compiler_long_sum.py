# group: resource
# problem: add
# verdict: compile_error
# must not: overflow the compiler's stack and be read as a crash of the sandbox
# generate: long_sum
# --- program ---
