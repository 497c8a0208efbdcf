# group: robustness
# problem: two_sum
# verdict: passed
# must not: fail because twoSum is no function of the module
# --- program ---
from typing import List


class Solution:
    def twoSum(self, nums: List[int], target: int) -> List[int]:
        seen = {}
        for index, number in enumerate(nums):
            if target - number in seen:
                return [seen[target - number], index]
            seen[number] = index
        return []
