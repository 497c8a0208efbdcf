# group: cheating
# problem: reverse_list
# verdict: wrong_answer
# must not: pass because it is a list
# control: yes
# --- program ---
class Equal(list):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    __hash__ = None


def reverse_list(xs):
    return Equal()
