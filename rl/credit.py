"""Credit: what each rollout is worth, as pure functions of the rewards of its group.

Axes: G rollouts of one group. A NaN reward (sandbox_error) gives a NaN advantage, which masks the rollout, and is left
out of every mean.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from envs.rollout import Group
from envs.verdict import Outcome, Verdict

Advantage = Callable[[torch.Tensor], torch.Tensor]
"""rewards_G -> advantages_G."""


def uniform(rewards_G: torch.Tensor) -> torch.Tensor:
    """Every rollout counts 1, whatever became of it: imitation."""
    return torch.ones_like(rewards_G)


def group_centered(rewards_G: torch.Tensor, min_spread: float = 1e-4) -> torch.Tensor:
    """Reward minus the mean of its group (arXiv 2402.03300, without the division by the standard deviation).

    A group whose rewards lie within `min_spread` of each other carries no signal and gets exact zeros.
    """
    known_G = rewards_G[~torch.isnan(rewards_G)]
    if len(known_G) == 0:
        return rewards_G
    if known_G.max() - known_G.min() < min_spread:
        return rewards_G * 0.0
    return rewards_G - known_G.mean()


def by_reward(reward: Callable[[Verdict], float], advantage: Advantage) -> Callable[[Group], list[torch.Tensor]]:
    """Credit of a group: `reward` of each verdict, then `advantage` over the group; one scalar per rollout."""

    def credit(group: Group) -> list[torch.Tensor]:
        return list(advantage(rewards(group, reward)))

    return credit


def imitate(group: Group) -> list[torch.Tensor]:
    """Credit that needs no verdict: every rollout counts 1."""
    return list(uniform(torch.zeros(len(group.rollouts))))


def rewards(group: Group, reward: Callable[[Verdict], float]) -> torch.Tensor:
    """rewards_G of a group; NaN where we could not tell."""
    return torch.tensor(
        [torch.nan if v is None or v.outcome is Outcome.SANDBOX_ERROR else reward(v) for v in group.verdicts]
    )
