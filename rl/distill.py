"""Distillation: divergences between a teacher's and the learner's distribution of each token, as objective terms.

The teacher lists the log-probs of K tokens in each state. With fewer than the whole vocabulary, all other tokens
together are one more event, on both sides: the divergence of the coarser distributions, never more than the whole one.

Axes: B rows, T tokens, K listed tokens.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from rl.batch import Batch
from rl.losses import Outputs, Per, Term

TEACHER_IDS, TEACHER_LOG_PROBS, TEACHER_TEMPERATURE = "teacher_ids", "teacher_log_probs", "teacher_temperature"
"""Columns: the listed tokens (B, T, K), the teacher's log-probs of them (B, T, K), and at which temperature (B, T)."""
LISTED = "listed_log_probs"
"""The learner's log-probs of the teacher's listed tokens, at the teacher's temperature, (B, T, K)."""
ROUNDING = 1e-6
"""Smallest probability of the tokens that are not listed: what is below is rounding of the others' sum."""

Divergence = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(log-probs of the teacher, log-probs of the learner), both (..., K) -> (...)."""


def divergence_from_teacher(teacher: torch.Tensor, learner: torch.Tensor) -> torch.Tensor:
    """KL(teacher || learner) = sum of p_teacher (log p_teacher - log p), (..., K) -> (...); 0 log 0 is 0."""
    return _weighted(teacher.exp(), teacher - learner)


def divergence_from_learner(teacher: torch.Tensor, learner: torch.Tensor) -> torch.Tensor:
    """KL(learner || teacher) = sum of p (log p - log p_teacher), (..., K) -> (...); 0 log 0 is 0."""
    return _weighted(learner.exp(), learner - teacher)


def with_rest(log_probs: torch.Tensor) -> torch.Tensor:
    """Log-probs of K tokens, and of all others together as one more: (..., K) -> (..., K + 1)."""
    listed = log_probs.logsumexp(dim=-1, keepdim=True).clamp(max=-ROUNDING)
    return torch.cat([log_probs, torch.log(-torch.expm1(listed))], dim=-1)


def forward_kl(weight: float = 1.0, *, temperature: float = 1.0, whole: bool = False, per: Per = Per.TOKEN) -> Term:
    """KL(teacher || learner) of each token: the learner covers whatever the teacher would write.

    Both are at `temperature`, and the loss is multiplied by its square, which keeps the size of the gradient (Hinton
    2015, arXiv 1503.02531). `whole` says that the teacher lists the whole vocabulary.
    """
    return _term("forward_kl", divergence_from_teacher, "KL(p_teacher || p)", weight, temperature, whole, per)


def reverse_kl(weight: float = 1.0, *, temperature: float = 1.0, whole: bool = False, per: Per = Per.TOKEN) -> Term:
    """KL(learner || teacher) of each token: the learner keeps to what the teacher would write; see `forward_kl`.

    On the learner's own programs this is on-policy distillation (arXiv 2306.13649). The states are held fixed: what a
    token does to the divergence of later states has no gradient.
    """
    return _term("reverse_kl", divergence_from_learner, "KL(p || p_teacher)", weight, temperature, whole, per)


def aligned(column: torch.Tensor, seen_BT: torch.Tensor, learned_BT: torch.Tensor) -> torch.Tensor:
    """What a teacher said about the learned tokens of its own view, moved to the same tokens of the learner's batch.

    The i-th learned token of a row is the same in both, wherever the prompts end. `column` is (B, S) or (B, S, K) over
    the view, whose learned tokens are `seen_BT`; returns (B, T) or (B, T, K). Raises ValueError where a row has another
    number of learned tokens.
    """
    if not torch.equal(seen_BT.sum(dim=1), learned_BT.sum(dim=1)):
        raise ValueError("a teacher's view needs as many learned tokens in each row as the learner's batch")
    moved = column.new_zeros(*learned_BT.shape, *column.shape[2:])
    moved[learned_BT] = column[seen_BT]
    return moved


def _term(
    name: str, divergence: Divergence, words: str, weight: float, temperature: float, whole: bool, per: Per
) -> Term:
    def loss(outputs: Outputs, batch: Batch) -> torch.Tensor:
        teacher_BTK, learner_BTK = batch.columns[TEACHER_LOG_PROBS], outputs[LISTED]
        if not whole:
            teacher_BTK, learner_BTK = with_rest(teacher_BTK), with_rest(learner_BTK)
        return divergence(teacher_BTK, learner_BTK)

    events = "over the vocabulary" if whole else "over the teacher's likeliest tokens and all others as one"
    return Term(
        name,
        loss,
        per=per,
        weight=weight * temperature**2,
        needs=(TEACHER_IDS, TEACHER_LOG_PROBS),
        wants=(LISTED,),
        formula=f"{words} {events}" + (f", both at temperature {temperature:g}" if temperature != 1 else ""),
    )


def _weighted(probs: torch.Tensor, differences: torch.Tensor) -> torch.Tensor:
    # Before the product, so that neither 0 * inf nor its gradient enters the sum.
    return (probs * torch.where(probs > 0, differences, 0.0)).sum(dim=-1)
