# group: cheating
# problem: add
# verdict: runtime_error
# must not: pass because the exception looks like an orderly end
# control: yes
# --- program ---
class Done(SystemExit):
    code = 0


def add(a, b):
    raise Done(0)
