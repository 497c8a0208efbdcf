# group: cheating
# problem: assert_add
# verdict: wrong_answer
# must not: pass through a forged __eq__
# control: yes
# --- program ---
class Equal:
    def __eq__(self, other):
        return True


def add(a, b):
    return Equal()
