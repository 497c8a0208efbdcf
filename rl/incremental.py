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
    """Rows of a causal model: prompts are padded on the left, so that all rows go on at one place of the cache.

    `length_B` counts the tokens that each row has read.
    """

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
        for layer in self.cache.layers:
            layer.spread(owner_R, room=max_new_tokens)
        self.logits_BV, self.length_B = output.logits[:, -1][owner_R], mask_PS.sum(dim=1)[owner_R]

    def step(self, ids_B: torch.Tensor) -> None:
        """As `OpenRows.step`."""
        place_S = torch.arange(self.cache.get_seq_length(), -1, -1, device=ids_B.device)  # counted from the right end
        output = self.model(
            input_ids=ids_B.unsqueeze(1),
            attention_mask=place_S <= self.length_B.unsqueeze(1),
            position_ids=self.length_B.unsqueeze(1),
            past_key_values=self.cache,
            use_cache=True,
        )
        self.logits_BV, self.length_B = output.logits[:, -1], self.length_B + 1

    def close_ranks(self, gaps: torch.Tensor, movers: torch.Tensor, n_open: int) -> None:
        """As `OpenRows.close_ranks`."""
        for layer in self.cache.layers:
            layer.close_ranks(gaps, movers, n_open)
        self.length_B = moved(self.length_B, gaps, movers, n_open)

    def join(self, others: CausalRows) -> None:
        """Add rows that have read other prompts behind these; both have logits."""
        for layer, other in zip(self.cache.layers, others.cache.layers, strict=True):
            layer.join(other)
        self.logits_BV = torch.cat((self.logits_BV, others.logits_BV))
        self.length_B = torch.cat((self.length_B, others.length_B))

    def trim(self) -> None:
        """Forget the places of the cache that no row uses any more, once long ones have left."""
        width = int(self.length_B.max())
        for layer in self.cache.layers:
            layer.trim(width)


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
        for cache, room in ((self.own, max_new_tokens), (self.cross, 0)):
            for layer in cache.layers:
                layer.spread(owner_R, room)
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
    end: int
    """Place of the buffers behind the last one in use."""
    room: int
    """Most places that will still be needed."""

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any) -> Any:
        if not self.is_initialized:
            self.keys, self.values, self.is_initialized = key_states, value_states, True
            return self.keys, self.values
        n_rows, width, n_new = self.keys.shape[0], self.keys.shape[2], key_states.shape[2]
        if self.end + n_new > self.buffers[0].shape[2]:
            self._lay_out(n_rows, width)
        for buffer, states in zip(self.buffers, (key_states, value_states), strict=True):
            buffer[:n_rows, :, self.end : self.end + n_new] = states
        self.end += n_new
        self.room -= n_new
        self._see(n_rows, width + n_new)
        return self.keys, self.values

    def spread(self, owner_B: torch.Tensor, room: int) -> None:
        """Copy row owner_B[b] to row b; no row will grow by more than `room` places."""
        self.keys, self.values, self.room = self.keys[owner_B], self.values[owner_B], room
        self._lay_out(len(owner_B), self.keys.shape[2])

    def close_ranks(self, gaps: torch.Tensor, movers: torch.Tensor, n_open: int) -> None:
        """Move the rows `movers` to `gaps` and keep the first n_open."""
        self.keys = moved(self.keys, gaps, movers, n_open)
        self.values = moved(self.values, gaps, movers, n_open)

    def join(self, other: _GrowingLayer) -> None:
        """Add another layer's rows behind these, so that all end at the same place."""
        (n_rows, _, width, _), (n_others, _, others_width, _) = self.keys.shape, other.keys.shape
        n_all, widest = n_rows + n_others, max(width, others_width)
        self.room = max(self.room, other.room)
        if n_all > self.buffers[0].shape[0] or widest > self.end:
            self._lay_out(max(n_all, self.buffers[0].shape[0]), widest)
        for buffer, states in zip(self.buffers, (other.keys, other.values), strict=True):
            # Nobody attends to what lies left of a row, but weight 0 times what is not a number is not a number.
            buffer[:n_rows, :, self.end - widest : self.end - width] = 0
            buffer[n_rows:n_all, :, self.end - widest : self.end - others_width] = 0
            buffer[n_rows:n_all, :, self.end - others_width : self.end] = states
        self._see(n_all, widest)

    def trim(self, width: int) -> None:
        """Keep the last `width` places."""
        self._see(self.keys.shape[0], width)

    def _lay_out(self, n_rows: int, n_places: int) -> None:
        """Move the rows to new buffers for `n_rows`, in which they end after `n_places`, with room behind."""
        self.buffers = [
            _with_room(held, n_rows, n_places, min(self.room, CACHE_BLOCK)) for held in (self.keys, self.values)
        ]
        self.end = n_places
        self._see(*self.keys.shape[::2])

    def _see(self, n_rows: int, width: int) -> None:
        self.keys, self.values = (buffer[:n_rows, :, self.end - width : self.end] for buffer in self.buffers)


def _with_room(held: torch.Tensor, n_rows: int, n_places: int, room: int) -> torch.Tensor:
    buffer = held.new_empty(n_rows, held.shape[1], n_places + room, held.shape[3])
    buffer[: held.shape[0], :, n_places - held.shape[2] : n_places] = held
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
