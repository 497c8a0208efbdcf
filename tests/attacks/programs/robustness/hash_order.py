# group: robustness
# problem: histogram
# verdict: passed
# must not: change from run to run
# --- program ---
def histogram(text):
    letters = list({letter for letter in text})
    counts = {letter: text.count(letter) for letter in letters}
    return counts if list({letter for letter in text}) == letters else None
