# group: robustness
# problem: two_sum
# verdict: runtime_error
# must not: be a sandbox_error
# --- program ---
class Solution:
    def __init__(self):
        raise ValueError("not today")

    def twoSum(self, nums, target):
        return [0, 1]
