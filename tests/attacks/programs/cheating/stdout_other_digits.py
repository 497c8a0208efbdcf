# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: pass because int() reads digits of every script
# --- program ---
print("".join(chr(0xFF10 + int(digit)) if digit.isdigit() else digit for digit in str(sum(map(int, input().split())))))
