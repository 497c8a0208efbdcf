# group: robustness
# problem: echo_upper
# verdict: passed | runtime_error
# must not: read another process's input
# why open: /dev/stdin leads through /proc, which a program is not promised
# --- program ---
print(open("/dev/stdin").read().upper())
