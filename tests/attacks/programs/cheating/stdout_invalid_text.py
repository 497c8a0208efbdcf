# group: cheating
# problem: sum_two
# verdict: wrong_answer
# must not: crash the judge by bytes that are no UTF-8, or drop them
# --- program ---
import sys

sys.stdout.buffer.write(b"\xff\xfe" + str(sum(map(int, input().split()))).encode() + b"\xc0\n")
