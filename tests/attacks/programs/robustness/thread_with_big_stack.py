# group: robustness
# problem: depth
# verdict: passed
# must not: fail because the stack counts against memory, or cannot be had
# --- program ---
import sys
import threading

sys.setrecursionlimit(1 << 20)
threading.stack_size(1 << 27)


def down(n):
    return 0 if n == 0 else 1 + down(n - 1)


def main():
    print(down(int(input())))


thread = threading.Thread(target=main)
thread.start()
thread.join()
