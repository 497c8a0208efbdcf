# group: cheating
# problem: power
# verdict: wrong_answer
# must not: pass because a dict or a list looks like the encoding of a big int
# --- program ---
def power(base, exponent):
    value = base**exponent
    return {"int": hex(value), "$int": hex(value), "t": "int", "v": hex(value), "__int__": str(value)}
