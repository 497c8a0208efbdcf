"""A policy that half knows three tiny problems, with its graded rollouts and a critic of it: fitted here, in a second."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from critics.model import OutcomeCritic, build_critic
from critics.outcomes import OutcomeClasses, weigh
from envs.grading import Grader
from envs.problem import ExampleTests, HiddenTests, Interface, Problem, TestCase
from envs.prompts import plain
from envs.rewards import four_level
from envs.rollout import Group
from rl.batch import collate
from rl.collect import collect
from rl.credit import by_reward, graded, imitate
from rl.learner import Learner, policy_learner
from rl.losses import cross_entropy, outcome_ce
from rl.models import Policy, load_policy
from rl.score import outcomes
from rl.write import by_policy, by_reference

MAX_NEW_TOKENS = 24


@dataclass(frozen=True)
class World:
    """What fits together."""

    problems: tuple[Problem, ...]
    policy: Policy
    groups: tuple[Group, ...]
    critic: OutcomeCritic
    grader: Grader


def a_sum(sign: str, means: Callable[[int, int], int]) -> Problem:
    """Two numbers and a sign."""

    def case(a: int, b: int) -> TestCase:
        return TestCase([a, b], means(a, b))

    return Problem(
        id=f"a {sign} b",
        statement=f"Give a {sign} b.",
        interface=Interface.FUNCTION,
        entry_point="f",
        starter_code="def f(a, b):\n",
        example_tests=ExampleTests((case(2, 3),)),
        hidden_tests=HiddenTests((case(7, 4), case(2, 5))),
        solutions=(f"def f(a, b):\n    return a {sign} b\n",),
    )


def build(grader: Grader) -> World:
    """Imitate the solutions a little, sample, grade, fit a critic to what came out."""
    problems = (a_sum("+", operator.add), a_sum("-", operator.sub), a_sum("*", operator.mul))
    policy = load_policy("scratch:nano", [plain(p).text + p.solutions[0] for p in problems] * 3, seed=1)
    groups = half_known(policy, problems, grader)
    critic = build_critic("scratch:nano", policy.tokenizer, seed=1)
    batch = collate(groups)
    batch = batch.with_columns(outcomes(weigh(groups, OutcomeClasses.FOUR))(groups, batch))
    batch = batch.with_advantages(by_reward(four_level, graded)(groups, batch))
    learner = Learner(critic, learning_rate=1e-2)
    for _ in range(30):
        learner.step(batch, (outcome_ce(),))
    return World(problems, policy, groups, critic.eval(), grader)


def half_known(policy: Policy, problems: Sequence[Problem], grader: Grader) -> tuple[Group, ...]:
    """Imitate the solutions until every problem has programs that pass and programs that fail; those programs.

    How many steps that takes depends on the rounding of the machine's arithmetic.
    """
    imitated = list(by_reference(policy, ask=plain)(problems, 0))
    batch = collate(imitated)
    batch = batch.with_advantages(imitate(imitated, batch))
    learner = policy_learner(policy.model, learning_rate=2e-2)
    write = by_policy(policy, ask=plain, n=32, temperature=1.0, max_new_tokens=MAX_NEW_TOKENS, seed=7)
    for _ in range(40):
        for _ in range(5):
            learner.step(batch, (cross_entropy(),))
        groups = tuple(collect(problems, write, grader.submit))
        if all(8 <= sum(verdict.passed for verdict in group.verdicts if verdict) <= 28 for group in groups):
            return groups
    raise AssertionError("imitation never came to know half of it")


def fit_policy(policy: Policy, groups: Sequence[Group], steps: int) -> list[float]:
    """Cross-entropy on all rollouts; the loss of each step."""
    learner = policy_learner(policy.model, learning_rate=2e-2)
    batch = collate(groups)
    batch = batch.with_advantages(imitate(groups, batch))
    return [learner.step(batch, (cross_entropy(),))["loss/cross_entropy"] for _ in range(steps)]
