"""Tiny critics on random backbones, of both kinds."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaModel, PreTrainedModel, T5Config, T5Model

from critics.model import CriticSettings, OutcomeCritic

KINDS = ("causal", "encoder-decoder")


def a_backbone(kind: str) -> PreTrainedModel:
    """Random weights, large enough that states differ clearly; no dropout."""
    torch.manual_seed(0)
    if kind == "causal":
        return LlamaModel(
            LlamaConfig(
                vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
                bos_token_id=None, eos_token_id=0, pad_token_id=1,
            )
        )  # fmt: skip
    return T5Model(
        T5Config(
            vocab_size=64,
            d_model=16,
            d_kv=8,
            d_ff=32,
            num_layers=1,
            num_decoder_layers=2,
            num_heads=2,
            dropout_rate=0.0,
        )
    )


def a_critic(kind: str = "causal", **settings: object) -> OutcomeCritic:
    """A critic whose head is random, as if it had been fitted."""
    critic = OutcomeCritic(a_backbone(kind), CriticSettings(**settings))  # type: ignore[arg-type]
    for weight in critic.head.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return critic
