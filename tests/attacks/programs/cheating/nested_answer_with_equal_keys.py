# group: cheating
# problem: histogram
# verdict: wrong_answer
# must not: pass because a key is equal to every key
# --- program ---
class Key(str):
    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


def histogram(text):
    return {Key("zzz"): 1}
