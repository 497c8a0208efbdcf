"""Sample completions from any causal language model of transformers, with the prompt run once per group.

The key-value cache of a group's prompt is shared out to the rows that continue it; rows that have ended leave the
batch. Each row draws from its own stream of random numbers, so what it samples does not depend on which rows share its
batch, up to the rounding of the model's arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel

from envs.rollout import StopReason


@dataclass(frozen=True, slots=True)
class Completion:
    """What one row sampled."""

    ids: tuple[int, ...]
    """Sampled ids, the end-of-text id included when it came."""
    log_probs: tuple[float, ...]
    """Log-prob of each id at the sampling temperature; at temperature 0, of the untempered model."""
    stop: StopReason
    """Why it ended."""


@torch.inference_mode()
def sample(
    model: PreTrainedModel,
    prompts_P: Sequence[Sequence[int]],
    seeds_PG: Sequence[Sequence[int]],
    *,
    temperature: float,
    max_new_tokens: int,
    end_id: int,
) -> list[list[Completion]]:
    """Continue each prompt once per seed; temperature 0 takes the likeliest token.

    Returns one list of Completions per prompt, in the order of its seeds. The model is left in the mode it was in.
    """
    was_training = model.training
    model.eval()
    try:
        return _sample(model, prompts_P, seeds_PG, temperature, max_new_tokens, end_id)
    finally:
        model.train(was_training)


def _sample(
    model: PreTrainedModel,
    prompts_P: Sequence[Sequence[int]],
    seeds_PG: Sequence[Sequence[int]],
    temperature: float,
    max_new_tokens: int,
    end_id: int,
) -> list[list[Completion]]:
    device = model.device
    owner_B = torch.tensor([p for p, seeds in enumerate(seeds_PG) for _ in seeds], device=device)
    uniform_BT = _uniform([seed for seeds in seeds_PG for seed in seeds], max_new_tokens).to(device)
    cache, logits_PV, mask_PS = _run_prompts(model, prompts_P)
    cache.batch_select_indices(owner_B)
    logits_BV, position_B = logits_PV[owner_B], mask_PS.sum(dim=1)[owner_B]
    n_rows, width = len(owner_B), mask_PS.shape[1]
    mask_BS = torch.cat([mask_PS[owner_B], torch.ones(n_rows, max_new_tokens, dtype=torch.bool, device=device)], dim=1)
    ids_BT = torch.full((n_rows, max_new_tokens), end_id, device=device)
    log_probs_BT = torch.zeros(n_rows, max_new_tokens, device=device)
    live_B = torch.arange(n_rows, device=device)
    length_B = torch.full((n_rows,), max_new_tokens, device=device)
    ended_B = torch.zeros(n_rows, dtype=torch.bool, device=device)
    for t in range(max_new_tokens):
        ids_B, log_probs_B = _draw(logits_BV.float(), uniform_BT[live_B, t], temperature)
        ids_BT[live_B, t], log_probs_BT[live_B, t] = ids_B, log_probs_B
        over_B = ids_B == end_id
        if over_B.any():
            length_B[live_B[over_B]], ended_B[live_B[over_B]] = t + 1, True
            stay = (~over_B).nonzero().squeeze(1)
            live_B, ids_B, position_B, mask_BS = live_B[stay], ids_B[stay], position_B[stay], mask_BS[stay]
            cache.batch_select_indices(stay)
        if len(live_B) == 0 or t == max_new_tokens - 1:
            break
        output = model(
            input_ids=ids_B.unsqueeze(1),
            attention_mask=mask_BS[:, : width + t + 1],
            position_ids=position_B.unsqueeze(1),
            past_key_values=cache,
            use_cache=True,
        )
        logits_BV, position_B = output.logits[:, -1], position_B + 1
    rows = iter(zip(ids_BT.tolist(), log_probs_BT.tolist(), length_B.tolist(), ended_B.tolist(), strict=True))
    return [[_completion(*next(rows)) for _ in seeds] for seeds in seeds_PG]


def _run_prompts(
    model: PreTrainedModel, prompts_P: Sequence[Sequence[int]]
) -> tuple[DynamicCache, torch.Tensor, torch.Tensor]:
    """Run each prompt once, padded on the left; returns its cache, the logits after its last token, and its mask."""
    width = max(len(prompt) for prompt in prompts_P)
    ids_PS = torch.zeros(len(prompts_P), width, dtype=torch.long)
    mask_PS = torch.zeros(len(prompts_P), width, dtype=torch.bool)
    for row, prompt in enumerate(prompts_P):
        ids_PS[row, width - len(prompt) :] = torch.tensor(prompt)
        mask_PS[row, width - len(prompt) :] = True
    mask_PS = mask_PS.to(model.device)
    cache = DynamicCache(config=model.config)
    output = model(
        input_ids=ids_PS.to(model.device),
        attention_mask=mask_PS,
        position_ids=(mask_PS.cumsum(dim=1) - 1).clamp(min=0),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return cache, output.logits[:, -1], mask_PS


def _uniform(seeds: Sequence[int], length: int) -> torch.Tensor:
    """One stream of numbers in [0, 1) per seed."""
    rows = [np.random.Generator(np.random.Philox(key=seed)).random(length, dtype=np.float32) for seed in seeds]
    return torch.from_numpy(np.stack(rows))


def _draw(logits_BV: torch.Tensor, uniform_B: torch.Tensor, temperature: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a token per row by inverting the cumulative distribution; returns ids and their log-probs."""
    log_probs_BV = torch.log_softmax(logits_BV / (temperature or 1.0), dim=-1)
    if temperature == 0:
        ids_B = logits_BV.argmax(dim=-1)
    else:
        cumulative_BV = log_probs_BV.exp().cumsum(dim=-1)
        # Scaled by the row's own total: rounding must not leave a sliver beyond the last token.
        threshold_B = uniform_B * cumulative_BV[:, -1]
        ids_B = torch.searchsorted(cumulative_BV, threshold_B.unsqueeze(1), right=True).squeeze(1)
        ids_B = ids_B.clamp(max=logits_BV.shape[1] - 1)
    return ids_B, log_probs_BV.gather(1, ids_B.unsqueeze(1)).squeeze(1)


def _completion(ids: list[int], log_probs: list[float], length: int, ended: bool) -> Completion:
    stop = StopReason.END_OF_TEXT if ended else StopReason.LENGTH
    return Completion(tuple(ids[:length]), tuple(log_probs[:length]), stop)
