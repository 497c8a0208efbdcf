"""What a round's programs earned, and how they do on the example tests: `After` hooks of the loop.

Only programs that the policy sampled count, as in `rl.log.describe`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from envs.grading import GradeRequest
from envs.rollout import Group
from envs.verdict import Outcome, Verdict
from rl.batch import Batch
from rl.collect import Grade
from rl.credit import MIN_SPREAD, rewards
from rl.engine import gather, together
from rl.log import sampled
from rl.loop import After


def rewards_seen(reward: Callable[[Verdict], float]) -> After:
    """What a round's programs earned, of all ranks; those that could not be judged are left out.

    reward: the mean; equal_rewards: share of groups in which all rewards are equal. Programs that are alone in their
    group are compared with each other.
    """

    def observe(number: int, groups: Sequence[Group], batch: Batch) -> Mapping[str, float]:
        of_this_rank = [rewards(group, reward).tolist() for group in sampled(groups)]
        rewards_PG = gather([[value for value in row if value == value] for row in of_this_rank])
        known = [value for rewards_G in rewards_PG for value in rewards_G]
        if not known:
            return {}
        alone = [value for rewards_G in rewards_PG if len(rewards_G) == 1 for value in rewards_G]
        compared = [rewards_G for rewards_G in (*rewards_PG, alone) if len(rewards_G) > 1]
        n_equal = sum(max(rewards_G) - min(rewards_G) < MIN_SPREAD for rewards_G in compared)
        shares = {"equal_rewards": n_equal / len(compared)} if compared else {}
        return {"reward": sum(known) / len(known)} | shares

    return observe


def by_example_tests(grade: Grade, every: int) -> After:
    """How the programs of every `every`-th round do on the example tests, over all ranks; 0 is never.

    example_pass_rate: share that pass all of them; overfit: share that pass all of them and fail the hidden ones.
    Problems without example tests and programs that could not be judged are left out.
    """

    def observe(number: int, groups: Sequence[Group], batch: Batch) -> Mapping[str, float]:
        if not every or (number + 1) % every:
            return {}
        passed = gather(together(lambda: _example_and_hidden(sampled(groups), grade)))
        if not passed:
            return {}
        return {
            "example_pass_rate": sum(example for example, _ in passed) / len(passed),
            "overfit": sum(example and not hidden for example, hidden in passed) / len(passed),
        }

    return observe


def _example_and_hidden(groups: Sequence[Group], grade: Grade) -> list[tuple[bool, bool]]:
    """Whether each program passes the example tests, and whether it passed the hidden ones."""
    coming = [
        (grade(GradeRequest(group.problem, rollout.program, group.problem.example_tests)), hidden)
        for group in groups
        if group.problem.example_tests
        for rollout, hidden in zip(group.rollouts, group.verdicts, strict=True)
        if hidden is not None
    ]
    verdicts = [(future.result(), hidden) for future, hidden in coming]
    return [
        (example.passed, hidden.passed)
        for example, hidden in verdicts
        if Outcome.SANDBOX_ERROR not in (example.outcome, hidden.outcome)
    ]
