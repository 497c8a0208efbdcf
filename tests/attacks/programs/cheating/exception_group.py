# group: cheating
# problem: add
# verdict: runtime_error
# must not: slip past an ordinary except clause
# --- program ---
def add(a, b):
    raise BaseExceptionGroup("many", [SystemExit(0), KeyboardInterrupt()])
