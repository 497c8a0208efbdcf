"""Every objective term with every unit: values by hand, finite differences, exact gradients of KL, invariances."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import partial
from itertools import product

import pytest
import torch
from torch import nn

from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.learner import Learner, TokenLogProbs, policy_learner
from rl.losses import (
    Estimator,
    Outputs,
    Per,
    Ratio,
    Term,
    clipped,
    cross_entropy,
    entropy_bonus,
    kl_estimate,
    kl_to_reference,
    policy_gradient,
    term_loss,
    unit_weights,
    value_error,
)
from rl.models import load_policy
from tests.builders import a_group, a_rollout

LN2 = math.log(2)
LENGTH = 8
NAN = math.nan
# Rows 0 and 1 are one group, row 2 another. Row 0 learns three tokens, row 1 one, row 2 two around one that is not.
LEARNED_BT = torch.tensor([[False, True, True, True], [False, False, True, False], [False, True, False, True]])
PROBABILITIES_BT = torch.tensor([[1, 1 / 2, 1 / 4, 1 / 2], [1, 1, 1 / 8, 1], [1, 1 / 2, 1, 1 / 4]])
PROXIMAL_BT = torch.tensor([[1, 1 / 4, 1 / 4, 1], [1, 1, 1 / 4, 1], [1, 1 / 2, 1, 1 / 2]])
"""Ratios of the learned tokens: 2, 1, 1/2; 1/2; 1, 1/2."""
BEHAVIOR_BT = torch.tensor([[1, 1 / 16, 1 / 2, 1], [1, 1, 1 / 4, 1], [1, 1 / 4, 1, 1 / 2]])
"""Proximal over behaviour: 4, 1/2, 1; 1; 2, 1."""
ADVANTAGES_BT = torch.tensor([[1.0] * 4, [-2.0] * 4, [0.5] * 4])
REFERENCE_BT = torch.tensor([[1, 1 / 4, 1 / 4, 1], [1, 1, 1 / 8, 1], [1, 1 / 4, 1, 1]])
"""Log of policy over reference, in units of ln 2: 1, 0, -1; 0; 1, -2."""
ENTROPY_BT = torch.tensor([[9, 1.0, 0.5, 0.25], [9, 9, 2.0, 9], [9, 0.0, 9, 3.0]])
VALUES_BT = torch.tensor([[9, 1.0, 0.0, -1.0], [9, 9, 2.0, 9], [9, 0.5, 9, 0.0]])
RETURNS_BT = torch.tensor([[9, 0.0, 0.0, 1.0], [9, 9, -1.0, 9], [9, 0.0, 9, 3.0]])

WEIGHTS_BT = {
    Per.TOKEN: [[1 / 6] * 3, [1 / 6], [1 / 6] * 2],
    Per.SEQUENCE: [[1 / 9] * 3, [1 / 3], [1 / 6] * 2],
    Per.GROUP: [[1 / 8] * 3, [1 / 8], [1 / 4] * 2],
    Per.CONSTANT: [[1 / (3 * LENGTH)] * 3, [1 / (3 * LENGTH)], [1 / (3 * LENGTH)] * 2],
}
"""What each learned token weighs: six tokens, three rows, two groups of four and two tokens."""

TERMS = {
    "cross_entropy": cross_entropy(),
    "policy_gradient": policy_gradient(),
    "clipped": clipped(),
    "clip_higher": clipped(0.2, 0.28),
    "dual_clip": clipped(0.2, 0.2, dual=1.5),
    "corrected": clipped(correction_cap=2.0),
    "sequence_ratio": clipped(ratio=Ratio.SEQUENCE),
    "kl_k2": kl_to_reference(0.1, Estimator.K2),
    "kl_k3": kl_to_reference(0.1, Estimator.K3),
    "entropy": entropy_bonus(0.1),
    "value_error": value_error(),
}
GOLDEN = {
    "cross_entropy": [[LN2, 2 * LN2, LN2], [3 * LN2], [LN2, 2 * LN2]],
    "policy_gradient": [[LN2, 2 * LN2, LN2], [-6 * LN2], [LN2 / 2, LN2]],
    # The good row stops at 1.2 and may fall; the bad one, once below 0.8, gains no more.
    "clipped": [[-1.2, -1.0, -0.5], [1.6], [-0.5, -0.25]],
    "clip_higher": [[-1.28, -1.0, -0.5], [1.6], [-0.5, -0.25]],
    "dual_clip": [[-1.2, -1.0, -0.5], [1.6], [-0.5, -0.25]],
    # Weights 2 (capped from 4), 1/2, 1; 1; 2, 1.
    "corrected": [[-2.4, -0.5, -0.5], [1.6], [-1.0, -0.25]],
    # The rows' ratios are 1, 1/2 and the root of 1/2.
    "sequence_ratio": [[-1.0, -1.0, -1.0], [1.6], [-0.5 * math.sqrt(0.5)] * 2],
    "kl_k2": [[0.05 * LN2**2, 0.0, 0.05 * LN2**2], [0.0], [0.05 * LN2**2, 0.2 * LN2**2]],
    "kl_k3": [[0.1 * (LN2 - 0.5), 0.0, 0.1 * (1 - LN2)], [0.0], [0.1 * (LN2 - 0.5), 0.1 * (3 - 2 * LN2)]],
    "entropy": [[-0.1, -0.05, -0.025], [-0.2], [0.0, -0.3]],
    "value_error": [[0.5, 0.0, 2.0], [4.5], [0.125, 4.5]],
}
"""Loss of each learned token, by hand."""


def a_batch(fill: float = 0.0) -> Batch:
    """The rows above; columns hold `fill` where nothing is learned."""
    columns = {
        "advantages": ADVANTAGES_BT,
        "proximal_log_probs": PROXIMAL_BT.log(),
        "behavior_log_probs": BEHAVIOR_BT.log(),
        "reference_log_probs": REFERENCE_BT.log(),
        "returns": RETURNS_BT,
    }
    return Batch(
        ids_BT=torch.zeros(3, 4, dtype=torch.long),
        present_BT=torch.tensor([[True] * 4, [True] * 3 + [False], [True] * 4]),
        learned_BT=LEARNED_BT,
        prompt_B=torch.tensor([1, 2, 1]),
        group_B=torch.tensor([0, 0, 1]),
        asked_B=torch.tensor([0, 1, 2]),
        columns={name: torch.where(LEARNED_BT, column, fill) for name, column in columns.items()},
    )


def outputs(fill: float = 0.0) -> dict[str, torch.Tensor]:
    """Outputs of a model, `fill` where nothing is learned."""
    known = {"log_probs": PROBABILITIES_BT.log(), "entropy": ENTROPY_BT, "values": VALUES_BT}
    return {name: torch.where(LEARNED_BT, output, fill) for name, output in known.items()}


def per(name: str, unit: Per) -> Term:
    return replace(TERMS[name], per=unit, length=LENGTH)


def loss_of(term: Term, given: Outputs, batch: Batch) -> torch.Tensor:
    w_BT, units = unit_weights(term, batch)
    return term_loss(term, given, batch, w_BT) / units


@pytest.mark.parametrize("unit", Per)
@pytest.mark.parametrize("name", TERMS)
def test_golden_values(name: str, unit: Per) -> None:
    expected = sum(
        loss * weight
        for losses, weights in zip(GOLDEN[name], WEIGHTS_BT[unit], strict=True)
        for loss, weight in zip(losses, weights, strict=True)
    )
    assert float(loss_of(per(name, unit), outputs(), a_batch())) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "ratio", "advantage", "loss", "slope"),
    [
        ({}, 5.0, -1.0, 5.0, 5.0),
        ({"dual": 3.0}, 5.0, -1.0, 3.0, 0.0),
        ({"dual": 3.0}, 2.5, -1.0, 2.5, 2.5),
        ({"dual": 3.0}, 0.5, -1.0, 0.8, 0.0),
        ({"dual": 3.0}, 5.0, 1.0, -1.2, 0.0),
        ({"low": 0.2, "high": 0.28}, 1.25, 1.0, -1.25, -1.25),
        ({"low": 0.2, "high": 0.2}, 1.25, 1.0, -1.2, 0.0),
        ({"low": 0.1, "high": 0.28}, 0.85, -1.0, 0.9, 0.0),
        ({"low": 0.2, "high": 0.2}, 0.85, -1.0, 0.85, 0.85),
    ],
)
def test_clipping_of_one_token(
    settings: dict[str, float], ratio: float, advantage: float, loss: float, slope: float
) -> None:
    """Loss and its derivative by the log-prob: the ratio times the advantage inside, nothing outside."""
    one = a_batch().rows(torch.tensor([1]))
    columns = {"advantages": torch.full((1, 3), advantage), "proximal_log_probs": torch.zeros(1, 3)}
    log_probs_BT = torch.full((1, 3), math.log(ratio), requires_grad=True)
    found = loss_of(clipped(**settings), {"log_probs": log_probs_BT}, replace(one, columns=columns))  # type: ignore[arg-type]
    found.backward()
    assert float(found.detach()) == pytest.approx(loss, rel=1e-5)
    assert log_probs_BT.grad is not None
    assert log_probs_BT.grad[0].tolist() == pytest.approx([0.0, 0.0, slope], rel=1e-5)


def test_a_sequence_ratio_moves_the_tokens_of_a_row_alike() -> None:
    """GSPO's gradient: ratio times advantage times the mean of the row's log-prob gradients."""
    given = outputs() | {"log_probs": outputs()["log_probs"].requires_grad_()}
    loss_of(clipped(ratio=Ratio.SEQUENCE, per=Per.SEQUENCE), given, a_batch()).backward()
    slope_BT = given["log_probs"].grad
    assert slope_BT is not None
    assert slope_BT[0, 1:].tolist() == pytest.approx([-1 / 9] * 3, rel=1e-5)
    assert slope_BT[1].tolist() == [0, 0, 0, 0]  # clipped
    assert slope_BT[2].tolist() == pytest.approx([0, -0.5 * math.sqrt(0.5) / 6, 0, -0.5 * math.sqrt(0.5) / 6], rel=1e-5)


@pytest.mark.parametrize("poison", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("unit", Per)
@pytest.mark.parametrize("name", TERMS)
def test_poison_where_nothing_is_learned_changes_nothing(name: str, unit: Per, poison: float) -> None:
    term, clean, dirty = per(name, unit), outputs(), outputs(poison)
    for tensor in (*clean.values(), *dirty.values()):
        tensor.requires_grad_()
    expected, found = loss_of(term, clean, a_batch()), loss_of(term, dirty, a_batch(poison))
    expected.backward()
    found.backward()
    assert torch.equal(found, expected)
    for output in term.wants:
        assert torch.equal(dirty[output].grad, clean[output].grad)  # type: ignore[arg-type]
        assert (dirty[output].grad[~LEARNED_BT] == 0).all()  # type: ignore[index]


IDS_BT = torch.tensor([[0, 1, 2, 0], [0, 0, 2, 0], [0, 2, 0, 1]])


def of_logits(logits_BTV: torch.Tensor) -> Outputs:
    """Outputs of a table of logits; the value is the first logit."""
    log_probs_BTV = logits_BTV.log_softmax(-1)
    return {
        "log_probs": log_probs_BTV.gather(2, IDS_BT.unsqueeze(2)).squeeze(2),
        "entropy": -(log_probs_BTV.exp() * log_probs_BTV).sum(-1),
        "values": logits_BTV[..., 0],
    }


@pytest.mark.parametrize("unit", Per)
@pytest.mark.parametrize("name", TERMS)
def test_gradients_agree_with_finite_differences(name: str, unit: Per) -> None:
    logits_BTV = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    term, batch = per(name, unit), a_batch()
    assert torch.autograd.gradcheck(lambda x: loss_of(term, of_logits(x), batch), logits_BTV.requires_grad_())


# KL by enumeration: one row per token of a small vocabulary, weighted by the policy's own probability.

POLICY_V = torch.tensor([0.3, -1.0, 0.8, 0.1, -0.4], dtype=torch.float64)
REFERENCE_V = torch.tensor([-1.5, 0.7, 0.4, 1.9, -2.1], dtype=torch.float64).log_softmax(0)


def divergence(p_V: torch.Tensor, q_V: torch.Tensor) -> torch.Tensor:
    """KL(p || q) of two distributions given by their log-probs."""
    return (p_V.exp() * (p_V - q_V)).sum()


def gradient_by(logits_V: torch.Tensor, scalar: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(scalar, logits_V, retain_graph=True)[0]


def expected_loss_gradient(estimator: Estimator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(expected value, gradient of the expected loss with the samples held fixed, logits) of an estimator."""
    logits_V = POLICY_V.clone().requires_grad_()
    log_probs_V1 = logits_V.log_softmax(0).unsqueeze(1)
    learned_V1 = torch.ones(5, 1, dtype=torch.bool)
    loss_V1 = kl_estimate(log_probs_V1, REFERENCE_V.unsqueeze(1), learned_V1, estimator)
    mean = (log_probs_V1.exp().detach() * loss_V1).sum()
    return mean.detach(), gradient_by(logits_V, mean), logits_V


def test_k1_is_unbiased_and_has_no_gradient_and_is_refused() -> None:
    mean, gradient, logits_V = expected_loss_gradient(Estimator.K1)
    assert mean == pytest.approx(float(divergence(logits_V.detach().log_softmax(0), REFERENCE_V)))
    assert gradient.abs().max() < 1e-12
    with pytest.raises(ValueError, match="k1 has no gradient on average"):
        kl_to_reference(0.1, Estimator.K1)


def test_the_gradient_of_k2_is_that_of_the_kl() -> None:
    mean, gradient, logits_V = expected_loss_gradient(Estimator.K2)
    kl = divergence(logits_V.log_softmax(0), REFERENCE_V)
    assert abs(float(mean - kl.detach())) > 0.01  # biased
    assert torch.allclose(gradient, gradient_by(logits_V, kl), atol=1e-12)


def test_the_gradient_of_k3_is_that_of_the_reverse_kl() -> None:
    mean, gradient, logits_V = expected_loss_gradient(Estimator.K3)
    log_probs_V = logits_V.log_softmax(0)
    assert mean == pytest.approx(float(divergence(log_probs_V.detach(), REFERENCE_V)))
    assert torch.allclose(gradient, gradient_by(logits_V, divergence(REFERENCE_V, log_probs_V)), atol=1e-12)
    assert not torch.allclose(gradient, gradient_by(logits_V, divergence(log_probs_V, REFERENCE_V)), atol=1e-2)
    d_BT = torch.linspace(-3, 3, 101).unsqueeze(0)
    assert (kl_estimate(d_BT, torch.zeros_like(d_BT), torch.ones_like(d_BT, dtype=torch.bool), Estimator.K3) >= 0).all()


def test_over_several_tokens_k2_holds_the_visited_states_fixed() -> None:
    """Two tokens: k2 is the gradient of the KL of each visited state, without the way a token steers later states."""
    generator = torch.Generator().manual_seed(1)
    first_V = torch.randn(3, generator=generator, dtype=torch.float64, requires_grad=True)
    second_VV = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    reference_V = torch.randn(3, generator=generator, dtype=torch.float64).log_softmax(0)
    reference_VV = torch.randn(3, 3, generator=generator, dtype=torch.float64).log_softmax(1)
    p_V, p_VV = first_V.log_softmax(0), second_VV.log_softmax(1)
    texts = list(product(range(3), range(3)))
    log_probs_BT = torch.stack([torch.stack([p_V[a], p_VV[a, b]]) for a, b in texts])
    reference_BT = torch.stack([torch.stack([reference_V[a], reference_VV[a, b]]) for a, b in texts])
    k2_BT = kl_estimate(log_probs_BT, reference_BT, torch.ones(9, 2, dtype=torch.bool), Estimator.K2)
    found = gradient_by(first_V, (log_probs_BT.sum(1).exp().detach() * k2_BT.sum(1)).sum())
    of_texts = divergence(log_probs_BT.sum(1), reference_BT.sum(1))
    assert torch.allclose(found, gradient_by(first_V, divergence(p_V, reference_V)), atol=1e-12)
    assert not torch.allclose(found, gradient_by(first_V, of_texts), atol=1e-2)


# Through the learner.

P = Outcome.PASSED
GROUPS = [
    a_group([a_rollout((5, 6), (7, 8, 9)), a_rollout((5, 6), (10,)), a_rollout((5, 6), (11, 12))], [P] * 3),
    a_group([a_rollout((20, 21, 22, 23), (7,)), a_rollout((20, 21, 22, 23), (9, 9, 9, 4, 9, 9, 9))], [P] * 2),
    a_group([a_rollout((30,), (7, 7, 2, 4))], [P]),
]


class WithValues(nn.Module):
    """A policy with values that depend on the token before."""

    def __init__(self, policy: TokenLogProbs) -> None:
        super().__init__()
        self.policy = policy
        torch.manual_seed(5)
        self.value_of_id = nn.Embedding(384, 1)

    def forward(self, batch: Batch, temperature: float, wants: frozenset[str]) -> Outputs:
        values_BT = self.value_of_id(batch.ids_BT).squeeze(2).roll(1, dims=1)
        return {**self.policy(batch, temperature, wants), "values": values_BT}


@pytest.fixture(scope="module")
def model() -> nn.Module:
    model = load_policy("scratch:nano", ["abc"], seed=1).model
    torch.manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="module")
def columns(model: nn.Module) -> dict[str, torch.Tensor]:
    """Columns near the model's own log-probs, with ratios on both sides of every clip."""
    batch = collate(GROUPS)
    log_probs_BT = policy_learner(model, learning_rate=1e-3).outputs(batch, 0.7)["log_probs"]
    generator = torch.Generator().manual_seed(2)
    noise = partial(torch.randn, log_probs_BT.shape, generator=generator)
    near = {f"{name}_log_probs": log_probs_BT + 0.4 * noise() for name in ("proximal", "behavior", "reference")}
    return near | {"advantages": noise(), "returns": noise()}


def gradient(
    model: nn.Module, batch: Batch, term: Term, micro_batch_tokens: int = 10**6, *, share_prompts: bool = False
) -> torch.Tensor:
    module = WithValues(TokenLogProbs(copy.deepcopy(model), share_prompts=share_prompts))
    learner = Learner(module, learning_rate=1e-3, micro_batch_tokens=micro_batch_tokens, share_prompts=share_prompts)
    learner.backward(batch, (term,), temperature=0.7)
    return torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).flatten() for p in module.parameters()])


@pytest.mark.parametrize(
    ("name", "unit"), [(name, Per.GROUP) for name in TERMS] + [("clipped", unit) for unit in Per if unit != Per.GROUP]
)
def test_nothing_about_the_layout_changes_the_gradient(
    model: nn.Module, columns: dict[str, torch.Tensor], name: str, unit: Per
) -> None:
    term = per(name, unit)
    batch = collate(GROUPS).with_columns(columns)
    expected = gradient(model, batch, term)
    wide = replace(
        batch,
        ids_BT=nn.functional.pad(batch.ids_BT, (0, 5), value=17),
        present_BT=nn.functional.pad(batch.present_BT, (0, 5)),
        learned_BT=nn.functional.pad(batch.learned_BT, (0, 5)),
        columns={
            name: nn.functional.pad(column.masked_fill(~batch.learned_BT, NAN), (0, 5), value=NAN)
            for name, column in batch.columns.items()
        },
    )
    shuffled = batch.rows(torch.tensor([3, 5, 0, 4, 2, 1]))
    regrouped = batch.rows(torch.tensor([5, 3, 4, 0, 1, 2]))
    regrouped = replace(regrouped, group_B=2 - regrouped.group_B, asked_B=2 - regrouped.asked_B)
    variants = {
        "one row a pass": gradient(model, batch, term, 1),
        "some rows a pass": gradient(model, batch, term, 15),
        "padding": gradient(model, wide, term),
        "order": gradient(model, shuffled, term),
        "order of groups": gradient(model, regrouped, term, 15),
        "shared prompts": gradient(model, batch, term, share_prompts=True),
        "shared prompts, split": gradient(model, shuffled, term, 15, share_prompts=True),
        "shared prompts, padding": gradient(model, wide, term, share_prompts=True),
    }
    assert expected.norm() > 1e-3
    for variant, found in variants.items():
        assert (found - expected).norm() < 1e-4 * expected.norm(), variant


@pytest.mark.parametrize("share_prompts", [False, True])
@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.5])
def test_at_the_first_step_ratios_are_one_and_kl_is_zero(
    model: nn.Module, temperature: float, share_prompts: bool
) -> None:
    """In the pass that has a gradient, split otherwise than the pass before it: |log ratio| < 1e-5 in float32."""
    learner = policy_learner(model, learning_rate=1e-3, micro_batch_tokens=12, share_prompts=share_prompts)
    batch = collate(GROUPS)
    before_BT = policy_learner(model, learning_rate=1e-3).outputs(batch, temperature)["log_probs"]
    batch = batch.with_columns({"proximal_log_probs": before_BT, "reference_log_probs": before_BT})
    log_ratios: list[torch.Tensor] = []

    def look(given: Outputs, part: Batch) -> torch.Tensor:
        log_ratios.append((given["log_probs"] - part.columns["proximal_log_probs"])[part.learned_BT].detach())
        return given["log_probs"]

    losses = learner.backward(
        batch, (Term("look", look), kl_to_reference(1.0), kl_to_reference(1.0, Estimator.K3)), temperature
    )
    assert sum(len(part) for part in log_ratios) == 18
    assert torch.cat(log_ratios).abs().max() < 1e-5
    assert max(losses["kl_k2"], losses["kl_k3"]) < 1e-9
