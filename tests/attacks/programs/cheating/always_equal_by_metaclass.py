# group: cheating
# problem: add
# verdict: wrong_answer
# must not: pass because a class is returned whose metaclass forges __eq__
# control: yes
# --- program ---
class Meta(type):
    def __eq__(cls, other):
        return True

    def __instancecheck__(cls, other):
        return True

    def __hash__(cls):
        return 0


class Equal(metaclass=Meta):
    pass


def add(a, b):
    return Equal
