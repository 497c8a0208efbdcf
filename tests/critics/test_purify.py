"""Purification: cut-offs by recall, ties, controls of equal size, and what is said of a corpus."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from critics.purify import among, describe, drawn, families_of, keep_rates, keys_of, quality, threshold_at
from envs.problem_sets import load_problems
from envs.rollout import Group
from tests.builders import a_problem, a_rollout

SCORES = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], dtype=torch.float64)
RIGHT = torch.tensor([True, True, False, True, False, True])


@pytest.mark.parametrize(
    ("target", "cutoff", "recall", "precision"),
    [(1.0, 0.4, 1.0, 4 / 6), (0.8, 0.6, 0.75, 3 / 4), (0.5, 0.8, 0.5, 1.0), (0.25, 0.9, 0.25, 1.0)],
)
def test_a_cut_off_keeps_the_share_that_was_asked_for(
    target: float, cutoff: float, recall: float, precision: float
) -> None:
    found = threshold_at(target, SCORES, RIGHT)
    assert (found.cutoff, found.recall, found.precision) == (cutoff, recall, precision)
    assert (found.target, found.n_right, found.n_programs) == (target, 4, 6)


def test_of_two_cut_offs_equally_near_the_one_that_keeps_more_is_taken() -> None:
    assert threshold_at(0.625, SCORES, RIGHT).recall == 0.75


def test_equal_scores_are_kept_or_dropped_together() -> None:
    right = torch.tensor([True, True, True, False])
    found = threshold_at(0.5, torch.tensor([0.9, 0.3, 0.3, 0.3], dtype=torch.float64), right)
    assert (found.cutoff, found.recall, found.precision) == (0.9, 1 / 3, 1.0)
    alike = threshold_at(0.5, torch.full((4,), 0.3, dtype=torch.float64), right)
    assert (alike.recall, alike.precision) == (1.0, 3 / 4)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1).filter(lambda rows: any(r for _, r in rows)),
    st.floats(0.01, 1.0),
)
def test_no_cut_off_has_a_nearer_recall(rows: list[tuple[int, bool]], target: float) -> None:
    scores, right = torch.tensor([s for s, _ in rows]).double(), torch.tensor([r for _, r in rows])
    found = threshold_at(target, scores, right)
    assert found.recall == float(right[scores >= found.cutoff].sum() / right.sum().double())
    possible = [float(right[scores >= c].sum() / right.sum().double()) for c in scores]
    assert abs(found.recall - target) <= min(abs(r - target) for r in possible if r > 0) + 1e-5


@given(st.integers(25, 80), st.integers(0, 50), st.floats(0.05, 1.0), st.randoms(use_true_random=False))
def test_with_25_right_programs_of_different_scores_the_recall_is_within_2_points(
    n_right: int, n_wrong: int, target: float, rng: object
) -> None:
    flags = [True] * n_right + [False] * n_wrong
    rng.shuffle(flags)  # type: ignore[attr-defined]
    found = threshold_at(target, torch.arange(len(flags)).double(), torch.tensor(flags))
    assert abs(found.recall - target) <= 0.02 + 1e-9


def test_nothing_right_has_no_recall() -> None:
    with pytest.raises(ValueError, match="at least one right program; got none among 6"):
        threshold_at(0.8, SCORES, torch.zeros(6, dtype=torch.bool))
    with pytest.raises(ValueError, match="got 0"):
        threshold_at(0.0, SCORES, RIGHT)


def test_quality_is_computed_by_hand() -> None:
    found = quality(SCORES, RIGHT)
    assert found.n_programs == 6
    assert found.base_rate == pytest.approx(4 / 6)
    assert found.auc == pytest.approx((2 + 2 + 1 + 0) / 8)
    assert found.precision == pytest.approx(3 / 4)
    assert quality(SCORES, torch.ones(6, dtype=torch.bool)).auc is None
    assert quality(SCORES, torch.zeros(6, dtype=torch.bool)).precision is None


def of(problem_id: str, *programs: str, tags: tuple[str, ...] = ()) -> Group:
    rollouts = tuple(replace(a_rollout(), program=program) for program in programs)
    return Group(replace(a_problem(problem_id), tags=tags), rollouts, (None,) * len(rollouts))


def test_programs_are_kept_by_problem_and_text() -> None:
    groups = [of("a", "x = 1", "x = 2"), of("b", "x = 1")]
    assert keys_of(groups) == [("a", "x = 1"), ("a", "x = 2"), ("b", "x = 1")]
    keep = among({("a", "x = 2"), ("b", "x = 1")})
    assert keys_of(map(keep, groups)) == [("a", "x = 2"), ("b", "x = 1")]


def test_the_control_is_as_large_and_drawn_by_its_seed() -> None:
    keys = [(str(number), "x") for number in range(50)]
    assert len(drawn(keys, 20, seed=1)) == 20
    assert drawn(keys, 20, seed=1) == drawn(keys[::-1], 20, seed=1) != drawn(keys, 20, seed=2)
    assert drawn(keys, 20, seed=1) < set(keys)


def test_families_are_those_of_either_generated_set() -> None:
    basics = load_problems("basics", "train").problems[0]
    assert families_of(basics) == basics.tags
    words = load_problems("word_problems", "train").problems[0]
    assert families_of(words) == (words.tags[0].removeprefix("family:"),)
    assert families_of(a_problem()) == ()


def test_a_corpus_is_described_as_counted_by_hand() -> None:
    groups = [
        of("a", "x = 1", "y = 1", "x = 2", tags=("sort", "sum")),
        of("b", "x = 3", tags=("sum",)),
        of("c", "x = 4", tags=("sort", "sum")),
    ]
    problems = {group.problem.id: group.problem for group in groups}
    keys = keys_of(groups)
    right = {keys[0]: True, keys[1]: True, keys[2]: False, keys[3]: False}  # the last could not be judged
    found = describe(keys, problems, right)
    assert (found.n_programs, found.n_problems, found.n_distinct, found.n_chains) == (5, 3, 4, 2)
    assert (found.n_judged, found.n_right, found.purity) == (4, 2, 0.5)
    assert describe(keys, problems, {}).purity is None
    assert describe([], problems, right).n_problems == 0
    assert keep_rates(keys, keys[:2], problems) == {"sort": (4, 2), "sum": (5, 2)}
