"""What a teacher's model says about the tokens of a batch, as columns for the terms of rl/distill.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from envs.problem import Problem
from envs.rollout import Group
from rl.batch import Batch, collate
from rl.distill import TEACHER_IDS, TEACHER_LOG_PROBS, TEACHER_TEMPERATURE, aligned
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


def _asked(group: Group, prompt_ids: tuple[int, ...]) -> Group:
    return replace(group, rollouts=tuple(replace(rollout, prompt_ids=prompt_ids) for rollout in group.rollouts))
