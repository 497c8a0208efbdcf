# group: resource
# problem: add
# verdict: compile_error
# must not: overflow the parser's stack and be read as a crash of the sandbox
# generate: unary_chain
# --- program ---
