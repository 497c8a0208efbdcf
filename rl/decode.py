"""Sample completions from any language model of transformers, with the prompt run once per group.

A row that has ended leaves the batch, and the last open row takes its place. Each row draws from its own stream of
random numbers, so what it samples does not depend on which rows share its batch, up to the rounding of the model's
arithmetic. Sampling is from the whole distribution: a truncated one (top-p, top-k) has no honest ratio to the
learner's.

Axes: P prompts, G samples of a prompt, R rows (all samples), B rows that are still open, T new tokens, V vocabulary,
A states of a stop automaton.
"""

from __future__ import annotations

import copy
import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from envs.errors import UserError
from envs.rollout import StopReason
from rl.incremental import check, moved, open_rows
from rl.models import LanguageModel

DEDENT = tuple("\n" + first for first in string.printable if not first.isspace() and first not in "#)]}")
"""Stop strings that end a completion at its first line, after line one, that begins in column 0 with neither a comment
nor a closing bracket. Only ASCII is seen: a line that begins with another letter goes on."""
REASONS = (StopReason.LENGTH, StopReason.END_OF_TEXT, StopReason.STOP_STRING)


@dataclass(frozen=True, slots=True)
class Completion:
    """What one row sampled."""

    ids: tuple[int, ...]
    """Sampled ids; the last is the end of text, or completes a stop string, where `stop` says so."""
    log_probs: tuple[float, ...]
    """Log-prob of each id at the sampling temperature; at temperature 0, of the untempered model."""
    stop: StopReason
    """Why it ended."""
    inserted: frozenset[int] = frozenset()
    """Places of ids that were put in, not sampled; their log-probs are 0."""


class Insert(Protocol):
    """What is put into completions while they are sampled, such as the results of a calculator."""

    triggers: frozenset[int]
    """Ids after which something may be put in; no other is looked at."""

    def __call__(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Ids that take the place of the last one of a completion so far, which may be the first of them; or none."""


class StopStrings:
    """Strings that end a completion, as an automaton over token ids: a step costs one look-up per row, no decoding."""

    def __init__(self, strings: Sequence[str], tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> None:
        """`vocabulary` is the number of the model's logits. Raises UserError for an empty or non-ASCII string."""
        if bad := [text for text in strings if not text or not text.isascii()]:
            raise UserError(f"stop strings: expected non-empty ASCII; got {bad[0]!r}")
        self.strings = tuple(strings)
        self.pattern = re.compile("|".join(map(re.escape, strings)))
        by_character = _automaton(strings)
        self.matched = len(by_character) - 1
        self.next_AV = torch.from_numpy(_by_token(by_character, token_texts(tokenizer, vocabulary)))

    def to(self, device: torch.device) -> StopStrings:
        """The same on another device."""
        moved = copy.copy(self)
        moved.next_AV = self.next_AV.to(device)
        return moved

    def state_after(self, ids: Sequence[int]) -> int:
        """State of the automaton once it has read some ids."""
        state = 0
        for token in ids:
            state = int(self.next_AV[state, token])
        return state

    def cut(self, text: str) -> str:
        """The text before the first stop string; ids keep what was sampled, programs are taken from this."""
        return self.pattern.split(text, maxsplit=1)[0]


@torch.inference_mode()
def sample(
    model: LanguageModel,
    prompts_P: Sequence[Sequence[int]],
    seeds_PG: Sequence[Sequence[int]],
    *,
    temperature: float,
    max_new_tokens: int,
    end_id: int,
    stop: StopStrings | None = None,
    written_P: Sequence[Sequence[int]] | None = None,
    greedy_last: bool = False,
    insert: Insert | None = None,
) -> list[list[Completion]]:
    """Continue each prompt once per seed; temperature 0 takes the likeliest token, as does the last with `greedy_last`.

    `written_P` are ids of a completion that follow each prompt already: they count towards `max_new_tokens` and may
    begin a stop string, and Completions hold what is added to them. What `insert` puts in counts as well.

    Returns one list of Completions per prompt, in the order of its seeds. The model is left in the mode it was in.
    Raises UserError for a model whose layers are not all attention, and where a prompt leaves no room for
    `max_new_tokens`; ValueError where written ids leave no room.
    """
    check(model, prompts_P, max_new_tokens)
    written_P = written_P or [()] * len(prompts_P)
    if max(map(len, written_P), default=0) >= max_new_tokens:
        raise ValueError(f"expected fewer than max_new_tokens ({max_new_tokens}) ids that are written already")
    was_training = model.training
    model.eval()
    try:
        temperature_R = torch.tensor(
            [
                0.0 if greedy_last and i == len(seeds) - 1 else temperature
                for seeds in seeds_PG
                for i in range(len(seeds))
            ]
        )
        return _sample(model, prompts_P, written_P, seeds_PG, temperature_R, max_new_tokens, end_id, stop, insert)
    finally:
        model.train(was_training)


def _sample(
    model: LanguageModel,
    prompts_P: Sequence[Sequence[int]],
    written_P: Sequence[Sequence[int]],
    seeds_PG: Sequence[Sequence[int]],
    temperature_R: torch.Tensor,
    max_new_tokens: int,
    end_id: int,
    stop: StopStrings | None,
    insert: Insert | None,
) -> list[list[Completion]]:
    device = model.device
    owner_R = torch.tensor([p for p, seeds in enumerate(seeds_PG) for _ in seeds], device=device)
    limit_R = torch.tensor([max_new_tokens - len(written) for written in written_P], device=device)[owner_R]
    max_new_tokens -= min(map(len, written_P))
    temperature_R1 = temperature_R.unsqueeze(1).to(device)
    uniform_RT = uniform([seed for seeds in seeds_PG for seed in seeds], max_new_tokens).to(device)
    ids_RT = torch.zeros(len(owner_R), max_new_tokens, dtype=torch.long, device=device)
    log_probs_RT = torch.zeros(len(owner_R), max_new_tokens, device=device)
    length_R = limit_R.clone()
    reason_R = torch.zeros_like(owner_R)
    rows = open_rows(model, prompts_P, written_P, owner_R, max_new_tokens)
    stop = None if stop is None else stop.to(device)
    row_B = torch.arange(len(owner_R), device=device)
    state_P = torch.tensor([0 if stop is None else stop.state_after(written) for written in written_P], device=device)
    state_B = state_P[owner_R]
    insertions = _Insertions(insert, [written_P[p] for p in owner_R.tolist()])
    for t in range(max_new_tokens):
        ids_B, log_probs_B = draw(rows.logits_BV.float(), uniform_RT[row_B, t], temperature_R1[row_B])
        insertions.put_into(ids_B, log_probs_B, row_B, ids_RT[:, :t])
        ids_RT[row_B, t], log_probs_RT[row_B, t] = ids_B, log_probs_B
        reason_B = (ids_B == end_id).long()
        if stop is not None:
            state_B = stop.next_AV[state_B, ids_B]
            reason_B = torch.where((state_B == stop.matched) & (reason_B == 0), 2, reason_B)
        over_B = (reason_B > 0) | (limit_R[row_B] == t + 1)
        if over_B.any():
            length_R[row_B[over_B]], reason_R[row_B[over_B]] = t + 1, reason_B[over_B]
            gaps, movers, n_open = close_ranks(over_B)
            rows.close_ranks(gaps, movers, n_open)
            row_B, ids_B, state_B = (moved(part, gaps, movers, n_open) for part in (row_B, ids_B, state_B))
        if len(row_B) == 0 or t == max_new_tokens - 1:
            break
        rows.step(ids_B)
    columns = (ids_RT.tolist(), log_probs_RT.tolist(), length_R.tolist(), reason_R.tolist(), insertions.places_R)
    found = iter(zip(*columns, strict=True))
    return [[_completion(*next(found)) for _ in seeds] for seeds in seeds_PG]


def close_ranks(over_B: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Ended rows among the first n_open places, the open rows behind those places that shall fill them, and n_open."""
    n_open = int((~over_B).sum())
    gaps = over_B[:n_open].nonzero().squeeze(1)
    movers = n_open + (~over_B[n_open:]).nonzero().squeeze(1)
    return gaps, movers, n_open


def uniform(seeds: Sequence[int], length: int) -> torch.Tensor:
    """One stream of numbers in [0, 1) per seed."""
    rows = [np.random.Generator(np.random.Philox(key=seed)).random(length, dtype=np.float32) for seed in seeds]
    return torch.from_numpy(np.stack(rows))


def draw(
    logits_BV: torch.Tensor, uniform_B: torch.Tensor, temperature_B1: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw a token per row by inverting the cumulative distribution; returns ids and their log-probs."""
    greedy_B1 = temperature_B1 == 0
    log_probs_BV = torch.log_softmax(logits_BV / torch.where(greedy_B1, 1.0, temperature_B1), dim=-1)
    cumulative_BV = log_probs_BV.exp().cumsum(dim=-1)
    # Scaled by the row's own total: rounding must not leave a sliver beyond the last token.
    threshold_B1 = uniform_B.unsqueeze(1) * cumulative_BV[:, -1:]
    drawn_B1 = torch.searchsorted(cumulative_BV, threshold_B1, right=True).clamp(max=logits_BV.shape[1] - 1)
    ids_B1 = torch.where(greedy_B1, logits_BV.argmax(dim=-1, keepdim=True), drawn_B1)
    return ids_B1.squeeze(1), log_probs_BV.gather(1, ids_B1).squeeze(1)


def _completion(ids: list[int], log_probs: list[float], length: int, reason: int, inserted: set[int]) -> Completion:
    return Completion(tuple(ids[:length]), tuple(log_probs[:length]), REASONS[reason], frozenset(inserted))


class _Insertions:
    """What `insert` puts into each row: ids that wait for their turn, and the places of those that had it."""

    def __init__(self, insert: Insert | None, written_R: Sequence[Sequence[int]]) -> None:
        self.insert, self.written_R = insert, written_R
        self.waiting_R: list[list[int]] = [[] for _ in written_R]
        self.places_R: list[set[int]] = [set() for _ in written_R]

    def put_into(
        self, ids_B: torch.Tensor, log_probs_B: torch.Tensor, row_B: torch.Tensor, before_RT: torch.Tensor
    ) -> None:
        """Put what waits for this step in the place of the ids that were drawn, and look for what comes next."""
        if self.insert is None:
            return
        for b, (row, drawn) in enumerate(zip(row_B.tolist(), ids_B.tolist(), strict=True)):
            waiting = self.waiting_R[row]
            if drawn in self.insert.triggers and not waiting:
                waiting += self.insert([*self.written_R[row], *before_RT[row].tolist(), drawn])
                if waiting[:1] == [drawn]:  # it stays, as it was sampled
                    del waiting[0]
                    continue
            if waiting:
                ids_B[b], log_probs_B[b] = waiting.pop(0), 0.0
                self.places_R[row].add(before_RT.shape[1])


def _automaton(strings: Sequence[str]) -> np.ndarray:
    """Next state by state and character code (Aho-Corasick): a state is the longest end of the text that begins a stop
    string; the first is the empty one, the last is that a string is complete, which stays. Code 128 is not ASCII."""
    states = sorted({text[:n] for text in strings for n in range(len(text))})
    number = {state: index for index, state in enumerate(states)}
    table = np.zeros((len(states) + 1, 129), dtype=np.int64)
    table[-1] = len(states)
    for state in states:
        for code in range(128):
            seen = state + chr(code)
            if seen.endswith(tuple(strings)):
                table[number[state], code] = len(states)
            else:
                ends = (seen[start:] for start in range(len(seen) + 1))
                table[number[state], code] = next(number[end] for end in ends if end in number)
    return table


def _by_token(table: np.ndarray, texts_V: Sequence[str]) -> np.ndarray:
    """The automaton run through the whole text of each token: next state (A, V)."""
    next_AV = np.repeat(np.arange(len(table))[:, None], len(texts_V), axis=1)
    length_V = np.array([len(text) for text in texts_V])
    for place in range(max(length_V, default=0)):
        longer = np.flatnonzero(length_V > place)
        codes = [min(ord(texts_V[token][place]), 128) for token in longer.tolist()]
        next_AV[:, longer] = table[next_AV[:, longer], codes]
    return next_AV


def token_texts(tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> list[str]:
    """What each id adds to a text: decoded after another token, since some tokenizers drop a leading space."""
    anchor = tokenizer.encode("a", add_special_tokens=False)[-1]
    pairs = [[anchor], *([anchor, token] for token in range(vocabulary))]
    before, *texts = tokenizer.batch_decode(pairs, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return [text.removeprefix(before) for text in texts]
