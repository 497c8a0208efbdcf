# group: robustness
# problem: sum_two
# verdict: passed
# must not: be a compile_error because something stands before its first line
# --- program ---
"""A docstring may come first."""

from __future__ import annotations

a, b = map(int, input().split())
print(a + b)
