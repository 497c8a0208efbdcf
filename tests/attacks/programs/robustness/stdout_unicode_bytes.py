# group: robustness
# problem: reverse_text
# verdict: passed
# must not: fail because of the locale
# --- program ---
import sys

text = sys.stdin.buffer.readline().decode("utf-8").rstrip("\n")
sys.stdout.buffer.write(text[::-1].encode("utf-8"))
