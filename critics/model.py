"""OutcomeCritic: a language model that says after every token how the program will end (CodeRL, arXiv 2207.01780).

The equations, and how we differ from the paper, stand in `critics/values.py`.

Axes: B rows, T tokens, H hidden width, K outcome classes; P tokens of prompts and C of completions that a decoder
behind an encoder reads.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from critics.outcomes import OutcomeClasses
from critics.values import max_over_program, outcome_cross_entropy, outcome_probability, pass_probability
from envs.errors import UserError

HEAD_WIDTH = 128
"""Hidden width of the MLP head, as in CodeRL's released code."""
SETTINGS_FILE, HEAD_FILE = "critic.json", "head.safetensors"


class Rows(Protocol):
    """Rows of prompt and completion, padded on the right."""

    @property
    def ids_BT(self) -> torch.Tensor:
        """Token ids."""

    @property
    def present_BT(self) -> torch.Tensor:
        """Bool: the token is there, not padding."""

    @property
    def learned_BT(self) -> torch.Tensor:
        """Bool: the token is part of the program, by the writer who is judged."""

    @property
    def prompt_B(self) -> torch.Tensor:
        """Length of the prompt, in tokens."""

    @property
    def columns(self) -> Mapping[str, torch.Tensor]:
        """Floats per token by name; `outcome_class` holds the row's class at each program token."""


class Pool(StrEnum):
    """What is maximised over the tokens of a program to judge the whole."""

    LOGITS = "logits"
    """The logits, as in the released code: then token values come from exactly the numbers that training sees."""
    HIDDEN = "hidden"
    """The states, before the head, as in the paper's text."""


class Head(StrEnum):
    """What turns a state into logits."""

    LINEAR = "linear"
    """One linear map, as in the paper."""
    MLP = "mlp"
    """Linear, ReLU, linear, as in the released code."""


@dataclass(frozen=True, slots=True)
class CriticSettings:
    """What a critic is, apart from its backbone."""

    classes: OutcomeClasses = OutcomeClasses.FOUR
    """The outcomes it tells apart."""
    pool: Pool = Pool.LOGITS
    """Logits by default: on programs that one token breaks they find that token more often than pooled states do."""
    head: Head = Head.LINEAR
    """Linear by default: with pooled logits the MLP finds no more such tokens, and its dead units can silence some."""


@dataclass(frozen=True, slots=True)
class ScratchShape:
    """Shape of a Llama-type backbone that is built here, not downloaded."""

    hidden: int
    """Width of the residual stream."""
    layers: int
    """Transformer blocks."""
    heads: int
    """Attention heads per block."""


SCRATCH_SHAPES = MappingProxyType(
    {"nano": ScratchShape(32, 2, 2), "tiny": ScratchShape(64, 2, 4), "small": ScratchShape(128, 4, 4)}
)
"""Backbones by name: nano is for tests, tiny and small learn on two CPU cores."""


class OutcomeCritic(nn.Module):
    """Any causal or encoder-decoder language model with an outcome head on every token."""

    def __init__(self, backbone: PreTrainedModel, settings: CriticSettings) -> None:
        """The last layer of the head starts at zero: until it is fitted, a critic finds all outcomes equally likely."""
        super().__init__()
        self.backbone = backbone
        self.settings = settings
        width, n_classes = backbone.config.get_text_config().hidden_size, len(settings.classes.names)
        last = nn.Linear(width if settings.head is Head.LINEAR else HEAD_WIDTH, n_classes)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.head: nn.Module = last
        if settings.head is Head.MLP:
            self.head = nn.Sequential(nn.Linear(width, HEAD_WIDTH), nn.ReLU(), last)

    def forward(self, rows: Rows, temperature: float, wants: frozenset[str]) -> dict[str, torch.Tensor]:
        """`outputs` of the rows' states. The temperature belongs to the policy and changes nothing."""
        return self.outputs(self.states(rows), rows, wants)

    def outputs(self, hidden_BTH: torch.Tensor, rows: Rows, wants: frozenset[str]) -> dict[str, torch.Tensor]:
        """The wanted outputs, (B, T), 0 where not learned; states of tokens that are not learned play no part.

        outcome_nll: -log p(what happened) after the whole program, the same at each of its tokens.
        outcome_prob: p(what happened) after each token: CodeRL's token value q.
        pass_prob: p(passed) after each token.
        """
        outputs: dict[str, torch.Tensor] = {}
        if "outcome_nll" in wants:
            pooled_BK = self.pooled_logits(hidden_BTH, rows.learned_BT)
            pooled_BTK = pooled_BK.unsqueeze(1).expand(*rows.ids_BT.shape, -1)
            outputs["outcome_nll"] = outcome_cross_entropy(pooled_BTK, _labels(rows))
        if "outcome_prob" in wants:
            outputs["outcome_prob"] = outcome_probability(self.token_logits(hidden_BTH), _labels(rows))
        if "pass_prob" in wants:
            outputs["pass_prob"] = pass_probability(self.token_logits(hidden_BTH))
        return {name: torch.where(rows.learned_BT, output_BT, 0.0) for name, output_BT in outputs.items()}

    def states(self, rows: Rows) -> torch.Tensor:
        """hidden_BTH: the state after reading each token; behind an encoder, meaningless at prompt and padding."""
        if self.backbone.config.is_encoder_decoder:
            return self._states_behind_encoder(rows)
        states: torch.Tensor = self.backbone(
            input_ids=rows.ids_BT, attention_mask=rows.present_BT, use_cache=False
        ).last_hidden_state
        return states

    def token_logits(self, hidden_BTH: torch.Tensor) -> torch.Tensor:
        """logits_BTK after each token."""
        logits: torch.Tensor = self.head(hidden_BTH.to(next(self.head.parameters()).dtype))
        return logits

    def pooled_logits(
        self,
        hidden_BTH: torch.Tensor,
        program_BT: torch.Tensor,
        pool: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = max_over_program,
    ) -> torch.Tensor:
        """Logits over the program, (B, K); with `pool=max_so_far` over the part read so far, (B, T, K)."""
        if self.settings.pool is Pool.LOGITS:
            return pool(self.token_logits(hidden_BTH), program_BT)
        return self.token_logits(pool(hidden_BTH, program_BT))

    def _states_behind_encoder(self, rows: Rows) -> torch.Tensor:
        """The encoder reads the prompt, the decoder a start token and the completion: its place c + 1 has read token c.

        The released code of CodeRL leaves out the last token instead, so that its state for a token has not read it.
        """
        length_B1, prompt_B1 = rows.present_BT.sum(dim=1, keepdim=True), rows.prompt_B.unsqueeze(1)
        columns_T = torch.arange(rows.ids_BT.shape[1], device=rows.ids_BT.device)
        in_prompt_BP = columns_T[: int(prompt_B1.max())] < prompt_B1
        column_BC = prompt_B1 + columns_T[: int((length_B1 - prompt_B1).max())]
        there_BC = column_BC < length_B1
        completion_BC = rows.ids_BT.gather(1, torch.where(there_BC, column_BC, 0))
        start_B1 = torch.full_like(prompt_B1, _start_id(self.backbone.config))
        hidden_BDH = self.backbone(
            input_ids=rows.ids_BT[:, : in_prompt_BP.shape[1]],
            attention_mask=in_prompt_BP.long(),
            decoder_input_ids=torch.cat([start_B1, completion_BC], dim=1),
            decoder_attention_mask=torch.cat([torch.ones_like(start_B1), there_BC.long()], dim=1),
            use_cache=False,
        ).last_hidden_state
        place_BT = (columns_T - prompt_B1 + 1).clamp(0, hidden_BDH.shape[1] - 1)
        states: torch.Tensor = hidden_BDH.gather(1, place_BT.unsqueeze(-1).expand(-1, -1, hidden_BDH.shape[-1]))
        return states


def build_critic(
    backbone: PreTrainedModel | str,
    tokenizer: PreTrainedTokenizerBase,
    settings: CriticSettings | None = None,
    seed: int = 0,
) -> OutcomeCritic:
    """A critic that is not fitted yet, on a copy of a policy without its head, `scratch:<size>`, a folder or hub name.

    `tokenizer` is the policy's: a critic reads the ids that the policy wrote. Raises UserError for a backbone that
    cannot be read, and for one with another tokenizer.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if not isinstance(backbone, str):
            model = _copy_without_head(backbone)
        elif backbone.startswith("scratch:"):
            model = _scratch(backbone.removeprefix("scratch:"), tokenizer)
        else:
            model = _from_folder(backbone, tokenizer)
        return OutcomeCritic(model, settings or CriticSettings())


def save_critic(critic: OutcomeCritic, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a folder whose backbone and tokenizer plain transformers reads; the head lies beside them."""
    critic.backbone.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_file({name: weight.contiguous() for name, weight in critic.head.state_dict().items()}, folder / HEAD_FILE)
    (folder / SETTINGS_FILE).write_text(json.dumps(asdict(critic.settings), indent=2) + "\n")


def is_critic(folder: Path | str) -> bool:
    """Whether a folder holds what `save_critic` wrote."""
    return (Path(folder) / SETTINGS_FILE).is_file()


def load_critic(folder: Path, tokenizer: PreTrainedTokenizerBase) -> OutcomeCritic:
    """Read what `save_critic` wrote.

    Raises UserError for a folder that holds no critic, and for a critic of another tokenizer than the policy's.
    """
    if not is_critic(folder):
        raise UserError(f"critic: expected the folder of a critic at {folder}; it has no {SETTINGS_FILE}")
    found = json.loads((folder / SETTINGS_FILE).read_text())
    settings = CriticSettings(OutcomeClasses(found["classes"]), Pool(found["pool"]), Head(found["head"]))
    critic = OutcomeCritic(_from_folder(str(folder), tokenizer), settings)
    critic.head.load_state_dict(load_file(folder / HEAD_FILE))
    return critic


def _labels(rows: Rows) -> torch.Tensor:
    """Class of the row at each program token, (B, T); rows of unknown outcome are not learned from, so any will do."""
    return torch.where(rows.learned_BT, rows.columns["outcome_class"], 0.0).long().clamp(min=0)


def _start_id(config: PreTrainedConfig) -> int:
    """What a decoder reads first: its start token, or padding, as in T5."""
    start_id = getattr(config, "decoder_start_token_id", None)
    return int(config.pad_token_id if start_id is None else start_id)


def _copy_without_head(model: PreTrainedModel) -> PreTrainedModel:
    """What gives the states of a language model, adapters merged, with weights of its own."""
    if hasattr(model, "merge_and_unload"):
        model = copy.deepcopy(model).merge_and_unload()
    # T5 has no base model within it, only the same names.
    body = model.base_model if model.config.is_encoder_decoder else model.get_decoder()
    backbone = AutoModel.from_config(_without_dropout(body.config), dtype=torch.float32)
    weights = body.state_dict()
    backbone.load_state_dict({name: weights[name] for name in backbone.state_dict()})
    return backbone


def _scratch(size_name: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    if size_name not in SCRATCH_SHAPES:
        raise UserError(f"critic.model: expected scratch:{'|'.join(SCRATCH_SHAPES)}; got 'scratch:{size_name}'")
    shape = SCRATCH_SHAPES[size_name]
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        intermediate_size=2 * shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return AutoModel.from_config(config, dtype=torch.float32)


def _from_folder(name: str, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The backbone in a folder or of a hub name, if it was made with `tokenizer`."""
    try:
        own = AutoTokenizer.from_pretrained(name)
        config = _without_dropout(AutoConfig.from_pretrained(name))
        backbone = AutoModel.from_pretrained(name, config=config, dtype=torch.float32)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"critic.model: cannot load {name!r} as a folder or hub name: {reason}") from error
    if not same_ids(own, tokenizer):
        raise UserError(
            f"critic.model: {name!r} was made with another tokenizer ({len(own)} entries) than the policy "
            f"({len(tokenizer)} entries), so it cannot read the policy's ids; fit a critic for this policy"
        )
    return backbone


def same_ids(a: PreTrainedTokenizerBase, b: PreTrainedTokenizerBase) -> bool:
    """Whether ids mean the same to two tokenizers: the vocabulary and, of a BPE, the merges agree."""
    return _vocabulary(a) == _vocabulary(b)


def _vocabulary(tokenizer: PreTrainedTokenizerBase) -> tuple[Mapping[str, int], object]:
    """What ids mean: every token's id, and the merges of a BPE."""
    engine = getattr(tokenizer, "backend_tokenizer", None)
    merges = None if engine is None else json.loads(engine.to_str())["model"].get("merges")
    return tokenizer.get_vocab(), merges


def _without_dropout(config: PreTrainedConfig) -> PreTrainedConfig:
    """A copy whose rates of dropout are 0: a random mask would depend on how a batch is split and padded."""
    config = copy.deepcopy(config)
    for name, value in config.to_dict().items():
        if ("dropout" in name or "pdrop" in name) and isinstance(value, float):
            setattr(config, name, 0.0)
    return config
