# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass, or run the answer's methods in the judge
# why open: the value is not plain, so it is unequal; an encoder that looks at it may meet the exit in the child
# control: yes
# --- program ---
import os


class Bomb:
    def _leave(self, *args):
        os._exit(0)

    __repr__ = __str__ = __eq__ = __ne__ = __hash__ = __iter__ = __len__ = __bool__ = __reduce_ex__ = __int__ = _leave


def add(a, b):
    return Bomb()
