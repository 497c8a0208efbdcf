# group: resource
# problem: add
# verdict: timeout | memory_limit | compile_error
# must not: hold the compiler longer than the CPU limit
# why open: half a million statements cost either the time, or the memory in which the compiler itself fails
# generate: many_statements
# --- program ---
