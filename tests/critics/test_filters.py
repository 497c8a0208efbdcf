"""Filters: what passed is kept once, the earliest or the shortest."""

from __future__ import annotations

from dataclasses import replace

from critics.filters import CHOICES, a_few, chosen, first, passing, repair_pairs, shortest
from envs.rollout import Rollout, StopReason
from envs.verdict import Outcome
from tests.builders import a_group, a_rollout

P, W, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR


def written(program: str, tokens: int) -> Rollout:
    return replace(a_rollout(ids=range(tokens)), program=program)


def test_only_whole_programs_that_passed_are_kept() -> None:
    cut = replace(a_rollout(), stop=StopReason.LENGTH)
    rollouts = [written("a", 1), written("b", 1), written("c", 1), cut]
    kept = passing(a_group(rollouts, [W, P, S, P]))
    assert kept.rollouts == (rollouts[1],)
    assert [verdict.passed for verdict in kept.verdicts if verdict] == [True]


def test_a_program_is_learned_from_once() -> None:
    long, short, again = written("x = 1\ny = 2\n", 9), written("x = 3\n", 3), written("x = 1  \n\ny = 2", 8)
    assert first([long, again, short], 5) == [long, short]
    assert first([long, again, short], 1) == [long]
    assert shortest([long, again, short], 1) == [short]
    assert shortest([long, written("z", 9)], 2) == [long, written("z", 9)]


def test_verdicts_stay_with_their_programs() -> None:
    group = a_group([written("a", 9), written("b", 3)], [W, P])
    kept = chosen(group, CHOICES["shortest"], 1)
    assert (kept.rollouts, kept.verdicts) == (group.rollouts[1:], group.verdicts[1:])


def test_a_few_are_distinct_completions_with_their_verdicts() -> None:
    rollouts = [a_rollout(ids=ids) for ids in [(1, 2), (1, 2), (3,), (4, 5), (3,)]]
    group = a_group(rollouts, [W, W, P, S, P])
    kept = a_few(group, 9, seed=0)
    assert {r.completion_ids: v.outcome for r, v in zip(kept.rollouts, kept.verdicts, strict=True) if v} == {
        (1, 2): W,
        (3,): P,
        (4, 5): S,
    }
    assert len(a_few(group, 2, seed=0).rollouts) == 2
    assert a_few(group, 2, seed=0) == a_few(group, 2, seed=0)
    assert len({a_few(group, 1, seed=seed).rollouts for seed in range(20)}) == 3


def test_a_failed_program_is_paired_with_the_most_similar_one_that_passed() -> None:
    programs = {
        "return a + b": P,
        "while True: pass": P,
        "return a - b": W,
        "while True: x": W,
        "return a - b ": W,
        "?": S,
    }
    group = a_group([written(program, 3) for program in programs], list(programs.values()))
    pairs = [(pair.failed.program, pair.passed.program) for pair in repair_pairs(group, at_most=9)]
    assert pairs == [("return a - b", "return a + b"), ("while True: x", "while True: pass")]
    assert all(pair.verdict.passed for pair in repair_pairs(group, at_most=9))
    assert len(repair_pairs(group, at_most=1)) == 1


def test_without_a_program_that_passed_or_failed_there_is_no_pair() -> None:
    for outcome in (P, W, S):
        assert repair_pairs(a_group([written("a", 1), written("b", 1)], [outcome] * 2), at_most=9) == []
