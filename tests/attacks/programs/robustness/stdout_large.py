# group: robustness
# problem: count_lines
# verdict: passed
# must not: block, time out or be cut at two hundred kilobytes
# --- program ---
print("\n".join(map(str, range(int(input())))))
