"""Incremental decoding: the next token's logits of many rows, by a model with attention in every layer.

The keys and values of a prompt are computed once and copied to the rows that continue it. A row that has ended leaves,
and the last open row takes its place.

Axes: P prompts, R rows (all samples), B rows that are still open, S places of a cache, E tokens of a prompt that an
encoder reads, H hidden width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import torch
from transformers import Cache, DynamicCache, EncoderDecoderCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from envs.errors import UserError
from rl.models import LanguageModel

CACHE_BLOCK = 256
"""Places by which the buffers of keys and values grow: each growth copies them, which one step in 256 can bear."""


class OpenRows(Protocol):
    """Rows of a model that go on token by token."""

    logits_BV: torch.Tensor
    """Of the next token of each row."""

    def step(self, ids_B: torch.Tensor) -> None:
        """Add a token to each row and compute `logits_BV` anew."""

    def close_ranks(self, gaps: torch.Tensor, movers: torch.Tensor, n_open: int) -> None:
        """Move the rows `movers` to `gaps` and keep the first n_open; until the next step there are no logits."""


def open_rows(
    model: LanguageModel,
    prompts_P: Sequence[Sequence[int]],
    written_P: Sequence[Sequence[int]],
    owner_R: torch.Tensor,
    max_new_tokens: int,
) -> OpenRows:
    """Read each prompt, and what is written behind it, once; begin row r behind prompt owner_R[r].

    No row takes more than `max_new_tokens` steps.
    """
    kind = RowsBehindEncoder if model.config.is_encoder_decoder else CausalRows
    return kind(model, prompts_P, written_P, owner_R, max_new_tokens)


class CausalRows:
    """Rows of a causal model: prompts are padded on the left, so that all rows go on at one place of the cache."""

    def __init__(
        self,
        model: LanguageModel,
        prompts_P: Sequence[Sequence[int]],
        written_P: Sequence[Sequence[int]],
        owner_R: torch.Tensor,
        max_new_tokens: int,
    ) -> None:
        """As `open_rows`."""
        read_P = [[*prompt, *written] for prompt, written in zip(prompts_P, written_P, strict=True)]
        ids_PS, mask_PS = _padded(read_P, "left", model.device)
        self.model = model
        self.cache = Cache(layer_class_to_replicate=_GrowingLayer)
        output = model(
            input_ids=ids_PS,
            attention_mask=mask_PS,
            position_ids=(mask_PS.cumsum(dim=1) - 1).clamp(min=0),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.width = mask_PS.shape[1]
        for layer in self.cache.layers:
            layer.spread(owner_R, self.width + max_new_tokens)
        self.logits_BV, self.position_B = output.logits[:, -1][owner_R], mask_PS.sum(dim=1)[owner_R]
        self.mask_BS = torch.nn.functional.pad(mask_PS, (0, max_new_tokens), value=True)[owner_R]

    def step(self, ids_B: torch.Tensor) -> None:
        """As `OpenRows.step`."""
        self.width += 1
        output = self.model(
            input_ids=ids_B.unsqueeze(1),
            attention_mask=self.mask_BS[:, : self.width],
            position_ids=self.position_B.unsqueeze(1),
            past_key_values=self.cache,
            use_cache=True,
        )
        self.logits_BV, self.position_B = output.logits[:, -1], self.position_B + 1

    def close_ranks(self, gaps: torch.Tensor, movers: torch.Tensor, n_open: int) -> None:
        """As `OpenRows.close_ranks`."""
        for layer in self.cache.layers:
            layer.close_ranks(gaps, movers, n_open)
        self.position_B = moved(self.position_B, gaps, movers, n_open)
        self.mask_BS = moved(self.mask_BS, gaps, movers, n_open)


class RowsBehindEncoder:
    """Rows of an encoder-decoder: the encoder reads the prompt, the decoder goes on from its start token.

    What is written already is padded on the left, as in `CausalRows`. Only relative positions bear that.
    """

    logits_BV: torch.Tensor

    def __init__(
        self,
        model: LanguageModel,
        prompts_P: Sequence[Sequence[int]],
        written_P: Sequence[Sequence[int]],
        owner_R: torch.Tensor,
        max_new_tokens: int,
    ) -> None:
        """As `open_rows`. Raises UserError for absolute positions where unequal numbers of tokens are written."""
        if len(set(map(len, written_P))) > 1 and _positions(model) is not None:
            raise UserError(
                f"model.name: completions of unequal length can be continued together by relative positions only; "
                f"{model.config.model_type} is an encoder-decoder with absolute ones"
            )
        self.model = model
        ids_PE, self.mask_BE = _padded(prompts_P, "right", model.device)
        self.encoded_BEH = model.get_encoder()(input_ids=ids_PE, attention_mask=self.mask_BE).last_hidden_state
        start_id = model.config.decoder_start_token_id
        ids_PS, mask_PS = _padded([[start_id, *written] for written in written_P], "left", model.device)
        self.mask_BS = torch.nn.functional.pad(mask_PS, (0, max_new_tokens), value=True)
        self.width = ids_PS.shape[1]
        self.own, self.cross = (Cache(layer_class_to_replicate=_GrowingLayer) for _ in range(2))
        self.cache = EncoderDecoderCache(self.own, self.cross)
        self._read(ids_PS)
        for cache, n_places in ((self.own, self.width + max_new_tokens), (self.cross, ids_PE.shape[1])):
            for layer in cache.layers:
                layer.spread(owner_R, n_places)
        self.logits_BV, self.encoded_BEH, self.mask_BE, self.mask_BS = (
            rows[owner_R] for rows in (self.logits_BV, self.encoded_BEH, self.mask_BE, self.mask_BS)
        )

    def step(self, ids_B: torch.Tensor) -> None:
        """As `OpenRows.step`."""
        self.width += 1
        self._read(ids_B.unsqueeze(1))

    def close_ranks(self, gaps: torch.Tensor, movers: torch.Tensor, n_open: int) -> None:
        """As `OpenRows.close_ranks`."""
        for layer in (*self.own.layers, *self.cross.layers):
            layer.close_ranks(gaps, movers, n_open)
        self.encoded_BEH, self.mask_BE, self.mask_BS = (
            moved(rows, gaps, movers, n_open) for rows in (self.encoded_BEH, self.mask_BE, self.mask_BS)
        )

    def _read(self, ids_BS: torch.Tensor) -> None:
        output = self.model(
            encoder_outputs=(self.encoded_BEH,),
            attention_mask=self.mask_BE,
            decoder_input_ids=ids_BS,
            decoder_attention_mask=self.mask_BS[:, : self.width],
            past_key_values=self.cache,
            use_cache=True,
        )
        self.logits_BV = output.logits[:, -1]


@torch.inference_mode()
def cache_bytes(model: LanguageModel) -> float:
    """Bytes of keys and values per token of a row."""
    ids = torch.zeros(1, 4, dtype=torch.long, device=model.device)
    own = Cache(layer_class_to_replicate=DynamicLayer)
    if model.config.is_encoder_decoder:  # a token has keys and values for one kind of attention, of equal size
        cross = Cache(layer_class_to_replicate=DynamicLayer)
        cache = EncoderDecoderCache(own, cross)
        model(input_ids=ids, decoder_input_ids=ids, past_key_values=cache, use_cache=True)
    else:
        model(input_ids=ids, past_key_values=own, use_cache=True)
    n_bytes: int = sum(layer.keys.nbytes + layer.values.nbytes for layer in own.layers)
    return n_bytes / ids.shape[1]


def moved(rows: torch.Tensor, gaps: torch.Tensor, movers: torch.Tensor, n_open: int) -> torch.Tensor:
    """The first n_open rows after `movers` have gone to `gaps`, in place: only what moves is copied."""
    rows[gaps] = rows[movers]
    return rows[:n_open]


class _GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer, in buffers with room to grow; attention sees views (B, heads, S, width) of them.

    DynamicLayer joins a new tensor at every step, which moves the whole cache for one token. A sliding window is kept
    whole here and left to the mask.
    """

    keys: torch.Tensor
    values: torch.Tensor
    is_initialized: bool
    buffers: list[torch.Tensor]
    longest: int

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        if not self.is_initialized:
            self.keys, self.values, self.is_initialized = key_states, value_states, True
            return self.keys, self.values
        n_rows, start = self.keys.shape[0], self.keys.shape[2]
        end = start + key_states.shape[2]
        if end > self.buffers[0].shape[2]:
            self._allocate(slice(None), end)
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:n_rows, :, start:end] = states
        self.keys, self.values = (buffer[:n_rows, :, :end] for buffer in self.buffers)
        return self.keys, self.values

    def spread(self, owner_B: torch.Tensor, longest: int) -> None:
        """Copy row owner_B[b] to row b; no row will grow beyond `longest` places."""
        self.longest = longest
        self._allocate(owner_B, self.keys.shape[2])

    def close_ranks(self, gaps: torch.Tensor, movers: torch.Tensor, n_open: int) -> None:
        """Move the rows `movers` to `gaps` and keep the first n_open."""
        self.keys = moved(self.keys, gaps, movers, n_open)
        self.values = moved(self.values, gaps, movers, n_open)

    def _allocate(self, rows: torch.Tensor | slice, n_places: int) -> None:
        n_places = min(n_places + CACHE_BLOCK, self.longest)
        self.buffers = [_with_room(held, rows, n_places) for held in (self.keys, self.values)]
        length = self.keys.shape[2]
        self.keys, self.values = (buffer[:, :, :length] for buffer in self.buffers)


def _with_room(held: torch.Tensor, rows: torch.Tensor | slice, n_places: int) -> torch.Tensor:
    selected = held[rows]
    buffer = held.new_empty(*selected.shape[:2], n_places, held.shape[3])
    buffer[:, :, : held.shape[2]] = selected
    return buffer


def check(model: LanguageModel, prompts_P: Sequence[Sequence[int]], max_new_tokens: int) -> None:
    """Raises UserError for a model whose layers are not all attention, and where a prompt leaves no room."""
    kinds = {type(layer) for layer in DynamicCache(config=model.config).layers}
    if other := kinds - {DynamicLayer, DynamicSlidingWindowLayer}:
        name = next(iter(other)).__name__
        raise UserError(f"model.name: the sampler needs attention in every layer; {model.config.model_type} has {name}")
    positions = _positions(model)
    longest = max(map(len, prompts_P), default=0)
    needed = max(longest, max_new_tokens) if model.config.is_encoder_decoder else longest + max_new_tokens
    if positions is not None and needed > positions:
        raise UserError(
            f"sampling.max_new_tokens: a prompt of {longest} tokens and {max_new_tokens} new ones exceed "
            f"the model's {positions} positions"
        )


def _positions(model: LanguageModel) -> int | None:
    positions: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return positions


def _padded(
    prompts_P: Sequence[Sequence[int]], side: Literal["left", "right"], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (P, S) of prompts."""
    width = max(map(len, prompts_P))
    ids_PS = torch.zeros(len(prompts_P), width, dtype=torch.long)
    mask_PS = torch.zeros(len(prompts_P), width, dtype=torch.bool)
    for row, prompt in enumerate(prompts_P):
        start = width - len(prompt) if side == "left" else 0
        ids_PS[row, start : start + len(prompt)] = torch.tensor(prompt)
        mask_PS[row, start : start + len(prompt)] = True
    return ids_PS.to(device), mask_PS.to(device)
