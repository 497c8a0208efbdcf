# group: resource
# problem: add
# verdict: compile_error | memory_limit
# must not: overflow the parser's stack and be read as a crash of the sandbox
# why open: CPython reports the overflow of its parser's stack as a MemoryError
# generate: unary_chain
# --- program ---
