"""evaluate: how often a policy solves problems, as unbiased pass@k with a bootstrap interval over problems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from critics.rationales import Wording, shares_of, wording_of
from envs.passk import pass_at_k
from envs.problem import Problem
from envs.rollout import Group
from envs.verdict import Outcome
from rl.collect import Check, Grade, collect
from rl.engine import gather, share, together
from rl.write import Write

N_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems with its 95 % interval."""

    mean: float
    """Average over problems."""
    low: float
    """2.5 % quantile of the bootstrap over problems."""
    high: float
    """97.5 % quantile."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a policy did on a list of problems."""

    n_problems: int
    """Problems with at least one program that could be judged."""
    n_programs: int
    """Programs judged; those with a sandbox_error are left out."""
    pass_at: Mapping[int, Estimate]
    """pass@k by k."""
    outcomes: Mapping[str, int]
    """Number of programs by outcome, sandbox errors included."""
    wording: Mapping[str, float] = field(default_factory=dict)
    """Of answers in words, right or wrong: the shares of `critics.rationales.shares_of`; empty for programs."""

    @property
    def pass_at_1(self) -> float:
        """Chance that one program is right."""
        return self.pass_at[1].mean


def evaluate(
    problems: Sequence[Problem],
    write: Write,
    grade: Grade,
    ks: Sequence[int] = (1,),
    check: Check = lambda groups: None,
) -> Evaluation:
    """Write and grade programs for each problem by its hidden tests; `write` must give at least max(ks) per problem.

    Ranks share the problems, and all of them get the whole result. `check` may refuse the graded programs.
    """
    groups = together(lambda: list(collect(share(problems), write, grade)))
    check(groups)
    wordings = gather([wording_of(group) for group in groups])
    return evaluation_of(gather([outcomes_of(group) for group in groups]), ks, wordings)


def evaluation_of(
    outcomes_PG: Sequence[Sequence[Outcome]], ks: Sequence[int], wordings: Sequence[Wording] = ()
) -> Evaluation:
    """pass@k over the outcomes of each problem's programs. A program with a sandbox_error counts as not written."""
    counts = []
    for outcomes_G in outcomes_PG:
        known = [outcome for outcome in outcomes_G if outcome is not Outcome.SANDBOX_ERROR]
        if known:
            counts.append((len(known), known.count(Outcome.PASSED)))
    frequency = Counter(str(outcome) for outcomes_G in outcomes_PG for outcome in outcomes_G)
    if not counts:
        raise RuntimeError(f"no program could be judged; outcomes: {dict(frequency)}")
    return Evaluation(
        n_problems=len(counts),
        n_programs=sum(n for n, _ in counts),
        pass_at={k: estimate([pass_at_k(n, c, k) for n, c in counts if n >= k]) for k in ks},
        outcomes=dict(sorted(frequency.items())),
        wording=shares_of(wordings),
    )


def outcomes_of(group: Group) -> list[Outcome]:
    """How the programs of a group ended."""
    return [verdict.outcome for verdict in group.verdicts if verdict is not None]


def estimate(values: Sequence[float]) -> Estimate:
    """Mean over problems with its bootstrap interval; raises ValueError where there is none."""
    if not values:
        raise ValueError("pass@k: no problem has k programs; sample more per problem or ask for a smaller k")
    array = np.asarray(values)
    resampled = np.random.default_rng(0).choice(array, size=(N_RESAMPLES, len(array))).mean(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(array.mean()), float(low), float(high))
