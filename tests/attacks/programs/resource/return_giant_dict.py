# group: resource
# problem: histogram
# verdict: output_limit
# must not: build the whole encoding in memory before it is measured
# --- program ---
def histogram(text):
    return {str(n): n for n in range(300_000)}
