"""What a round's programs earned, and how they do on the example tests: `After` hooks of the loop.

Only programs that the policy sampled count, as in `rl.log.describe`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from envs.grading import GradeRequest
from envs.rollout import Group, last_turns, turns
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


def by_turns(reward: Callable[[Verdict], float]) -> After:
    """What a round's attempts came to, over all ranks; those that could not be judged are left out.

    reward, equal_rewards: as `rewards_seen`, of the last programs alone; first_turn, last_turn: share of attempts whose
    first, whose last program passed; asked_again: share that have more than one.
    """
    of_last = rewards_seen(reward)

    def observe(number: int, groups: Sequence[Group], batch: Batch) -> Mapping[str, float]:
        ends = gather([(v[0], v[-1], len(v)) for group in groups for v in _verdicts_by_turn(group)])
        if not ends:
            return {}
        count = len(ends)
        return {
            **of_last(number, [last_turns(group) for group in groups], batch),
            "first_turn": sum(first for first, _, _ in ends) / count,
            "last_turn": sum(last for _, last, _ in ends) / count,
            "asked_again": sum(length > 1 for _, _, length in ends) / count,
        }

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


def _verdicts_by_turn(group: Group) -> list[list[bool]]:
    """Whether each program passed, attempt by attempt, where all of an attempt could be judged."""
    verdicts = [[group.verdicts[place] for place in places] for places in turns(group)]
    return [
        [verdict.passed for verdict in of_one if verdict is not None]
        for of_one in verdicts
        if all(verdict is not None and verdict.outcome is not Outcome.SANDBOX_ERROR for verdict in of_one)
    ]


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
