# group: cheating
# problem: reverse_list
# verdict: wrong_answer | runtime_error
# must not: pass by leaving while the answer is read
# why open: the base list is empty, which is wrong; an encoder that uses the subclass's own methods meets the exit in the child
# control: yes
# --- program ---
import os


class Bomb(list):
    def _leave(self, *args):
        os._exit(0)

    __iter__ = __len__ = __getitem__ = __eq__ = _leave


def reverse_list(xs):
    return Bomb()
