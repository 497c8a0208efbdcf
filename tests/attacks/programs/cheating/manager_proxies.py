# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass by appending to a result list found through the collector
# --- program ---
import gc
import sys

for item in gc.get_objects():
    if type(item).__name__ in ("ListProxy", "DictProxy", "AutoProxy", "Queue", "SimpleQueue", "Connection"):
        for name in ("append", "put", "send"):
            try:
                getattr(item, name)("passed")
            except Exception:
                pass
    elif type(item) is list and len(item) == 0 and item is not sys.path:
        try:
            item.append("passed")
            item.pop()
        except Exception:
            pass


def add(a, b):
    return None
