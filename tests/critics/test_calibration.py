"""How far a critic can be trusted: values by hand, and properties of the measures."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from critics.calibration import (
    FRACTIONS,
    Judged,
    auc,
    calibrate,
    calibration_error,
    problem_prior,
    reliability,
    scores,
)

SCORES = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=20)


def judged(guesses: list[int], labels: list[int], problem_ids: list[str], sure: float = 0.9) -> Judged:
    """A critic that is `sure` of each guess at the end of a program, and says nothing before."""
    final_NK = torch.full((len(guesses), 3), (1 - sure) / 2)
    final_NK[range(len(guesses)), guesses] = sure
    blank_NK = torch.full_like(final_NK, 1 / 3)
    probs_FNK = torch.stack([blank_NK] * (len(FRACTIONS) - 1) + [final_NK])
    return Judged(("crash", "wrong", "passed"), probs_FNK, torch.tensor(labels), tuple(problem_ids))


@given(SCORES)
def test_auc_is_the_chance_of_a_right_order(rows: list[tuple[int, bool]]) -> None:
    positive = [score for score, is_positive in rows if is_positive]
    negative = [score for score, is_positive in rows if not is_positive]
    found = auc(
        torch.tensor([float(score) for score, _ in rows]), torch.tensor([is_positive for _, is_positive in rows])
    )
    if not positive or not negative:
        assert found is None
    else:
        wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
        assert found == pytest.approx(wins / (len(positive) * len(negative)))


@given(SCORES)
def test_auc_sees_order_alone(rows: list[tuple[int, bool]]) -> None:
    scores_N = torch.tensor([float(score) for score, _ in rows])
    positive_N = torch.tensor([is_positive for _, is_positive in rows])
    found = auc(scores_N, positive_N)
    assert auc(torch.exp(scores_N) - 7, positive_N) == found
    if found is not None:
        assert auc(-scores_N, positive_N) == pytest.approx(1 - found)
        assert auc(torch.zeros_like(scores_N), positive_N) == 0.5


def test_scores_by_hand() -> None:
    # crash: 2 of 3 found, 1 false alarm; wrong: 1 of 2 found, 1 false alarm; passed: 1 of 1 found, none false.
    found = calibrate(judged([0, 0, 1, 1, 0, 2], [0, 0, 0, 1, 1, 2], list("aaabbb")))
    final = found.critic[1.0]
    assert found.confusion == ((2, 1, 0), (1, 1, 0), (0, 0, 1))
    assert found.shares == pytest.approx((3 / 6, 2 / 6, 1 / 6))
    assert final.accuracy == pytest.approx(4 / 6)
    assert final.recall == pytest.approx((2 / 3, 1 / 2, 1))
    assert final.f1 == pytest.approx((2 * 2 / 6, 2 * 1 / 4, 2 * 1 / 2))
    assert final.macro_f1 == pytest.approx((2 / 3 + 1 / 2 + 1) / 3)
    assert final.auc == pytest.approx(
        (((2 * 2 + 1 * 0) + 0.5 * (2 * 1 + 1 * 2)) / 9, ((1 * 3 + 0) + 0.5 * (3 + 1)) / 8, 1.0)
    )
    assert final.calibration_error == pytest.approx(0.9 - 4 / 6)
    assert final.pass_calibration_error == pytest.approx((5 * 0.05 + 0.1) / 6)
    assert [(b.count, b.happened) for b in found.reliability] == [(5, 0.0), (1, 1.0)]
    assert found.majority.accuracy == 0.5
    assert found.majority.f1 == pytest.approx((2 * 3 / 9, 0, 0))
    assert found.majority.auc == (0.5, 0.5, 0.5)


def test_a_class_that_does_not_occur_has_no_score() -> None:
    found = scores(torch.tensor([[0.2, 0.5, 0.3], [0.2, 0.3, 0.5]]), torch.tensor([1, 2]))
    assert found.f1 == (None, 1.0, 1.0)
    assert found.recall[0] is found.auc[0] is None
    assert found.macro_f1 == 1.0


def test_calibration_error_is_zero_where_frequency_is_probability() -> None:
    probs_N = torch.tensor([0.25] * 4 + [0.75] * 4)
    happened_N = torch.tensor([True, False, False, False, True, True, True, False])
    assert calibration_error(probs_N, happened_N) == 0
    assert [(b.count, b.said, b.happened) for b in reliability(probs_N, happened_N)] == [
        (4, 0.25, 0.25),
        (4, 0.75, 0.75),
    ]
    assert calibration_error(probs_N, ~happened_N) == pytest.approx(0.5)
    assert calibration_error(torch.tensor([1.0]), torch.tensor([True])) == 0


def test_the_prior_of_a_problem_leaves_the_program_out() -> None:
    labels_N = torch.tensor([0, 0, 1, 1])
    prior_NK = problem_prior(labels_N, ["a", "a", "a", "b"], 2)
    # Others of the problem, plus one observation spread as all three others are.
    assert prior_NK[0].tolist() == pytest.approx([(1 + 1 / 3) / 3, (1 + 2 / 3) / 3])
    assert prior_NK[2].tolist() == pytest.approx([(2 + 2 / 3) / 3, (1 / 3) / 3])
    assert prior_NK[3].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert problem_prior(torch.tensor([1]), ["a"], 2).tolist() == [[0.5, 0.5]]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc")), min_size=2, max_size=12), st.data())
def test_the_prior_does_not_know_its_own_outcome(rows: list[tuple[int, str]], data: st.DataObject) -> None:
    labels_N, problem_ids = torch.tensor([label for label, _ in rows]), [problem for _, problem in rows]
    one = data.draw(st.integers(0, len(rows) - 1))
    prior_NK = problem_prior(labels_N, problem_ids, 3)
    labels_N[one] = (labels_N[one] + 1) % 3
    assert torch.allclose(problem_prior(labels_N, problem_ids, 3)[one], prior_NK[one])
    assert torch.allclose(prior_NK.sum(dim=1), torch.ones(len(rows), dtype=torch.float64))


def test_better_inside_names_frequent_classes_only() -> None:
    labels = [0] * 10 + [2] * 30 + [1]
    all_right = judged(labels, labels, [str(index % 7) for index in range(41)])
    found = calibrate(all_right)
    assert found.better_inside(1.0) == {"crash": True, "passed": True}  # one of 41 is less than 5 %
    # Before the end it says nothing, which here means that it always guesses the first class.
    assert found.better_inside() == {"crash": False, "passed": False}
    none_right = calibrate(judged([1] * 41, labels, ["a"] * 41))
    assert none_right.better_inside(1.0) == {"crash": False, "passed": False}


def test_a_record_is_plain_and_readable() -> None:
    found = calibrate(judged([0, 2, 2], [0, 1, 2], ["a", "a", "b"]))
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["critic"]["0.25"]["accuracy"] == pytest.approx(found.critic[0.25].accuracy)
    assert plain["problem"]["macro_f1"] == pytest.approx(found.problem.macro_f1)
    table = found.table().splitlines()
    assert table[0] == "3 generated programs for 2 problems"
    assert len({len(line) for line in table[1:8]}) == 1
    assert "majority class" in found.table()
    assert not math.isnan(found.critic[1.0].macro_f1)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="no generated program"):
        calibrate(judged([], [], []))
