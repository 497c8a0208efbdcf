"""Checks of terms, masks and credit: pure functions of small tensors in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import torch

from envs.rollout import Group, Segment
from rl.batch import Batch, collate
from rl.credit import Advantage
from rl.losses import (
    Estimator,
    Outputs,
    Per,
    Ratio,
    Term,
    clipped,
    cross_entropy,
    entropy_bonus,
    kl_to_reference,
    policy_gradient,
    unit_weights,
    value_error,
)
from rl.selftest.rows import a_group, a_rollout, apart, largest, with_columns

Collate = Callable[[Sequence[Group]], Batch]
"""As `rl.batch.collate`."""
Reduce = Callable[[Term, Outputs, Batch, torch.Tensor], torch.Tensor]
"""As `rl.losses.term_loss`."""

TERMS = (
    cross_entropy(),
    policy_gradient(),
    clipped(),
    replace(clipped(0.2, 0.28, dual=1.5), name="clipped, dual"),
    replace(clipped(correction_cap=2.0), name="clipped, corrected"),
    replace(clipped(ratio=Ratio.SEQUENCE), name="clipped, sequence"),
    kl_to_reference(0.1, Estimator.K2),
    kl_to_reference(0.1, Estimator.K3),
    entropy_bonus(0.1),
    value_error(),
)
"""Every term of `rl.losses`, with each option of its own."""
SMOOTH = (policy_gradient(), kl_to_reference(0.1, Estimator.K3), entropy_bonus(0.1))
"""An objective without clips, which a rounding can cross."""
OBJECTIVES = tuple(tuple(replace(term, per=unit, length=16) for term in (clipped(), *SMOOTH[1:])) for unit in Per)


def finite_differences(terms: Iterable[Term], reduce: Reduce) -> float:
    """Gradient of every term: backward, finite differences."""
    logits_BTV, batch = _table()
    step, worst = 1e-5, 0.0
    for term in terms:
        found = _loss_and_gradients(term, reduce, _table_outputs(logits_BTV, batch), batch, logits_BTV)[1]
        expected = torch.zeros_like(logits_BTV)
        for place in range(logits_BTV.numel()):
            moved = torch.zeros(logits_BTV.numel(), dtype=torch.float64)
            moved[place] = step
            up, down = (
                _loss(term, reduce, _table_outputs(logits_BTV + sign * moved.view_as(logits_BTV), batch), batch)
                for sign in (1, -1)
            )
            expected.view(-1)[place] = (up - down).detach() / (2 * step)
        worst = max(worst, apart(expected, found))
    return worst


def outside_the_mask(terms: Iterable[Term], reduce: Reduce) -> float:
    """Every term: 0, NaN and infinity where nothing is learned."""
    logits_BTV, batch = _table()
    clean = {name: output.detach() for name, output in _table_outputs(logits_BTV, batch).items()}
    worst = 0.0
    for term in terms:
        expected = _filled_loss_and_gradients(term, reduce, clean, batch, 0.0)
        for fill in (math.nan, math.inf, -math.inf):
            found = _filled_loss_and_gradients(term, reduce, clean, batch, fill)
            worst = max(worst, largest(found - expected))
    return worst


def _filled_loss_and_gradients(term: Term, reduce: Reduce, clean: Outputs, batch: Batch, fill: float) -> torch.Tensor:
    """Loss of a term, then its gradient by the outputs it wants, as one vector."""
    outside_BT = ~batch.learned_BT
    outputs = {name: output.masked_fill(outside_BT, fill).requires_grad_() for name, output in clean.items()}
    columns = {name: column.masked_fill(outside_BT, fill) for name, column in batch.columns.items()}
    loss, gradients = _loss_and_gradients(
        term, reduce, outputs, replace(batch, columns=columns), *(outputs[want] for want in term.wants)
    )
    return torch.cat([loss.reshape(1), gradients.flatten()])


def _loss(term: Term, reduce: Reduce, outputs: Outputs, batch: Batch) -> torch.Tensor:
    w_BT, n_units = unit_weights(term, batch)
    return reduce(term, outputs, batch, w_BT.double()) / n_units


def _loss_and_gradients(
    term: Term, reduce: Reduce, outputs: Outputs, batch: Batch, *by: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """(loss, gradients by some tensors of one shape); zeros where the loss has none."""
    loss = _loss(term, reduce, outputs, batch)
    if not loss.requires_grad:
        return loss, torch.zeros_like(torch.stack(by))
    return loss.detach(), torch.stack(torch.autograd.grad(loss, by))


def _table() -> tuple[torch.Tensor, Batch]:
    """Logits of three tokens for three rows of four, and their batch with columns around the log-probs."""
    generator = torch.Generator().manual_seed(1)
    logits_BTV = torch.randn(3, 4, 3, generator=generator, dtype=torch.float64).requires_grad_()
    rows = [((1,), (2, 0, 1)), ((0, 1), (2,)), ((1,), (0, 1, 2))]
    batch = collate(
        [
            a_group([a_rollout(prompt, (Segment(ids, "policy"),)) for prompt, ids in rows[:2]]),
            a_group([a_rollout(rows[2][0], (Segment(rows[2][1], "policy"),))]),
        ]
    )
    near_BT = _table_outputs(logits_BTV, batch)["log_probs"].detach()
    return logits_BTV, with_columns(batch, near_BT)


def _table_outputs(logits_BTV: torch.Tensor, batch: Batch) -> Outputs:
    """What a model with these logits says about the batch's tokens; the value is the first logit."""
    log_probs_BTV = logits_BTV.log_softmax(dim=-1)
    return {
        "log_probs": log_probs_BTV.gather(2, batch.ids_BT.unsqueeze(2)).squeeze(2),
        "entropy": -(log_probs_BTV.exp() * log_probs_BTV).sum(dim=-1),
        "values": logits_BTV[..., 0],
    }


def end_of_text(collate: Collate) -> float:
    """Tokens masked wrongly: the policy's own, with the end of text, are learned."""
    batch = collate(_ended_groups(end_id=7))
    learned_BT = torch.tensor([[0, 0, 1, 1, 1, 0], [0, 0, 1, 0, 0, 1], [0, 1, 0, 0, 0, 0]], dtype=torch.bool)
    length_B = torch.tensor([5, 6, 2])
    present_BT = torch.arange(6) < length_B.unsqueeze(1)
    return float(((batch.learned_BT != learned_BT) | (batch.present_BT != present_BT)).sum())


def mask_by_length(collate: Collate) -> float:
    """Tokens whose mask changes where padding and end of text have one id."""
    batch, same = collate(_ended_groups(end_id=3)), collate(_ended_groups(end_id=0))
    return float(((batch.learned_BT != same.learned_BT) | (batch.present_BT != same.present_BT)).sum())


def equal_rewards(advantages: Mapping[str, Advantage]) -> float:
    """Advantages of rewards that differ by rounding only."""
    almost_equal = ([0.1 + 0.2, 0.3, 0.3], [sum([0.1] * 10), 1.0, 1.0, 1.0], [1 / 3, 0.333333, 1 / 3], [0.7, 0.7])
    return max(
        largest(advantage(torch.tensor(rewards, dtype=torch.float64)))
        for advantage in advantages.values()
        for rewards in almost_equal
    )


def _ended_groups(end_id: int) -> list[Group]:
    """A text, two turns with the environment between them, and an end of text alone."""
    turns = (Segment((13,), "policy"), Segment((14, 15), "environment", learn=False), Segment((end_id,), "policy"))
    return [
        a_group([a_rollout((11, 12), (Segment((13, 14, end_id), "policy"),)), a_rollout((11, 12), turns)]),
        a_group([a_rollout((11,), (Segment((end_id,), "policy"),))]),
    ]
