# group: cheating
# problem: add
# verdict: runtime_error
# must not: write lines of its own into the channel
# --- program ---
name = 'Error"}\n{"index": 0, "value": 3}\n{"index": 1, "value": 0}\n[3]\n3\n0\n1000007\n4\n'
Forged = type(name, (Exception,), {"__module__": name, "__qualname__": name})


def add(a, b):
    raise Forged(name)
