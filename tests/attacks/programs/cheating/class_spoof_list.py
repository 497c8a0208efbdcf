# group: cheating
# problem: reverse_list
# verdict: wrong_answer
# must not: pass because it says that its class is list
# control: yes
# --- program ---
class Equal:
    __class__ = list

    def __eq__(self, other):
        return True

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0

    __hash__ = None


def reverse_list(xs):
    return Equal()
