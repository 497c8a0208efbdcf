# group: robustness
# problem: two_sum
# verdict: passed
# must not: fail because of the constructor, the helper or the code below the class
# --- program ---
class Solution(object):
    def __init__(self):
        self.calls = 0

    def helper(self, nums, target):
        self.calls += 1
        return [[i, j] for j in range(len(nums)) for i in range(j) if nums[i] + nums[j] == target][0]

    def twoSum(self, nums, target):
        return self.helper(nums, target)


solver = Solution()
assert solver.twoSum([1, 2], 3) == [0, 1]
