"""Objective terms: losses per token as pure functions of tensors, with the unit that each one is a mean over.

An objective is a sum of Terms. The loss of a term is

    weight * sum over learned tokens of loss[b, t] * w[b, t] / denominator

where (w, denominator) = (1, learned tokens) per token, or (1 / learned tokens of row b, rows) per sequence. The
denominator counts a whole optimizer step: all micro-batches, all ranks, and rows whose credit is zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch

from rl.batch import Batch


class Per(StrEnum):
    """What the loss of a term is a mean over."""

    TOKEN = "token"
    """Every learned token weighs the same."""
    SEQUENCE = "sequence"
    """Every row weighs the same, whatever its length."""


LossPerToken = Callable[[torch.Tensor, Batch], torch.Tensor]
"""(log_probs_BT of the rows' own tokens, batch) -> loss_BT; values outside `learned_BT` are ignored."""


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of an objective."""

    name: str
    """As it appears in metrics."""
    loss: LossPerToken
    """Loss of each token."""
    per: Per = Per.TOKEN
    """Unit of the mean."""
    weight: float = 1.0
    """Factor before the mean."""
    needs: tuple[str, ...] = ()
    """Columns that the batch must have."""
    silent_where_zero: str | None = None
    """A column whose zeros make the loss and its gradient zero; rows of zeros need no pass through the model."""


def cross_entropy() -> Term:
    """Imitate every learned token: loss = -log p(token)."""
    return Term("cross_entropy", lambda log_probs_BT, batch: -log_probs_BT)


def policy_gradient(per: Per = Per.TOKEN) -> Term:
    """REINFORCE (Williams 1992): loss = -advantage * log p(token), whose gradient is the policy gradient."""
    return Term(
        "policy_gradient",
        lambda log_probs_BT, batch: -batch.columns["advantages"] * log_probs_BT,
        per=per,
        needs=("advantages",),
        silent_where_zero="advantages",
    )


def denominator(term: Term, batch: Batch) -> torch.Tensor:
    """Number of units of a batch: learned tokens, or rows with a learned token."""
    if term.per is Per.TOKEN:
        return batch.learned_BT.sum()
    return batch.learned_BT.any(dim=1).sum()


def weighted_sum(term: Term, log_probs_BT: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Numerator of the term over some rows: divided by the step's denominator, and added up, it is the term's loss."""
    loss_BT = torch.where(batch.learned_BT, term.loss(log_probs_BT, batch), 0.0)
    if term.per is Per.SEQUENCE:
        loss_BT = loss_BT / batch.learned_BT.sum(dim=1, keepdim=True).clamp(min=1)
    return term.weight * loss_BT.sum()


def rows_in_use(objective: tuple[Term, ...], batch: Batch) -> torch.Tensor:
    """Indices of the rows that can move the gradient: the others may be left out of every pass."""
    used_B = torch.zeros(len(batch), dtype=torch.bool, device=batch.ids_BT.device)
    for term in objective:
        carries_BT = batch.learned_BT
        if term.silent_where_zero is not None:
            carries_BT = carries_BT & (batch.columns[term.silent_where_zero] != 0)
        used_B |= carries_BT.any(dim=1)
    return used_B.nonzero().squeeze(1)
