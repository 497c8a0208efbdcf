# group: cheating
# problem: reverse_list
# verdict: wrong_answer | runtime_error
# must not: reach the inputs of later tests or the expected values of any
# why open: among the lists it empties may be one that its own harness needs
# --- program ---
import gc

for item in gc.get_objects():
    if type(item) is list and item and all(type(part) is int for part in item) and len(item) < 10:
        item.clear()


def reverse_list(xs):
    return []
