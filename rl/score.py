"""Who else judges a batch: functions (groups, batch) -> named token columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from envs.rollout import Group
from rl.batch import Batch
from rl.learner import Learner

Score = Callable[[Sequence[Group], Batch], Mapping[str, torch.Tensor]]
"""(groups, their batch) -> columns of shape (B, T) by name."""


def nobody(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
    """No judge besides the tests."""
    return {}


def proximal_log_probs(learner: Learner, temperature: float) -> Score:
    """Log-probs under the learner before this round's steps: the policy that ratios and clips refer to."""
    return lambda groups, batch: {"proximal_log_probs": learner.outputs(batch, temperature)["log_probs"]}


def reference_log_probs(reference: Learner, temperature: float) -> Score:
    """Log-probs under a frozen reference model."""
    return lambda groups, batch: {"reference_log_probs": reference.outputs(batch, temperature)["log_probs"]}


def values(value_learner: Learner) -> Score:
    """Values of a value head."""
    return lambda groups, batch: {"values": value_learner.outputs(batch, wants=frozenset({"values"}))["values"]}


def scores(*judges: Score) -> Score:
    """All judges together; a later one sees the columns of the earlier ones."""

    def score(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = {}
        for judge in judges:
            found |= judge(groups, batch.with_columns(found))
        return found

    return score
