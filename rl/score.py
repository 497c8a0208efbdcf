"""Who else judges a batch: functions (groups, batch) -> named token columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch

from critics.outcomes import OutcomeClasses, Weighting, labels_of
from envs.rollout import Group
from rl.batch import Batch
from rl.learner import Learner

Score = Callable[[Sequence[Group], Batch], Mapping[str, torch.Tensor]]
"""(groups, their batch) -> columns of shape (B, T) by name."""


def nobody(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
    """No judge besides the tests."""
    return {}


SAMPLED, WRITTEN = "sampled", "written"
"""Columns of ones and zeros: the policy sampled this row, or somebody else wrote it."""


def authors(temperature: float) -> Score:
    """Who wrote each row, `sampled` and `written`, and `temperature`: what it is learned at, 1 where written."""

    def score(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        sampled_B1 = torch.tensor([[float(rollout.author == "policy")] for rollout in rollouts]).reshape(-1, 1)
        sampled_BT = sampled_B1.expand(batch.ids_BT.shape)
        temperature_BT = torch.where(sampled_BT == 1, temperature, 1.0)
        return {SAMPLED: sampled_BT, WRITTEN: 1 - sampled_BT, "temperature": temperature_BT}

    return score


def proximal_log_probs(learner: Learner, temperature: float) -> Score:
    """Log-probs under the learner before this round's steps: the policy that ratios and clips refer to."""
    return lambda groups, batch: {"proximal_log_probs": learner.outputs(batch, temperature)["log_probs"]}


def reference_log_probs(reference: Learner, temperature: float) -> Score:
    """Log-probs under a frozen reference model."""
    return lambda groups, batch: {"reference_log_probs": reference.outputs(batch, temperature)["log_probs"]}


def values(value_learner: Learner) -> Score:
    """Values of a value head."""
    return lambda groups, batch: {"values": value_learner.outputs(batch, wants=frozenset({"values"}))["values"]}


def critic_values(critic: Learner, classes: OutcomeClasses) -> Score:
    """CodeRL's token values `critic_q`, p(what happened) after each token, and `critic_pass`, p(passed) after it.

    Where nobody knows what happened the values mean nothing: the credit masks such rows.
    """

    def score(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
        labels_B1 = labels_of(groups, classes).unsqueeze(1)
        labelled = batch.with_columns({"outcome_class": labels_B1.float().expand(batch.ids_BT.shape)})
        found = critic.outputs(labelled, wants=frozenset({"outcome_prob", "pass_prob"}))
        return {"critic_q": found["outcome_prob"], "critic_pass": found["pass_prob"]}

    return score


def outcomes(weighting: Weighting) -> Score:
    """What a critic is fitted to, `outcome_class`, and how much each program counts, `outcome_weight`."""

    def score(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
        labels_B1 = labels_of(groups, weighting.classes).unsqueeze(1)
        weights_B1 = weighting.rows(groups).unsqueeze(1)
        return {
            "outcome_class": labels_B1.float().expand(batch.ids_BT.shape),
            "outcome_weight": weights_B1.expand(batch.ids_BT.shape),
        }

    return score


def scores(*judges: Score) -> Score:
    """All judges together; a later one sees the columns of the earlier ones."""

    def score(groups: Sequence[Group], batch: Batch) -> Mapping[str, torch.Tensor]:
        found: dict[str, torch.Tensor] = {}
        for judge in judges:
            found |= judge(groups, batch.with_columns(found))
        return found

    return score
