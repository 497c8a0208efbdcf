# group: robustness
# problem: two_sum
# verdict: runtime_error
# must not: be a sandbox_error or a compile_error
# --- program ---
class Solution:
    def two_sum(self, nums, target):
        return [0, 1]
