"""Credit: what each rollout, or each of its tokens, is worth, as pure functions of tensors.

Axes: G rollouts of one group, B rows of a batch, T tokens. A NaN reward (sandbox_error) gives a NaN advantage, which
masks the rollout, and is left out of every mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from envs.rollout import Group, StopReason, last_turns, turns
from envs.verdict import Outcome, Verdict
from rl.batch import Batch, Credit

MIN_SPREAD = 1e-4
"""A group whose rewards lie closer together carries no signal: rounding must not be blown up into advantages."""

Advantage = Callable[[torch.Tensor], torch.Tensor]
"""rewards_G -> advantages_G."""


def uniform(rewards_G: torch.Tensor) -> torch.Tensor:
    """Every rollout counts 1, whatever became of it: imitation."""
    return torch.ones_like(rewards_G)


def accepted(rewards_G: torch.Tensor) -> torch.Tensor:
    """Rollouts of reward 1 count 1, the others 0: imitation of what passed."""
    return torch.where(rewards_G.isnan(), rewards_G, (rewards_G == 1).to(rewards_G.dtype))


def graded(rewards_G: torch.Tensor) -> torch.Tensor:
    """Rollouts whose outcome is known count 1, the others are masked: what a critic is fitted to."""
    return torch.where(rewards_G.isnan(), rewards_G, 1.0)


def group_centered(rewards_G: torch.Tensor) -> torch.Tensor:
    """Reward minus the mean of its group (arXiv 2402.03300, without the division by the standard deviation)."""
    return _if_spread(rewards_G, lambda known_G: rewards_G - known_G.mean())


def group_normalised(rewards_G: torch.Tensor) -> torch.Tensor:
    """Reward minus the mean of its group, over the group's standard deviation with n - 1 (arXiv 2402.03300, 4.1.2)."""
    return _if_spread(rewards_G, lambda known_G: (rewards_G - known_G.mean()) / known_G.std())


def leave_one_out(rewards_G: torch.Tensor) -> torch.Tensor:
    """Reward minus the mean of the others (RLOO, arXiv 2402.14740): the centred reward times n / (n - 1)."""
    return _if_spread(rewards_G, lambda known_G: (rewards_G - known_G.mean()) * (len(known_G) / (len(known_G) - 1)))


ADVANTAGES: dict[str, Advantage] = {
    "group_centered": group_centered,
    "group_normalised": group_normalised,
    "leave_one_out": leave_one_out,
}
"""Advantages over a group by the name that a config gives."""


def greedy_baseline(rewards_G: torch.Tensor, greedy_G: torch.Tensor) -> torch.Tensor:
    """Reward minus that of the group's greedy rollout (SCST, arXiv 1612.00563); the greedy one itself is masked.

    `greedy_G` is true for exactly one rollout. Where its reward is unknown the whole group is masked.
    """
    if int(greedy_G.sum()) != 1:
        raise ValueError(f"a greedy baseline needs one greedy rollout per group; got {int(greedy_G.sum())}")
    return torch.where(greedy_G, torch.nan, rewards_G - rewards_G[greedy_G])


def overlong_penalty(length_G: torch.Tensor, limit: int, margin: int) -> torch.Tensor:
    """0 up to `limit - margin` tokens, then falling linearly to -1 at `limit` (DAPO, arXiv 2503.14476, eq. 13).

    Raises ValueError for a margin below 1.
    """
    if margin < 1:
        raise ValueError(f"the margin of an overlong penalty is at least one token; got {margin}")
    return -((length_G - (limit - margin)) / margin).clamp(0.0, 1.0)


def by_reward(
    reward: Callable[[Verdict], float],
    advantage: Advantage,
    *,
    mask_truncated: bool = False,
    length_penalty: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Credit:
    """Credit of groups: `reward` of each verdict, then `advantage` over each group; one number per row, (B, 1).

    `mask_truncated` leaves rollouts that were cut at the length limit out of means and losses; `length_penalty` maps
    completion lengths to what is added to the rewards.
    """

    def credit(groups: Sequence[Group], batch: Batch) -> torch.Tensor:
        return _rows([advantage(shaped(group)) for group in groups])

    def shaped(group: Group) -> torch.Tensor:
        rewards_G = rewards(group, reward)
        if mask_truncated:
            cut_G = torch.tensor([rollout.stop is StopReason.LENGTH for rollout in group.rollouts])
            rewards_G = torch.where(cut_G, torch.nan, rewards_G)
        if length_penalty is not None:
            rewards_G = rewards_G + length_penalty(torch.tensor([len(r.completion_ids) for r in group.rollouts]))
        return rewards_G

    return credit


def against_greedy(reward: Callable[[Verdict], float]) -> Credit:
    """Credit against the reward of the group's greedy rollout (its temperature is 0), (B, 1)."""

    def credit(groups: Sequence[Group], batch: Batch) -> torch.Tensor:
        advantages = [
            greedy_baseline(rewards(group, reward), torch.tensor([r.temperature == 0 for r in group.rollouts]))
            for group in groups
        ]
        return _rows(advantages)

    return credit


def decaying(credit: Credit) -> Credit:
    """Credit of a row times a weight that falls linearly along its learned tokens, from 1 to 1 / their number.

    The control of CodeRL's table 2, C: it spreads credit as a critic does, but knows nothing.
    """

    def weighted(groups: Sequence[Group], batch: Batch) -> torch.Tensor:
        count_B1 = batch.learned_BT.sum(dim=1, keepdim=True).clamp(min=1)
        before_BT = batch.learned_BT.cumsum(dim=1) - 1
        return credit(groups, batch) * (1 - before_BT / count_B1).clamp(0.0, 1.0)

    return weighted


def beside_written(credit: Credit) -> Credit:
    """`credit` for the groups that the policy sampled; rows of groups that somebody else wrote count 1.

    `credit` gives one number per row, (B, 1), and may look at no column.
    """

    def mixed(groups: Sequence[Group], batch: Batch) -> torch.Tensor:
        sampled = [any(rollout.author == "policy" for rollout in group.rollouts) for group in groups]
        numbers = iter(credit([group for group, by_policy in zip(groups, sampled, strict=True) if by_policy], batch))
        rows = [
            next(numbers) if by_policy else torch.ones(1)
            for group, by_policy in zip(groups, sampled, strict=True)
            for _ in group.rollouts
        ]
        return torch.stack(rows) if rows else torch.zeros(0, 1)

    return mixed


def by_last_turn(credit: Credit) -> Credit:
    """What `credit` says of the last program of each attempt, for every turn of it (`envs.rollout.turns`), (B, 1).

    `credit` gives one number per row, (B, 1), and may look at no column. Attempts are compared with attempts: one of
    many turns weighs no more in a mean over its group than one that passed at once.
    """

    def spread(groups: Sequence[Group], batch: Batch) -> torch.Tensor:
        worth_B1 = credit([last_turns(group) for group in groups], batch)
        lengths = torch.tensor([len(places) for group in groups for places in turns(group)], dtype=torch.long)
        return worth_B1.repeat_interleave(lengths, dim=0)

    return spread


def returns(rewards_G: torch.Tensor) -> torch.Tensor:
    """The reward itself, without a baseline."""
    return rewards_G


def critic_weighted(credit: Credit, weight: float = 1.0, *, relative: bool = False) -> Credit:
    """Credit of a row spread over its tokens by a critic's `critic_q`, (B, T) (CodeRL, arXiv 2207.01780, eq. 10).

        A_t = A * (weight * q_t + 1 - weight)

    A is what `credit` says: against the greedy rollout in CodeRL, or against the group. With weight 1 this is CodeRL,
    with 0 the critic has no say, neither over tokens nor over rows: less weight for a critic that knows less.
    `relative` divides q_t by its mean over the learned tokens of the row, so that the critic moves credit between
    tokens and a row keeps its own. Raises ValueError for a weight outside [0, 1].
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"the weight of a critic lies between 0 and 1; got {weight}")

    def weighted(groups: Sequence[Group], batch: Batch) -> torch.Tensor:
        return credit(groups, batch) * token_weights(
            batch.columns["critic_q"], batch.learned_BT, weight, relative=relative
        )

    return weighted


def token_weights(
    q_BT: torch.Tensor, learned_BT: torch.Tensor, weight: float, *, relative: bool = False
) -> torch.Tensor:
    """What `critic_weighted` multiplies the credit of a row with at each token, (B, T)."""
    if relative:
        q_BT = q_BT / _row_means(q_BT, learned_BT).clamp(min=torch.finfo(q_BT.dtype).tiny)
    return weight * q_BT + (1 - weight)


def _row_means(values_BT: torch.Tensor, learned_BT: torch.Tensor) -> torch.Tensor:
    """Mean over the learned tokens of each row, (B, 1); 0 for a row without one."""
    return (values_BT * learned_BT).sum(dim=1, keepdim=True) / learned_BT.sum(dim=1, keepdim=True).clamp(min=1)


def imitate(groups: Sequence[Group], batch: Batch) -> torch.Tensor:
    """Credit that needs no verdict: every row counts 1, (B, 1)."""
    return torch.ones(len(batch), 1)


def generalised_advantages(
    rewards_B: torch.Tensor, values_BT: torch.Tensor, learned_BT: torch.Tensor, discount: float, trace: float
) -> torch.Tensor:
    """Generalised advantage estimation (arXiv 1506.02438) for a reward that comes after the last learned token.

        delta_t = r_t + discount * V_{t+1} - V_t;   A_t = delta_t + discount * trace * A_{t+1}

    `values_BT[b, t]` is the value of the state in which token t is chosen; after the last learned token it is 0. Steps
    are the learned tokens of a row, in order; other tokens are skipped. Returns advantages_BT, 0 where not learned.
    """
    advantages_BT = torch.zeros_like(values_BT)
    for row in range(len(values_BT)):
        steps = learned_BT[row].nonzero().squeeze(1).tolist()
        next_value, next_advantage, reward = values_BT.new_zeros(()), values_BT.new_zeros(()), rewards_B[row]
        for t in reversed(steps):
            delta = reward + discount * next_value - values_BT[row, t]
            next_advantage = delta + discount * trace * next_advantage
            advantages_BT[row, t] = next_advantage
            next_value, reward = values_BT[row, t], values_BT.new_zeros(())
    return advantages_BT


def by_values(reward: Callable[[Verdict], float], discount: float = 1.0, trace: float = 0.95) -> Credit:
    """Credit by a value head: generalised advantages over the column `values`, (B, T)."""

    def credit(groups: Sequence[Group], batch: Batch) -> torch.Tensor:
        rewards_B1 = rewards_of_rows(groups, reward)
        advantages_BT = generalised_advantages(
            rewards_B1.nan_to_num().squeeze(1), batch.columns["values"], batch.learned_BT, discount, trace
        )
        return torch.where(rewards_B1.isnan(), torch.nan, advantages_BT)

    return credit


def rewards(group: Group, reward: Callable[[Verdict], float]) -> torch.Tensor:
    """rewards_G of a group; NaN where we could not tell."""
    return torch.tensor(
        [torch.nan if v is None or v.outcome is Outcome.SANDBOX_ERROR else reward(v) for v in group.verdicts]
    )


def rewards_of_rows(groups: Sequence[Group], reward: Callable[[Verdict], float]) -> torch.Tensor:
    """Rewards of all rollouts, one per row, (B, 1); NaN where we could not tell."""
    return _rows([rewards(group, reward) for group in groups])


def _rows(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The numbers of all groups, one per row, (B, 1)."""
    return torch.cat([torch.zeros(0), *parts]).unsqueeze(1)


def _if_spread(rewards_G: torch.Tensor, advantage: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """`advantage` of the known rewards; exact zeros where they are all but equal."""
    known_G = rewards_G[~rewards_G.isnan()]
    if len(known_G) < 2 or known_G.max() - known_G.min() < MIN_SPREAD:
        return rewards_G * 0.0
    return advantage(known_G)
