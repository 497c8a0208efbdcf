# group: robustness
# problem: three_lines
# verdict: passed
# must not: fail because of spaces at the ends of lines and empty lines at the end
# --- program ---
n = int(input())
for i in 1, 2, 3:
    print(n + i, end="  \t\n")
print("\n\n")
