# group: cheating
# problem: add
# verdict: runtime_error
# must not: be asked although its module never finished
# control: yes
# --- program ---
def add(a, b):
    return a + b


raise SystemExit(0)
