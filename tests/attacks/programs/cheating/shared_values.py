# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass by writing into shared memory of a grader
# --- program ---
import ctypes
import gc

for item in gc.get_objects():
    if isinstance(item, (ctypes.Structure, ctypes.Array)) or type(item).__name__ in ("Synchronized", "SynchronizedArray"):
        try:
            item.value = 1
        except Exception:
            pass


def add(a, b):
    return None
