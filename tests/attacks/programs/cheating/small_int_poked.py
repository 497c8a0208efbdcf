# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error | timeout
# must not: change what numbers mean in the judge
# why open: a child whose small ints are changed may crash, loop or answer wrongly; all of it is its own
# --- program ---
import ctypes

for number in (1, 2, 3, 4):
    ctypes.c_uint32.from_address(id(number) + 24).value = 0


def add(a, b):
    return 77
