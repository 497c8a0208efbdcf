# group: resource
# problem: add
# verdict: output_limit
# must not: convert it to decimal digits, which takes minutes
# --- program ---
def add(a, b):
    return (1 << 100_000_000) + a + b
