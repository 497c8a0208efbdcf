"""Forward: one pass of a language model, causal or encoder-decoder, over a Layout, without a cache.

Axes: R lines, S tokens of the pass; P prompts, E tokens of a prompt; H hidden width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from rl.batch import Batch
from rl.layout import EncoderInputs, Layout, encoder_decoder_layout, plain_layout
from rl.models import LanguageModel


def layout_of(model: LanguageModel) -> Callable[[Batch], Layout]:
    """The layout, of one line per row, that a model reads."""
    if model.config.is_encoder_decoder:
        return partial(encoder_decoder_layout, start_id=model.config.decoder_start_token_id)
    return plain_layout


def encoder_of(model: LanguageModel) -> nn.Module | None:
    """What reads the prompts, where that is not the decoder."""
    return model.get_encoder() if model.config.is_encoder_decoder else None


def states(encoder: nn.Module | None, decoder: nn.Module, layout: Layout) -> torch.Tensor:
    """hidden_RSH: the decoder's state after each token of the lines."""
    arguments: dict[str, Any] = {"input_ids": layout.ids_RS, "attention_mask": layout.attention, "use_cache": False}
    if encoder is None or layout.encoder is None:
        arguments["position_ids"] = layout.positions_RS
    else:
        encoded_REH, present_RE = _encoded(encoder, layout.encoder)
        arguments |= {"encoder_hidden_states": encoded_REH, "encoder_attention_mask": present_RE}
    hidden: torch.Tensor = decoder(**arguments).last_hidden_state
    return hidden


def logits(model: LanguageModel, layout: Layout) -> torch.Tensor:
    """logits_RSV after each token of the lines."""
    arguments: dict[str, Any]
    if layout.encoder is None:
        arguments = {
            "input_ids": layout.ids_RS,
            "attention_mask": layout.attention,
            "position_ids": layout.positions_RS,
        }
    else:
        encoded_REH, present_RE = _encoded(model.get_encoder(), layout.encoder)
        arguments = {
            "encoder_outputs": (encoded_REH,),
            "attention_mask": present_RE,
            "decoder_input_ids": layout.ids_RS,
            "decoder_attention_mask": layout.attention,
        }
    found: torch.Tensor = model(**arguments, use_cache=False).logits
    return found


def _encoded(encoder: nn.Module, inputs: EncoderInputs) -> tuple[torch.Tensor, torch.Tensor]:
    """The states of each line's prompt, and which of them are there."""
    hidden_PEH = encoder(input_ids=inputs.ids_PE, attention_mask=inputs.present_PE).last_hidden_state
    # Not by indexing, whose gradient adds up in an order that changes from run to run.
    return hidden_PEH.index_select(0, inputs.owner_R), inputs.present_PE[inputs.owner_R]
