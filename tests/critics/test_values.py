"""Logits of a critic: golden values from an execution of CodeRL's formulas, and who has a vote."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from critics.values import (
    max_over_program,
    max_so_far,
    outcome_cross_entropy,
    outcome_probability,
    pass_probability,
)

FAILED, PASSED = 2, 3
LOGITS_BTK = torch.tensor([[[2.0, 0, -1, 0], [0, 1, 2, 0], [0, 0, 0, 3]]])
EVERYWHERE_BT = torch.ones(1, 3, dtype=torch.bool)


def test_pooled_logits_are_the_golden_ones() -> None:
    assert max_over_program(LOGITS_BTK, EVERYWHERE_BT).tolist() == [[2.0, 1.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    ("outcome", "values"), [(FAILED, [0.037704, 0.610296, 0.043317]), (PASSED, [0.102491, 0.082595, 0.870049])]
)
def test_token_values_are_the_golden_ones(outcome: int, values: list[float]) -> None:
    labels_BT = torch.full((1, 3), outcome)
    assert outcome_probability(LOGITS_BTK, labels_BT)[0].tolist() == pytest.approx(values, abs=1e-6)


def test_loss_and_pass_probability_by_hand() -> None:
    pooled_BK = torch.tensor([[2.0, 1.0, 2.0, 3.0]])
    total = 2 * math.exp(2) + math.exp(1) + math.exp(3)
    assert float(outcome_cross_entropy(pooled_BK, torch.tensor([0]))) == pytest.approx(math.log(total) - 2)
    assert float(pass_probability(pooled_BK)) == pytest.approx(math.exp(3) / total)


def test_running_maximum_ends_at_the_pooled_one() -> None:
    running_BTK = max_so_far(LOGITS_BTK, EVERYWHERE_BT)
    assert running_BTK[0].tolist() == [[2, 0, -1, 0], [2, 1, 2, 0], [2, 1, 2, 3]]


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.integers(0, 100))
def test_only_program_tokens_vote(program: list[bool], seed: int) -> None:
    program_BT = torch.tensor([program])
    clean_BTK = torch.randn(1, len(program), 4, generator=torch.Generator().manual_seed(seed))
    for poison in (math.inf, math.nan, 1e9):
        values_BTK = torch.where(program_BT.unsqueeze(-1), clean_BTK, poison).requires_grad_()
        pooled_BK = max_over_program(values_BTK, program_BT)
        expected_K = clean_BTK[0, program].amax(dim=0) if any(program) else torch.zeros(4)
        assert torch.equal(pooled_BK[0], expected_K)
        assert torch.equal(max_so_far(values_BTK, program_BT)[0, -1], expected_K)
        (gradient_BTK,) = torch.autograd.grad(pooled_BK.sum(), values_BTK)
        assert (gradient_BTK[~program_BT] == 0).all()
        assert float(gradient_BTK.sum()) == (4.0 if any(program) else 0.0)


def test_tied_tokens_share_the_gradient() -> None:
    values_BTK = torch.zeros(1, 4, 1, requires_grad=True)
    max_over_program(values_BTK, torch.tensor([[True, True, False, True]])).sum().backward()
    assert values_BTK.grad is not None
    assert values_BTK.grad.flatten().tolist() == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])
