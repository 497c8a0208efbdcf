"""What a critic keeps of programs that nobody ran: a cut-off by target recall, and what the selection did to them.

    keep a program where p(passed) >= cutoff(r);   cutoff(r): the score that keeps a share r of the right programs

It is the purification of symbolic knowledge distillation (arXiv 2110.07178).
We differ from the paper in: the cut-off is found on validation programs alone (the released script averages it with
that of the test programs); programs at the cut-off are kept.

Axes: N programs, C cut-offs.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import torch

from critics.calibration import auc
from critics.filters import only
from critics.programs import canonical
from envs.problem import Problem
from envs.rollout import Group

Key = tuple[str, str]
"""(problem id, program): names a program of a corpus that holds none of them twice."""
USUAL_RECALL = 0.8
"""Recall at which the precision of a critic is reported, as in the paper."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A cut-off on the scores of a critic, and what it does to the programs that it was found on."""

    cutoff: float
    """Programs with this score or a higher one are kept."""
    target: float
    """Share of the right programs that was to be kept."""
    recall: float
    """Share of the right programs that is kept."""
    precision: float
    """Share of the kept programs that are right."""
    n_right: int
    """Right programs that it was found on."""
    n_programs: int
    """All programs that it was found on."""


def threshold_at(target: float, scores_N: torch.Tensor, right_N: torch.Tensor) -> Threshold:
    """The cut-off whose recall is nearest to `target`; of two that are equally near the one that keeps more.

    Programs of equal score are kept or dropped together, so with many ties no cut-off may be near the target: compare
    `recall`. Raises ValueError where no program is right, and for a target outside (0, 1].
    """
    n_right = int(right_N.sum())
    if not n_right:
        raise ValueError(f"a recall needs at least one right program; got none among {len(right_N)}")
    if not 0 < target <= 1:
        raise ValueError(f"a target recall lies above 0 and not above 1; got {target}")
    cutoffs_C = torch.unique(scores_N[right_N])  # rising, so the first of equally near ones keeps more
    kept_CN = scores_N >= cutoffs_C.unsqueeze(1)
    hits_C = (kept_CN & right_N).sum(dim=1)
    best = min(range(len(cutoffs_C)), key=lambda c: round(abs(int(hits_C[c]) - target * n_right), 6))
    hits = int(hits_C[best])
    return Threshold(
        cutoff=float(cutoffs_C[best]),
        target=target,
        recall=hits / n_right,
        precision=hits / int(kept_CN[best].sum()),
        n_right=n_right,
        n_programs=len(right_N),
    )


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the scores of a critic tell right programs from wrong ones, on programs that decided nothing."""

    n_programs: int
    """Programs."""
    base_rate: float
    """Share of right ones."""
    auc: float | None
    """Chance that a right one has a higher score than a wrong one; None where there are not both."""
    precision: float | None
    """Share of right ones among those kept at a recall of USUAL_RECALL; None where none is right."""


def quality(scores_N: torch.Tensor, right_N: torch.Tensor) -> Quality:
    """The quality of some scores. Raises ValueError where there is no program."""
    if not len(right_N):
        raise ValueError("the quality of a critic needs at least one program")
    return Quality(
        n_programs=len(right_N),
        base_rate=float(right_N.double().mean()),
        auc=auc(scores_N, right_N),
        precision=threshold_at(USUAL_RECALL, scores_N, right_N).precision if right_N.any() else None,
    )


def keys_of(groups: Iterable[Group]) -> list[Key]:
    """The programs of some groups by their names, in order."""
    return [(group.problem.id, rollout.program) for group in groups for rollout in group.rollouts]


def among(keys: Collection[Key]) -> Callable[[Group], Group]:
    """Keeps the rollouts of a group whose programs are named."""
    wanted = set(keys)
    return lambda group: only(group, lambda program, problem: (problem.id, program) in wanted)


def drawn(keys: Collection[Key], count: int, seed: int) -> set[Key]:
    """`count` of the programs at random: the control that a selection of this size is compared with."""
    return set(random.Random(f"drawn {seed}").sample(sorted(keys), count))


def families_of(problem: Problem) -> tuple[str, ...]:
    """The tags that name families, in order: those of `family:<name>`, otherwise those that are plain names."""
    named = tuple(tag.removeprefix("family:") for tag in problem.tags if tag.startswith("family:"))
    return named or tuple(tag for tag in problem.tags if ":" not in tag)


@dataclass(frozen=True, slots=True)
class Corpus:
    """How large, how diverse and how pure a set of programs is."""

    n_programs: int
    """Programs; none is there twice."""
    n_problems: int
    """Problems that they answer."""
    n_distinct: int
    """Programs that differ in more than names and layout."""
    n_chains: int
    """Combinations of families among the problems, as `families_of` tells them; 0 where no tag names one."""
    n_judged: int
    """Programs that were run for this report, and could be judged."""
    n_right: int
    """Those of them that passed every hidden test."""

    @property
    def purity(self) -> float | None:
        """Share of right programs; None where nothing was judged."""
        return self.n_right / self.n_judged if self.n_judged else None


def describe(keys: Collection[Key], problems: Mapping[str, Problem], right: Mapping[Key, bool]) -> Corpus:
    """What a set of programs is like; `problems` by id, `right` says of each program that was judged if it passed."""
    judged = [right[key] for key in keys if key in right]
    answered = {problem_id for problem_id, _ in keys}
    return Corpus(
        n_programs=len(keys),
        n_problems=len(answered),
        n_distinct=len({canonical(program) for _, program in keys}),
        n_chains=len({families_of(problems[name]) for name in answered} - {()}),
        n_judged=len(judged),
        n_right=sum(judged),
    )


def keep_rates(
    written: Collection[Key], kept: Collection[Key], problems: Mapping[str, Problem]
) -> dict[str, tuple[int, int]]:
    """(programs written, programs kept) by family: a critic may delete whole families."""
    before, after = (
        Counter(family for problem_id, _ in keys for family in families_of(problems[problem_id]))
        for keys in (written, kept)
    )
    return {family: (count, after[family]) for family, count in sorted(before.items())}
