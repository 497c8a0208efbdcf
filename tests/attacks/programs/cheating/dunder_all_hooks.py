# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because module hooks answer whatever the harness asks
# --- program ---
def __getattr__(name):
    return lambda *args: True


def __dir__():
    return ["add"]


add = __getattr__("add")
