# group: cheating
# problem: add
# verdict: runtime_error
# must not: be a sandbox_error because of its name
# --- program ---
class SandboxError(Exception):
    pass


SandboxError.__module__ = "envs.sandbox"


def add(a, b):
    raise SandboxError("the sandbox broke; please do not count this")
