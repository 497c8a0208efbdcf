"""Objective terms: losses per token as pure functions of tensors, with the unit that each one is a mean over.

An objective is a sum of Terms. The loss of a term is

    weight * sum over learned tokens of loss[b, t] * w[b, t] / denominator

with w and denominator as `Per` says. The denominator counts a whole optimizer step: all micro-batches, all ranks, and
rows whose credit is zero.

Axes: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import torch

from rl.batch import Batch


class Per(StrEnum):
    """What the loss of a term is a mean over."""

    TOKEN = "token"
    """Every learned token weighs the same: w = 1, over the number of learned tokens (DAPO)."""
    SEQUENCE = "sequence"
    """Every row weighs the same: w = 1 / learned tokens of the row, over the number of rows (GRPO)."""
    GROUP = "group"
    """Every group weighs the same: w = 1 / learned tokens of the group, over the number of groups."""
    CONSTANT = "constant"
    """w = 1, over the number of rows times a fixed length: no bias by length (Dr. GRPO, arXiv 2503.20783)."""


Outputs = Mapping[str, torch.Tensor]
"""What a pass of a model says about each token, (B, T) by name, 0 where not learned.

log_probs: of the token itself, at the sampling temperature; entropy: of the distribution that it is drawn from, in
nats; values: of the state in which it is chosen; listed_log_probs, (B, T, K): see rl/distill.py; outcome_nll,
outcome_prob, pass_prob: see critics/model.py.
"""


@dataclass(frozen=True, slots=True)
class Term:
    """One summand of an objective."""

    name: str
    """As it appears in metrics."""
    loss: Callable[[Outputs, Batch], torch.Tensor]
    """Loss of each token, (B, T); values outside `learned_BT` are ignored."""
    per: Per = Per.TOKEN
    """Unit of the mean."""
    weight: float = 1.0
    """Factor before the mean."""
    length: int = 1
    """The fixed length of Per.CONSTANT, in tokens."""
    needs: tuple[str, ...] = ()
    """Columns that the batch must have."""
    wants: tuple[str, ...] = ("log_probs",)
    """Outputs that the model must give, as in `Outputs`."""
    silent_where_zero: str | None = None
    """A column whose zeros make the loss and its gradient zero; rows of zeros need no pass through the model."""
    where: str | None = None
    """A column of ones and zeros: the term speaks of, and counts, only the tokens that have a one; None is all."""
    formula: str = ""
    """Loss of a token for people: p is its probability, A its advantage."""


def cross_entropy(per: Per = Per.TOKEN) -> Term:
    """Imitate every learned token: loss = -log p(token)."""
    return Term("cross_entropy", lambda outputs, batch: -outputs["log_probs"], per=per, formula="-log p")


def policy_gradient(per: Per = Per.TOKEN, length: int = 1) -> Term:
    """REINFORCE (Williams 1992): loss = -advantage * log p(token), whose gradient is the policy gradient."""
    return Term(
        "policy_gradient",
        lambda outputs, batch: -batch.columns["advantages"] * outputs["log_probs"],
        per=per,
        length=length,
        needs=("advantages",),
        silent_where_zero="advantages",
        formula="-A log p",
    )


class Ratio(StrEnum):
    """What the importance ratio of `clipped` compares."""

    TOKEN = "token"
    """p(token) / p_proximal(token) (PPO, GRPO)."""
    SEQUENCE = "sequence"
    """The row's ratio to the power 1 / its learned tokens, the same for each of them (GSPO, arXiv 2507.18071)."""


def clipped(
    low: float = 0.2,
    high: float = 0.2,
    *,
    dual: float | None = None,
    ratio: Ratio = Ratio.TOKEN,
    correction_cap: float | None = None,
    per: Per = Per.TOKEN,
    length: int = 1,
) -> Term:
    """Clipped surrogate: loss = -min(r A, clip(r, 1 - low, 1 + high) A) with r the ratio to the proximal policy.

    `high` above `low` is clip-higher (DAPO). `dual` > 1 bounds the loss of a negative advantage at -dual * A (dual
    clip, arXiv 1912.09729). With `correction_cap` each token is weighted by min(cap, p_proximal / p_behavior), the
    truncated correction for rollouts of an older policy or another engine (decoupled PPO, arXiv 2110.00641).
    """
    needs = ("advantages", "proximal_log_probs") + (("behavior_log_probs",) if correction_cap is not None else ())

    def loss(outputs: Outputs, batch: Batch) -> torch.Tensor:
        advantages_BT, proximal_BT = batch.columns["advantages"], batch.columns["proximal_log_probs"]
        log_ratio_BT = torch.where(batch.learned_BT, outputs["log_probs"] - proximal_BT, 0.0)
        if ratio is Ratio.SEQUENCE:
            log_ratio_BT = _row_mean(log_ratio_BT, batch.learned_BT).expand_as(log_ratio_BT)
        ratio_BT = log_ratio_BT.exp()
        gain_BT = torch.minimum(ratio_BT * advantages_BT, ratio_BT.clamp(1 - low, 1 + high) * advantages_BT)
        if dual is not None:
            gain_BT = torch.where(advantages_BT < 0, torch.maximum(gain_BT, dual * advantages_BT), gain_BT)
        if correction_cap is not None:
            log_correction_BT = torch.where(batch.learned_BT, proximal_BT - batch.columns["behavior_log_probs"], 0.0)
            gain_BT = gain_BT * log_correction_BT.exp().clamp(max=correction_cap)
        return -gain_BT

    return Term(
        "clipped",
        loss,
        per=per,
        length=length,
        needs=needs,
        silent_where_zero="advantages",
        formula=_clipped_formula(low, high, dual, ratio, correction_cap),
    )


def _clipped_formula(low: float, high: float, dual: float | None, ratio: Ratio, cap: float | None) -> str:
    gain = f"min(r A, clip(r, {1 - low:g}, {1 + high:g}) A)"
    if dual is not None:
        gain = f"(A < 0 ? max({gain}, {dual:g} A) : {gain})"
    if cap is not None:
        gain = f"min({cap:g}, p_proximal / p_behavior) * {gain}"
    of_row = " to the power 1 / tokens, over the whole program" if ratio is Ratio.SEQUENCE else ""
    return f"-{gain}, r = p / p_proximal{of_row}"


class Estimator(StrEnum):
    """Per-token estimators of KL(policy || reference) from samples of the policy, with d = log p - log p_reference.

    As losses they hold the visited states fixed: what a token does to the KL of later states has no gradient.
    """

    K1 = "k1"
    """d: unbiased, but its gradient as a loss is zero on average; for metrics and rewards only."""
    K2 = "k2"
    """d^2 / 2: biased; its gradient as a loss is the gradient of the KL on samples of the policy."""
    K3 = "k3"
    """exp(-d) - 1 + d: unbiased and never negative; its gradient as a loss is that of KL(reference || policy)."""


def kl_to_reference(weight: float, estimator: Estimator = Estimator.K2, per: Per = Per.TOKEN, length: int = 1) -> Term:
    """Stay near a reference model; the estimators and their gradients are what `Estimator` says."""
    if estimator is Estimator.K1:
        raise ValueError("k1 has no gradient on average, so it cannot be a loss; use k2 or k3")

    def loss(outputs: Outputs, batch: Batch) -> torch.Tensor:
        return kl_estimate(outputs["log_probs"], batch.columns["reference_log_probs"], batch.learned_BT, estimator)

    return Term(
        f"kl_{estimator}",
        loss,
        per=per,
        weight=weight,
        length=length,
        needs=("reference_log_probs",),
        formula=f"{'d^2 / 2' if estimator is Estimator.K2 else 'exp(-d) - 1 + d'}, d = log p - log p_reference",
    )


def kl_estimate(
    log_probs_BT: torch.Tensor, reference_BT: torch.Tensor, learned_BT: torch.Tensor, estimator: Estimator
) -> torch.Tensor:
    """The estimator's value per token; 0 where not learned."""
    d_BT = torch.where(learned_BT, log_probs_BT - reference_BT, 0.0)
    if estimator is Estimator.K1:
        return d_BT
    if estimator is Estimator.K2:
        return 0.5 * d_BT**2
    return torch.expm1(-d_BT) + d_BT


def entropy_bonus(weight: float, per: Per = Per.TOKEN, length: int = 1) -> Term:
    """Keep the policy from narrowing: loss = -entropy of the distribution that each token is drawn from."""
    return Term(
        "entropy",
        lambda outputs, batch: -outputs["entropy"],
        per=per,
        weight=weight,
        length=length,
        wants=("entropy",),
        formula="-H, the entropy of the distribution of the token",
    )


def value_error(per: Per = Per.TOKEN) -> Term:
    """Fit a value head: loss = (value - return)^2 / 2, with the column `returns`."""

    def loss(outputs: Outputs, batch: Batch) -> torch.Tensor:
        return 0.5 * (outputs["values"] - batch.columns["returns"]) ** 2

    formula = "(value - return)^2 / 2"
    return Term("value_error", loss, per=per, needs=("returns",), wants=("values",), formula=formula)


def outcome_ce() -> Term:
    """Fit a critic: loss of a row = outcome_weight * -log p(outcome_class), a mean over rows (CodeRL).

    The critic gives the loss of a row at each of its tokens, so that the mean within a row is that loss.
    """
    return Term(
        "outcome_ce",
        lambda outputs, batch: batch.columns["outcome_weight"] * outputs["outcome_nll"],
        per=Per.SEQUENCE,
        needs=("outcome_class", "outcome_weight"),
        wants=("outcome_nll",),
        silent_where_zero="outcome_weight",
        formula="-outcome_weight log p(outcome)",
    )


def only(term: Term, column: str, weight: float = 1.0) -> Term:
    """`weight` times the term over the tokens that have a one in a column, with a denominator of its own."""
    return replace(term, where=column, needs=(*term.needs, column), weight=weight * term.weight)


def tokens_of(term: Term, batch: Batch) -> torch.Tensor:
    """Bool (B, T): the learned tokens that a term speaks of."""
    return batch.learned_BT if term.where is None else batch.learned_BT & (batch.columns[term.where] != 0)


def unit_weights(term: Term, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """(w_BT, number of units) of a term over a batch that holds whole groups; w is 0 where not learned.

    The loss of the term is weight * sum(loss * w) / units, with units added up over ranks.
    """
    learned_BT = tokens_of(term, batch)
    row_tokens_B = learned_BT.sum(dim=1)
    w_BT = learned_BT.to(torch.float32)
    if term.per is Per.TOKEN:
        return w_BT, row_tokens_B.sum()
    if term.per is Per.SEQUENCE:
        return w_BT / row_tokens_B.clamp(min=1).unsqueeze(1), (row_tokens_B > 0).sum()
    if term.per is Per.GROUP:
        n_groups = int(batch.group_B.max()) + 1 if len(batch) else 0
        group_tokens = torch.zeros(n_groups, device=w_BT.device).index_add_(0, batch.group_B, row_tokens_B.float())
        return w_BT / group_tokens[batch.group_B].clamp(min=1).unsqueeze(1), (group_tokens > 0).sum()
    return w_BT, (row_tokens_B > 0).sum() * term.length


def term_loss(term: Term, outputs: Outputs, batch: Batch, w_BT: torch.Tensor) -> torch.Tensor:
    """weight * sum of loss * w over some rows; added up over rows and divided by the units, it is the term's loss."""
    # Before the loss, so that no 0 * NaN enters the gradient; after it, so that none enters the sum.
    of_term_BT = tokens_of(term, batch)
    outputs = {name: _kept(output, of_term_BT) for name, output in outputs.items()}
    batch = batch.with_columns({name: _kept(batch.columns[name], of_term_BT) for name in term.needs})
    loss_BT = torch.where(of_term_BT, term.loss(outputs, batch), 0.0)
    return term.weight * (loss_BT * w_BT).sum()


def rows_in_use(objective: tuple[Term, ...], batch: Batch) -> torch.Tensor:
    """Indices of the rows that can move the gradient: the others may be left out of every pass."""
    used_B = torch.zeros(len(batch), dtype=torch.bool, device=batch.ids_BT.device)
    for term in objective:
        carries_BT = tokens_of(term, batch)
        if term.silent_where_zero is not None:
            carries_BT = carries_BT & (batch.columns[term.silent_where_zero] != 0)
        used_B |= carries_BT.any(dim=1)
    return used_B.nonzero().squeeze(1)


def _kept(values: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    """(B, T) or (B, T, K), 0 outside the mask."""
    return torch.where(mask_BT.reshape(*mask_BT.shape, *(1,) * (values.dim() - 2)), values, 0)


def _row_mean(values_BT: torch.Tensor, mask_BT: torch.Tensor) -> torch.Tensor:
    return (values_BT * mask_BT).sum(dim=1, keepdim=True) / mask_BT.sum(dim=1, keepdim=True).clamp(min=1)
