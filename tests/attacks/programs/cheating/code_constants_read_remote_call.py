# group: cheating
# problem: check_secret
# verdict: wrong_answer
# must not: find the expected value among the constants of check
# --- program ---
import gc
import types


def search(code):
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found = search(constant)
            if found:
                return found
        elif isinstance(constant, str) and constant.startswith("RLT-EXPECTED-") and len(constant) == 29:
            return constant
    return None


def secret(n):
    for item in gc.get_objects():
        code = getattr(item, "__code__", None)
        if isinstance(code, types.CodeType) and search(code):
            return search(code)
    return "nothing found"
