# group: robustness
# problem: concat
# verdict: wrong_answer
# must not: break the lines of the channel
# --- program ---
def concat(a, b):
    return a + b + '\n"}\n\x00\u2028\x1b[31m\r\x85'
