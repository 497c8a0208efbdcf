# group: resource
# problem: sum_two
# verdict: output_limit
# must not: be a wrong_answer: the cap was reached, even if the program hides it and exits with 0
# --- program ---
import os

for _ in range(64):
    try:
        os.write(1, b"z" * (1 << 20))
    except OSError:
        pass
os._exit(0)
