# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass because the harness looks up json, os or struct in the table of modules
# why open: a child that spoils its own interpreter may fail before it answers
# --- program ---
import sys
import types


class Fake(types.ModuleType):
    def __getattr__(self, name):
        return lambda *args, **options: True


for name in ("json", "json.encoder", "struct", "marshal", "pickle", "os", "io", "math", "compare", "unittest"):
    sys.modules[name] = Fake(name)


def add(a, b):
    return None
