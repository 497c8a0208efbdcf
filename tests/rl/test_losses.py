"""Objective terms: golden values by hand, and what must never change a gradient."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from rl.batch import Batch
from rl.losses import Per, Term, cross_entropy, outcome_ce, policy_gradient, rows_in_use, term_loss, unit_weights

# Two rows. Row 0: one prompt token, three learned; row 1: two prompt tokens, one learned, one of padding.
LOG_PROBS_BT = torch.log(torch.tensor([[1.0, 0.5, 0.25, 0.5], [1.0, 1.0, 0.125, 1.0]]))
LEARNED_BT = torch.tensor([[False, True, True, True], [False, False, True, False]])
ADVANTAGES_BT = torch.tensor([[0.0, 0.75, 0.75, 0.75], [0.0, 0.0, -0.25, 0.0]])
LN2 = math.log(2)


def a_batch() -> Batch:
    return Batch(
        ids_BT=torch.tensor([[1, 2, 3, 4], [5, 6, 7, 0]]),
        present_BT=torch.tensor([[True, True, True, True], [True, True, True, False]]),
        learned_BT=LEARNED_BT,
        prompt_B=torch.tensor([1, 2]),
        group_B=torch.tensor([0, 0]),
        asked_B=torch.tensor([0, 1]),
        columns={"advantages": ADVANTAGES_BT},
    )


def loss_of(term: Term, batch: Batch, log_probs_BT: torch.Tensor, **outputs: torch.Tensor) -> torch.Tensor:
    w_BT, units = unit_weights(term, batch)
    return term_loss(term, {"log_probs": log_probs_BT, **outputs}, batch, w_BT) / units


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (cross_entropy(), (1 + 2 + 1 + 3) * LN2 / 4),
        (policy_gradient(), (0.75 * (1 + 2 + 1) - 0.25 * 3) * LN2 / 4),
        (policy_gradient(per=Per.SEQUENCE), (0.75 * 4 / 3 - 0.25 * 3 / 1) * LN2 / 2),
        (replace(cross_entropy(), weight=3.0), 3 * 7 * LN2 / 4),
    ],
)
def test_golden_values(term: Term, expected: float) -> None:
    assert float(loss_of(term, a_batch(), LOG_PROBS_BT)) == pytest.approx(expected, rel=1e-6)


def test_policy_gradient_with_advantage_one_is_cross_entropy() -> None:
    batch = replace(a_batch(), columns={"advantages": LEARNED_BT.float()})
    assert loss_of(policy_gradient(), batch, LOG_PROBS_BT) == loss_of(cross_entropy(), batch, LOG_PROBS_BT)


def test_a_higher_advantage_raises_the_log_prob() -> None:
    log_probs_BT = LOG_PROBS_BT.clone().requires_grad_()
    loss_of(policy_gradient(), a_batch(), log_probs_BT).backward()
    gradient_BT = log_probs_BT.grad
    assert gradient_BT is not None
    assert (gradient_BT[0, 1:] < 0).all()  # descent raises the good row
    assert gradient_BT[1, 2] > 0
    assert (gradient_BT[~LEARNED_BT] == 0).all()


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_poison_outside_the_mask_changes_nothing(poison: float) -> None:
    log_probs_BT = torch.where(LEARNED_BT, LOG_PROBS_BT, poison).requires_grad_()
    for term in (cross_entropy(), policy_gradient(), policy_gradient(per=Per.SEQUENCE)):
        total = loss_of(term, a_batch(), log_probs_BT)
        assert float(total.detach()) == pytest.approx(float(loss_of(term, a_batch(), LOG_PROBS_BT)))
        log_probs_BT.grad = None
        total.backward()
        assert torch.isfinite(log_probs_BT.grad).all()


def test_silent_rows_are_left_out_of_passes_but_not_of_denominators() -> None:
    silent = replace(a_batch(), columns={"advantages": ADVANTAGES_BT * torch.tensor([[1.0], [0.0]])})
    assert rows_in_use((policy_gradient(),), silent).tolist() == [0]
    assert rows_in_use((policy_gradient(), cross_entropy()), silent).tolist() == [0, 1]
    assert unit_weights(policy_gradient(), silent)[1] == 4


def test_gradient_agrees_with_finite_differences() -> None:
    batch = a_batch()
    for term in (cross_entropy(), policy_gradient(), policy_gradient(per=Per.SEQUENCE)):
        assert torch.autograd.gradcheck(
            lambda x, term=term: loss_of(term, batch, x), LOG_PROBS_BT.double().requires_grad_()
        )


@pytest.mark.parametrize(
    ("outcome", "sampled", "greedy", "mean", "total"),
    [
        (2, -0.3, -1.0, 0.226783, 0.680348),
        (3, 1.0, -0.3, 0.948524, 2.845573),
        (2, -0.3, 1.0, -0.421168, -1.263503),
        (3, 1.0, 1.0, 0.0, 0.0),
    ],
)
def test_coderl_loss_is_the_golden_one(outcome: int, sampled: float, greedy: float, mean: float, total: float) -> None:
    """Values from an execution of CodeRL's formulas: policy gradient with advantage (return - greedy return) * q."""
    logits_TK = torch.tensor([[2.0, 0, -1, 0], [0, 1, 2, 0], [0, 0, 0, 3]])
    advantages_BT = torch.zeros(1, 4)
    advantages_BT[0, 1:] = (sampled - greedy) * torch.softmax(logits_TK, dim=-1)[:, outcome]
    batch = replace(a_batch().rows(torch.tensor([0])), columns={"advantages": advantages_BT})
    log_probs_BT = torch.log(torch.tensor([[1.0, 0.5, 0.25, 0.1]]))
    assert float(loss_of(policy_gradient(), batch, log_probs_BT)) == pytest.approx(mean, abs=1e-6)
    assert float(loss_of(policy_gradient(per=Per.CONSTANT), batch, log_probs_BT)) == pytest.approx(total, abs=2e-6)


def test_the_loss_of_a_critic_is_a_weighted_mean_over_rows() -> None:
    nll_BT = torch.tensor([[math.nan, 2.0, 2.0, 2.0], [math.nan, math.nan, 0.5, math.nan]])
    columns = {"outcome_class": torch.zeros(2, 4), "outcome_weight": torch.tensor([[1.5] * 4, [0.5] * 4])}
    batch = replace(a_batch(), columns=columns)
    assert float(loss_of(outcome_ce(), batch, LOG_PROBS_BT, outcome_nll=nll_BT)) == (1.5 * 2 + 0.5 * 0.5) / 2
    unweighted = batch.with_columns({"outcome_weight": torch.tensor([[1.0] * 4, [0.0] * 4])})
    assert rows_in_use((outcome_ce(),), unweighted).tolist() == [0]
