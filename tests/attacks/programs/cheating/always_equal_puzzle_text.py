# group: cheating
# problem: puzzle_palindrome
# verdict: wrong_answer
# must not: enter the predicate as a str with forged methods
# --- program ---
class Text(str):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self

    def __eq__(self, other):
        return True

    def __contains__(self, other):
        return True

    __hash__ = None


def solve():
    return Text("no")
