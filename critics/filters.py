"""Filters that choose which graded programs are learned from: pure functions of one problem's rollouts."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from types import MappingProxyType

from critics.programs import canonical
from critics.rationales import normalised
from envs.extract import extract_rationale
from envs.forms import Form, form_of
from envs.problem import Problem
from envs.rollout import Group, Rollout, StopReason
from envs.verdict import Outcome, Verdict

Choose = Callable[[Sequence[Rollout], int], list[Rollout]]
"""(rollouts of one problem that passed, most that are wanted) -> those to learn from."""


def passing(group: Group) -> Group:
    """The rollouts of a group that passed every hidden test and were not cut off at the length limit."""
    kept = [
        (rollout, verdict)
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
        if verdict is not None and verdict.passed and rollout.stop is not StopReason.LENGTH
    ]
    return Group(group.problem, tuple(rollout for rollout, _ in kept), tuple(verdict for _, verdict in kept))


def first(rollouts: Sequence[Rollout], at_most: int) -> list[Rollout]:
    """The earliest distinct programs."""
    return _distinct(rollouts)[:at_most]


def shortest(rollouts: Sequence[Rollout], at_most: int) -> list[Rollout]:
    """The distinct programs of fewest tokens; the earlier one where two are equally short."""
    return sorted(_distinct(rollouts), key=lambda rollout: len(rollout.completion_ids))[:at_most]


def agreed(rollouts: Sequence[Rollout], at_most: int) -> list[Rollout]:
    """The earliest program of each cluster of programs that differ in names and layout only; large clusters first.

    What was found in many ways is seldom right by luck.
    """
    clusters: dict[str, list[Rollout]] = {}
    for rollout in rollouts:
        clusters.setdefault(canonical(rollout.program), []).append(rollout)
    return [cluster[0] for cluster in sorted(clusters.values(), key=len, reverse=True)[:at_most]]


CHOICES: MappingProxyType[str, Choose] = MappingProxyType({"first": first, "shortest": shortest, "agreed": agreed})
"""Ways to choose by the name that a config gives."""


def chosen(group: Group, choose: Choose, at_most: int) -> Group:
    """The chosen rollouts of a group, with their verdicts."""
    verdict_of = {id(rollout): verdict for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)}
    rollouts = choose(group.rollouts, at_most)
    return Group(group.problem, tuple(rollouts), tuple(verdict_of[id(rollout)] for rollout in rollouts))


def each_once(group: Group) -> Group:
    """The first of equal programs, with their verdicts."""
    return chosen(group, first, len(group.rollouts))


def only(group: Group, keep: Callable[[str, Problem], bool]) -> Group:
    """The rollouts of a group whose programs are worth learning from, such as `without_dead_code`."""
    return keeping(group, lambda rollout: keep(rollout.program, group.problem))


def keeping(group: Group, keep: Callable[[Rollout], bool]) -> Group:
    """The rollouts of a group for which something holds, with their verdicts."""
    kept = [pair for pair in zip(group.rollouts, group.verdicts, strict=True) if keep(pair[0])]
    return Group(group.problem, tuple(rollout for rollout, _ in kept), tuple(verdict for _, verdict in kept))


def a_few(group: Group, at_most: int, seed: int) -> Group:
    """Some of the distinct completions of a group, drawn at random: what a critic learns most from per pass."""
    pairs = {
        rollout.completion_ids: (rollout, verdict)
        for rollout, verdict in reversed(list(zip(group.rollouts, group.verdicts, strict=True)))
    }
    dealt = list(pairs.values())[::-1]
    random.Random(f"a few {seed} {group.problem.id}").shuffle(dealt)
    kept = dealt[:at_most]
    return Group(group.problem, tuple(rollout for rollout, _ in kept), tuple(verdict for _, verdict in kept))


@dataclass(frozen=True, slots=True)
class RepairPair:
    """A failed program with one that shows how to mend it."""

    failed: Rollout
    """What was wrong."""
    passed: Rollout
    """What is right."""
    verdict: Verdict
    """The verdict over `passed`."""


def repair_pairs(group: Group, at_most: int) -> list[RepairPair]:
    """The first distinct programs of a group that failed, each with the most similar one that passed.

    CodeRL pairs every failed program with the reference solution; the nearest right program asks for the least change.
    """
    right = passing(group)
    failed = [
        rollout
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
        if verdict is not None and not verdict.passed and verdict.outcome is not Outcome.SANDBOX_ERROR
    ]
    if not right.rollouts:
        return []
    pairs = []
    for rollout in first(failed, at_most):
        likeness = [SequenceMatcher(None, rollout.program, other.program, False).ratio() for other in right.rollouts]
        best = likeness.index(max(likeness))
        verdict = right.verdicts[best]
        assert verdict is not None
        pairs.append(RepairPair(rollout, right.rollouts[best], verdict))
    return pairs


def _distinct(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """One rollout per solution, the earliest."""
    by_solution: dict[str, Rollout] = {}
    for rollout in rollouts:
        by_solution.setdefault(_solution(rollout), rollout)
    return list(by_solution.values())


def _solution(rollout: Rollout) -> str:
    """The program without spaces at line ends and empty lines; of words the rationale, however it is spaced."""
    if form_of(rollout.prompt) is not Form.PROGRAM:
        return normalised(extract_rationale(rollout.text))
    lines = [line.rstrip() for line in rollout.program.splitlines()]
    return "\n".join(line for line in lines if line)
