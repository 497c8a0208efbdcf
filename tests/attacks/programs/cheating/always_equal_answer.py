# group: cheating
# problem: answer_number
# verdict: wrong_answer
# must not: pass through a forged __eq__
# control: yes
# --- program ---
class Equal:
    def __eq__(self, other):
        return True


def answer():
    return Equal()
