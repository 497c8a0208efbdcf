"""A value head on a language model, and its fitting as a co-learner beside the policy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import nn

from envs.rollout import Group
from envs.verdict import Verdict
from rl.batch import Batch
from rl.credit import rewards_of_rows
from rl.forward import encoder_of, layout_of, states
from rl.learner import Learner
from rl.loop import After
from rl.losses import value_error
from rl.models import LanguageModel


class TokenValues(nn.Module):
    """A model of its own with one linear output: the value of the state in which each learned token is chosen."""

    def __init__(self, model: LanguageModel) -> None:
        """Start from a copy of the policy without its output head, and from values of zero."""
        super().__init__()
        # Copied together: they may share the embeddings of tokens.
        self.encoder, self.decoder = copy.deepcopy((encoder_of(model), model.get_decoder()))
        self.lay_out = layout_of(model)
        self.head = nn.Linear(model.config.get_text_config().hidden_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, batch: Batch, temperature: float, wants: frozenset[str]) -> dict[str, torch.Tensor]:
        """`values`, (B, T). The temperature belongs to the policy and changes nothing here."""
        layout = self.lay_out(batch)
        hidden_RSH = states(self.encoder, self.decoder, layout)
        values_N = self.head(hidden_RSH[layout.source_N]).squeeze(1)
        return {"values": values_N.new_zeros(batch.ids_BT.shape).index_put(layout.target_N, values_N)}


def fit_values(learner: Learner, reward: Callable[[Verdict], float], every: int = 1) -> After:
    """One step of the value head towards the reward at every learned token (discount 1), every so many rounds."""

    def update(number: int, groups: Sequence[Group], batch: Batch) -> Mapping[str, float]:
        if number % every:
            return {}
        rewards_B1 = rewards_of_rows(groups, reward).nan_to_num()
        returns_BT = torch.where(batch.learned_BT, rewards_B1, 0.0)
        metrics = learner.step(batch.with_columns({"returns": returns_BT}), (value_error(),))
        return {f"value/{name}": value for name, value in metrics.items()}

    return update
