# group: cheating
# problem: reverse_list
# verdict: wrong_answer
# must not: pass because the list is plain and only its items are forged
# control: yes
# --- program ---
class Equal(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


def reverse_list(xs):
    return [Equal(0) for _ in xs]
