"""What a teacher's model says about the tokens of a batch, as columns for the terms of rl/distill.py."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from envs.problem import Problem
from envs.rollout import Group
from rl.batch import Batch, collate
from rl.distill import TEACHER_IDS, TEACHER_LOG_PROBS, TEACHER_TEMPERATURE, aligned
from rl.durable import plain_os_errors, whole_file
from rl.engine import gather
from rl.learner import Learner, TokenLogProbs, spread
from rl.losses import Outputs
from rl.models import LanguageModel
from rl.score import Score


class LikeliestTokens(TokenLogProbs):
    """A language model seen as a function from rows to the tokens that it holds for likeliest in each learned place."""

    def __init__(self, model: LanguageModel, *, vocabulary: int, top_k: int = 0) -> None:
        """Ids from `vocabulary` on do not exist for the learner; `top_k` 0 lists all the others."""
        super().__init__(model)
        self.vocabulary, self.top_k = vocabulary, top_k

    def forward(self, batch: Batch, temperature: float, wants: frozenset[str]) -> Outputs:
        """`teacher_ids` and `teacher_log_probs`, (B, T, K), at `temperature`, over the learner's vocabulary."""
        layout, logits_NV = self.logits(batch)
        log_probs_NV = torch.log_softmax(logits_NV[:, : self.vocabulary] / temperature, dim=-1)
        n_tokens = log_probs_NV.shape[1]
        if 0 < self.top_k < n_tokens:
            log_probs_NK, ids_NK = log_probs_NV.topk(self.top_k, dim=-1)
        else:
            log_probs_NK, ids_NK = (
                log_probs_NV,
                torch.arange(n_tokens, device=log_probs_NV.device).expand_as(log_probs_NV),
            )
        return {
            TEACHER_IDS: spread(ids_NK.int(), layout, batch),
            TEACHER_LOG_PROBS: spread(log_probs_NK, layout, batch),
        }


def teacher_distribution(
    teacher: Learner, temperature: float = 1.0, prompt_ids: Callable[[Problem], tuple[int, ...]] | None = None
) -> Score:
    """The teacher's likeliest tokens at the learner's tokens; `teacher` holds `LikeliestTokens`.

    With `prompt_ids` the teacher reads those before the program, otherwise the same prompt as the learner.
    """

    def score(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
        view = batch
        if prompt_ids is not None:
            view = collate([_asked(group, prompt_ids(group.problem)) for group in groups])
        found = teacher.outputs(view, temperature, frozenset({TEACHER_IDS, TEACHER_LOG_PROBS}))
        columns = {name: aligned(column, view.learned_BT, batch.learned_BT) for name, column in found.items()}
        return {**columns, TEACHER_TEMPERATURE: torch.full(batch.ids_BT.shape, temperature)}

    return score


def kept(score: Score, folder: Path) -> Score:
    """What a score says about each group, computed once and kept in a folder: a safetensors file per group.

    Only the values of the learned tokens are kept. A file is named after the ids that were scored, so other programs
    for a problem are scored anew.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def read(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
        paths = [folder / f"{_name(group)}.safetensors" for group in groups]
        learned = [batch.learned_BT & (batch.group_B == index).unsqueeze(1) for index in range(len(groups))]
        missing = [path for path in paths if not path.exists()]
        if any(gather([not groups or bool(missing)])):  # every rank takes part in a pass of the teacher, or none
            columns = score(groups, batch)
            for path, learned_BT in zip(paths, learned, strict=True):
                if path in missing:
                    with whole_file(path) as partial, plain_os_errors(path):
                        save_file({name: column.cpu()[learned_BT] for name, column in columns.items()}, partial)
            if not groups:
                return columns
        found: dict[str, torch.Tensor] = {}
        for path, learned_BT in zip(paths, learned, strict=True):
            for name, values_N in load_file(path).items():
                if name not in found:
                    found[name] = values_N.new_zeros(*batch.ids_BT.shape, *values_N.shape[1:])
                found[name][learned_BT] = values_N
        return found

    return read


def _name(group: Group) -> str:
    """A hash of the ids of a group and of which of them are learned."""
    rows = [(rollout.prompt_ids, rollout.completion_ids, rollout.loss_mask) for rollout in group.rollouts]
    return hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest()


def _asked(group: Group, prompt_ids: tuple[int, ...]) -> Group:
    return replace(group, rollouts=tuple(replace(rollout, prompt_ids=prompt_ids) for rollout in group.rollouts))
