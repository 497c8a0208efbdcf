"""Batch: the tensors of one collection, collated from Groups.

Axes: B rows, T tokens. Column t of every tensor speaks about token t itself: `learned_BT[b, t]` says whether a loss may
fall on predicting token t from the tokens before it. Masks come from lengths, never from token ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from envs.rollout import Group, Rollout

Credit = Callable[[Sequence[Group], "Batch"], torch.Tensor]
"""(groups, batch with its scored columns) -> advantages, (B, 1) or (B, T); NaN masks a row."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of prompt and completion, padded on the right."""

    ids_BT: torch.Tensor
    """Token ids; padding holds 0, which means nothing."""
    present_BT: torch.Tensor
    """Bool: the token is there, not padding."""
    learned_BT: torch.Tensor
    """Bool: a loss may fall on this token."""
    prompt_B: torch.Tensor
    """Length of the prompt, in tokens."""
    group_B: torch.Tensor
    """Index of the row's group."""
    asked_B: torch.Tensor
    """Index of the row's prompt: rows of a group that were asked with the same ids have the same index."""
    columns: Mapping[str, torch.Tensor]
    """Values per token by name, such as `advantages`, (B, T), or several, (B, T, K); they mean nothing outside
    `learned_BT`."""

    def __len__(self) -> int:
        return self.ids_BT.shape[0]

    def rows(self, index_B: torch.Tensor) -> Batch:
        """The given rows, cut to the longest of them."""
        width = int(self.present_BT[index_B].sum(dim=1).max()) if len(index_B) else 0
        return Batch(
            ids_BT=self.ids_BT[index_B, :width],
            present_BT=self.present_BT[index_B, :width],
            learned_BT=self.learned_BT[index_B, :width],
            prompt_B=self.prompt_B[index_B],
            group_B=self.group_B[index_B],
            asked_B=self.asked_B[index_B],
            columns={name: column[index_B, :width] for name, column in self.columns.items()},
        )

    def with_columns(self, columns: Mapping[str, torch.Tensor]) -> Batch:
        """The same rows with more columns."""
        return replace(self, columns={**self.columns, **columns})

    def with_advantages(self, advantages: torch.Tensor) -> Batch:
        """The same rows with the column `advantages`; rows that have a NaN are not learned from."""
        known_B1 = ~torch.isnan(advantages).any(dim=1, keepdim=True)
        learned_BT = self.learned_BT & known_B1
        return replace(
            self,
            learned_BT=learned_BT,
            columns={**self.columns, "advantages": torch.where(learned_BT, advantages, 0.0)},
        )

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(
            ids_BT=self.ids_BT.to(device),
            present_BT=self.present_BT.to(device),
            learned_BT=self.learned_BT.to(device),
            prompt_B=self.prompt_B.to(device),
            group_B=self.group_B.to(device),
            asked_B=self.asked_B.to(device),
            columns={name: column.to(device) for name, column in self.columns.items()},
        )


def collate(groups: Sequence[Group]) -> Batch:
    """Groups -> one row per rollout, in order, with the column `behavior_log_probs` where a rollout has them.

    Rollouts without them have NaN there, which no ratio survives: their tokens are for terms that need none.
    Raises ValueError for a rollout without prompt ids: its first token has no state to be predicted from.
    """
    rows: list[tuple[int, Rollout]] = [
        (index, rollout) for index, group in enumerate(groups) for rollout in group.rollouts
    ]
    if empty := [groups[index].problem.id for index, rollout in rows if not rollout.prompt_ids]:
        raise ValueError(f"problem {empty[0]}: a rollout needs at least one prompt id; got none")
    lengths_B = torch.tensor([len(r.prompt_ids) + len(r.completion_ids) for _, r in rows], dtype=torch.long)
    shape = (len(rows), int(lengths_B.max()) if rows else 0)
    ids_BT = torch.zeros(shape, dtype=torch.long)
    learned_BT = torch.zeros(shape, dtype=torch.bool)
    behavior_BT = torch.zeros(shape)
    behavior = [rollout.behavior_log_probs for _, rollout in rows]
    for row, (_, rollout) in enumerate(rows):
        start, end = len(rollout.prompt_ids), int(lengths_B[row])
        ids_BT[row, :end] = torch.tensor(rollout.prompt_ids + rollout.completion_ids)
        learned_BT[row, start:end] = torch.tensor(rollout.loss_mask, dtype=torch.bool)
        known = behavior[row]
        behavior_BT[row, start:end] = torch.nan if known is None else torch.tensor(known)
    asked: dict[tuple[int, tuple[int, ...]], int] = {}
    asked_B = [asked.setdefault((index, rollout.prompt_ids), len(asked)) for index, rollout in rows]
    any_known = any(log_probs is not None for log_probs in behavior)
    return Batch(
        ids_BT=ids_BT,
        present_BT=torch.arange(shape[1]) < lengths_B.unsqueeze(1),
        learned_BT=learned_BT,
        prompt_B=torch.tensor([len(rollout.prompt_ids) for _, rollout in rows], dtype=torch.long),
        group_B=torch.tensor([index for index, _ in rows], dtype=torch.long),
        asked_B=torch.tensor(asked_B, dtype=torch.long),
        columns={"behavior_log_probs": behavior_BT} if any_known else {},
    )
