"""Load a policy and its tokenizer: `scratch:<size>`, a local folder, or a hub name."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.utils.logging import disable_progress_bar

from envs.errors import UserError

disable_progress_bar()

LanguageModel: TypeAlias = PreTrainedModel
"""Any causal or encoder-decoder language model of transformers."""

END_OF_TEXT = "<|end|>"
PADDING = "<|pad|>"


@dataclass(frozen=True, slots=True)
class ScratchSize:
    """Shape of a Llama-type or T5-type model that is built here, not downloaded."""

    hidden: int
    """Width of the residual stream."""
    layers: int
    """Transformer blocks; of a T5, in the encoder and again in the decoder."""
    heads: int
    """Attention heads per block."""
    feed_forward: int
    """Width of the gated feed-forward layer."""
    vocabulary: int
    """Entries of the byte-level BPE tokenizer."""
    positions: int | None = 1024
    """Longest sequence of a Llama; None makes a T5, whose positions are relative and have no end."""
    spread: float = 0.02
    """Standard deviation of a Llama's first weights. The usual 0.02 is for widths of a thousand; at 128,
    sqrt(2 / (5 * 128)) of "small init" (Nguyen and Salazar, arXiv 1910.05895) learns in fewer steps."""


SCRATCH_SIZES = MappingProxyType(
    {
        "nano": ScratchSize(hidden=32, layers=2, heads=2, feed_forward=64, vocabulary=384),
        "tiny": ScratchSize(hidden=128, layers=2, heads=4, feed_forward=256, vocabulary=640, spread=0.056),
        "small": ScratchSize(hidden=128, layers=4, heads=4, feed_forward=320, vocabulary=768, spread=0.056),
        "nano-t5": ScratchSize(hidden=32, layers=2, heads=2, feed_forward=64, vocabulary=384, positions=None),
        "tiny-t5": ScratchSize(hidden=128, layers=2, heads=4, feed_forward=256, vocabulary=640, positions=None),
    }
)
"""Sizes by name: nano is for tests (30 k parameters), tiny and small learn on two CPU cores (0.4 M and 0.9 M).

A t5 is an encoder-decoder of about twice the parameters.
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """A language model with the tokenizer that it was made with."""

    model: LanguageModel
    """The network; its state is what a Learner trains."""
    tokenizer: PreTrainedTokenizerBase
    """Text to ids and back."""

    @property
    def end_id(self) -> int:
        """Id that ends a completion."""
        return int(self.tokenizer.eos_token_id)

    @property
    def positions(self) -> int | None:
        """Longest sequence of prompt and completion; None where the model sets no limit to their sum."""
        return positions(self.model)

    def prompt_lengths(self, texts: Sequence[str]) -> list[int]:
        """Number of ids of each text, many at once."""
        return [len(ids) for ids in self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]

    def encode(self, text: str) -> tuple[int, ...]:
        """Ids of a text, without special tokens."""
        return tuple(self.tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids, without special tokens and without tidying of spaces."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def save(self, folder: Path) -> None:
        """Write a folder that `load_policy` and plain transformers read; adapters are merged into a copy first."""
        model = self.model
        if hasattr(model, "merge_and_unload"):
            model = copy.deepcopy(model).merge_and_unload()
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def load_policy(name: str, texts: Iterable[str] = (), seed: int = 0) -> Policy:
    """Build `scratch:<size>` with a tokenizer trained on `texts`, or load a folder or hub name.

    An encoder-decoder reads the prompt with its encoder and continues it with its decoder. Raises UserError for an
    unknown size, for a model that cannot be read, and for one whose completions cannot begin or end.
    """
    if name.startswith("scratch:"):
        return _scratch(name.removeprefix("scratch:"), texts, seed)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        config = AutoConfig.from_pretrained(name)
        kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        model = kind.from_pretrained(name, config=config, dtype=torch.float32)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"model.name: cannot load {name!r} as a folder or hub name: {reason}") from error
    if tokenizer.eos_token_id is None:
        raise UserError(f"model.name: the tokenizer of {name!r} has no end-of-text token, so completions cannot end")
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        raise UserError(
            f"model.name: the config of {name!r} has no decoder_start_token_id, so completions cannot begin; T5 models "
            "begin with pad_token_id"
        )
    return Policy(model, tokenizer)


def positions(model: PreTrainedModel) -> int | None:
    """Longest sequence of prompt and completion; None where a model sets no limit to their sum."""
    config = model.config
    return None if config.is_encoder_decoder else getattr(config.get_text_config(), "max_position_embeddings", None)


def with_adapters(policy: Policy, rank: int, seed: int) -> Policy:
    """The policy with LoRA adapters (arXiv 2106.09685) on all linear layers; only they are trained."""
    try:
        import peft
    except ImportError:
        raise UserError("model.lora_rank: adapters need peft; run `pip install 'rl-train[lora]'`") from None
    task = "SEQ_2_SEQ_LM" if policy.model.config.is_encoder_decoder else "CAUSAL_LM"
    settings = peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", task_type=task
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Policy(peft.get_peft_model(policy.model, settings), policy.tokenizer)


def policy_folder(path: Path) -> Path:
    """The model folder that a path means: itself, or the final checkpoint of a run folder."""
    final = path / "checkpoints" / "final"
    return final if final.is_dir() else path


def _scratch(size_name: str, texts: Iterable[str], seed: int) -> Policy:
    if size_name not in SCRATCH_SIZES:
        raise UserError(f"model.name: expected scratch:{'|'.join(SCRATCH_SIZES)}; got 'scratch:{size_name}'")
    size = SCRATCH_SIZES[size_name]
    tokenizer = train_tokenizer(texts, size.vocabulary)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _t5(size, tokenizer) if size.positions is None else _llama(size, tokenizer)
    return Policy(model, tokenizer)


def _llama(size: ScratchSize, tokenizer: PreTrainedTokenizerBase) -> LanguageModel:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=size.hidden,
            intermediate_size=size.feed_forward,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            max_position_embeddings=size.positions,
            initializer_range=size.spread,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _t5(size: ScratchSize, tokenizer: PreTrainedTokenizerBase) -> LanguageModel:
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=size.hidden,
            d_kv=size.hidden // size.heads,
            d_ff=size.feed_forward,
            num_layers=size.layers,
            num_heads=size.heads,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            tie_word_embeddings=True,
            decoder_start_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Fit a byte-level BPE tokenizer on texts; any text can be encoded, whatever it was trained on."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END_OF_TEXT, PADDING],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, pad_token=PADDING)
