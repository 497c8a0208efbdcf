# group: resource
# problem: answer_number
# verdict: timeout
# must not: hold a worker longer than the CPU limit
# --- program ---
def answer():
    while True:
        pass
