"""Checks of the learner on a model: its gradient and its log-probs do not depend on how they are computed."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import torch

from envs.rollout import Segment
from rl.batch import Batch, collate
from rl.decode import Completion
from rl.learner import LOG_PROBS, Learner
from rl.losses import Outputs, Term
from rl.models import LanguageModel, Policy
from rl.selftest.rows import (
    ALL_ROWS,
    ONE_ROW,
    SOME_ROWS,
    TEMPERATURE,
    MakeLearner,
    a_group,
    a_rollout,
    apart,
    gradient,
    largest,
    rows_of,
    rows_with_columns,
)
from rl.selftest.terms import OBJECTIVES, SMOOTH

Draw = Callable[..., list[list[Completion]]]
"""As `rl.decode.sample`."""


def micro_batches(model: LanguageModel, make_learner: MakeLearner) -> float:
    """Gradient: all rows in one pass, few rows or one row a pass."""
    batch = rows_with_columns(model, make_learner)
    return max(
        apart(gradient(model, batch, terms, make_learner), gradient(model, batch, terms, make_learner, tokens))
        for terms in OBJECTIVES
        for tokens in (SOME_ROWS, ONE_ROW)
    )


def padding(model: LanguageModel, make_learner: MakeLearner) -> float:
    """Gradient and log-probs: more padding, of other ids, and NaN in its columns."""
    batch = rows_with_columns(model, make_learner)
    pad = torch.nn.functional.pad
    wide = replace(
        batch,
        ids_BT=pad(batch.ids_BT, (0, 5), value=17),
        present_BT=pad(batch.present_BT, (0, 5)),
        learned_BT=pad(batch.learned_BT, (0, 5)),
        columns={
            name: pad(column_BT.masked_fill(~batch.learned_BT, math.nan), (0, 5), value=math.nan)
            for name, column_BT in batch.columns.items()
        },
    )
    # A learner cuts what no row needs, so its module is asked as well.
    learner = make_learner(model, learning_rate=1e-3, micro_batch_tokens=ALL_ROWS, share_prompts=False)
    with torch.no_grad():
        narrow_BT, wide_BT = (
            learner.module(given.to(learner.accelerator.device), TEMPERATURE, LOG_PROBS)["log_probs"]
            for given in (batch, wide)
        )
    log_probs_apart = largest(wide_BT[:, : narrow_BT.shape[1]] - narrow_BT)
    return max(
        log_probs_apart,
        *(
            apart(gradient(model, batch, terms, make_learner), gradient(model, wide, terms, make_learner))
            for terms in OBJECTIVES
        ),
    )


def order(model: LanguageModel, make_learner: MakeLearner) -> float:
    """Gradient: rows, and groups, in another order."""
    batch = rows_with_columns(model, make_learner)
    backwards = batch.rows(torch.arange(len(batch) - 1, -1, -1))
    last = int(batch.group_B.max())
    regrouped = replace(backwards, group_B=last - backwards.group_B, asked_B=last - backwards.asked_B)
    mixed = batch.rows(torch.cat([torch.arange(1, len(batch), 2), torch.arange(0, len(batch), 2)]))
    return max(
        apart(gradient(model, batch, terms, make_learner), gradient(model, other, terms, make_learner))
        for terms in OBJECTIVES
        for other in (regrouped, mixed)
    )


def shared_prompts(model: LanguageModel, make_learner: MakeLearner) -> float:
    """Gradient: prompts run once per row, once per group (if the model can)."""
    batch = rows_with_columns(model, make_learner)
    return max(
        apart(
            gradient(model, batch, terms, make_learner),
            gradient(model, batch, terms, make_learner, share_prompts=True),
        )
        for terms in OBJECTIVES
    )


def bfloat16(model: LanguageModel, make_learner: MakeLearner) -> float:
    """Gradient: weights in float32, in bfloat16."""
    batch = rows_with_columns(model, make_learner)
    exact, rounded = (copy.deepcopy(model).to(dtype) for dtype in (torch.float32, torch.bfloat16))
    return apart(gradient(exact, batch, SMOOTH, make_learner), gradient(rounded, batch, SMOOTH, make_learner))


def first_step(models: Iterable[LanguageModel], temperatures: Iterable[float], make_learner: MakeLearner) -> float:
    """Ratio 1 and KL 0: training pass, pass before it, with dropout in a model."""
    worst = 0.0
    for model in models:
        batch = rows_of(model)
        learner = make_learner(model, learning_rate=1e-3, micro_batch_tokens=ALL_ROWS)
        for temperature in temperatures:
            learner.micro_batch_tokens = ALL_ROWS
            before = {"proximal_log_probs": learner.outputs(batch, temperature)["log_probs"]}
            learner.micro_batch_tokens = SOME_ROWS
            log_ratios = _log_ratios(learner, batch.with_columns(before), "proximal_log_probs", temperature)
            worst = max(worst, largest(log_ratios.expm1()))  # KL, by k2 or k3, is half the square of that
    return worst


def sampler(policy: Policy, temperatures: Iterable[float], make_learner: MakeLearner, draw: Draw) -> float:
    """Log-probs of the same ids: sampler, training pass."""
    batch = rows_of(policy.model)
    prompts = [batch.ids_BT[row, : batch.prompt_B[row]].tolist() for row in (0, 3, 5, 9)]
    seeds = [[10 * place + i for i in range(3)] for place in range(len(prompts))]
    learner = make_learner(policy.model, learning_rate=1e-3, micro_batch_tokens=SOME_ROWS)
    worst = 0.0
    for temperature in temperatures:
        completions = draw(
            policy.model, prompts, seeds, temperature=temperature, max_new_tokens=12, end_id=policy.end_id
        )
        groups = [
            a_group([a_rollout(prompt, (Segment(c.ids, "policy", log_probs=c.log_probs),)) for c in group])
            for prompt, group in zip(prompts, completions, strict=True)
        ]
        worst = max(worst, largest(_log_ratios(learner, collate(groups), "behavior_log_probs", temperature)))
    return worst


def _log_ratios(learner: Learner, batch: Batch, column: str, temperature: float) -> torch.Tensor:
    """Log-probs of the pass that has a gradient, minus a column, of every learned token."""
    seen: list[torch.Tensor] = []

    def look(outputs: Outputs, part: Batch) -> torch.Tensor:
        seen.append((outputs["log_probs"] - part.columns[column])[part.learned_BT].detach().cpu())
        return outputs["log_probs"]

    learner.backward(batch, (Term("look", look, needs=(column,)),), temperature)
    return torch.cat(seen)
