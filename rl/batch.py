"""Batch: the tensors of one optimizer step, collated from Groups and their token columns.

Axes: B rows, T tokens. Column t of every tensor speaks about token t itself: `learned_BT[b, t]` says whether a loss may
fall on predicting token t from the tokens before it. Masks come from lengths, never from token ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from envs.rollout import Group, Rollout

Credit = Callable[[Group], Sequence[torch.Tensor]]
"""Group -> one advantage per rollout, a scalar or one per completion token; NaN masks the rollout."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of prompt and completion, padded on the right."""

    ids_BT: torch.Tensor
    """Token ids; padding holds 0, which means nothing."""
    present_BT: torch.Tensor
    """Bool: the token is there, not padding."""
    learned_BT: torch.Tensor
    """Bool: a loss may fall on this token."""
    group_B: torch.Tensor
    """Index of the row's group within the round."""
    columns: Mapping[str, torch.Tensor]
    """Float values per token by name, such as `advantages` and `behavior_log_probs`; 0 outside `learned_BT`."""

    def __len__(self) -> int:
        return self.ids_BT.shape[0]

    def rows(self, index_B: torch.Tensor) -> Batch:
        """The given rows, cut to the longest of them."""
        width = int(self.present_BT[index_B].sum(dim=1).max()) if len(index_B) else 0
        return replace(
            self,
            ids_BT=self.ids_BT[index_B, :width],
            present_BT=self.present_BT[index_B, :width],
            learned_BT=self.learned_BT[index_B, :width],
            group_B=self.group_B[index_B],
            columns={name: column[index_B, :width] for name, column in self.columns.items()},
        )

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return replace(
            self,
            ids_BT=self.ids_BT.to(device),
            present_BT=self.present_BT.to(device),
            learned_BT=self.learned_BT.to(device),
            group_B=self.group_B.to(device),
            columns={name: column.to(device) for name, column in self.columns.items()},
        )


def collate(groups: Sequence[Group], credit: Credit) -> Batch:
    """Groups -> one Batch with the column `advantages`, and `behavior_log_probs` where every rollout has them.

    A rollout whose advantage is NaN (its verdict is a sandbox_error) becomes no row.
    """
    rows: list[tuple[int, Rollout, torch.Tensor]] = []
    for index, group in enumerate(groups):
        for rollout, advantage in zip(group.rollouts, credit(group), strict=True):
            if not torch.isnan(advantage).any():
                rows.append((index, rollout, advantage))
    lengths_B = torch.tensor([len(r.prompt_ids) + len(r.completion_ids) for _, r, _ in rows], dtype=torch.long)
    shape = (len(rows), int(lengths_B.max()) if rows else 0)
    ids_BT = torch.zeros(shape, dtype=torch.long)
    learned_BT = torch.zeros(shape, dtype=torch.bool)
    advantages_BT = torch.zeros(shape)
    behavior_BT = torch.zeros(shape)
    behavior = [rollout.behavior_log_probs for _, rollout, _ in rows]
    for row, (_, rollout, advantage) in enumerate(rows):
        start, end = len(rollout.prompt_ids), int(lengths_B[row])
        ids_BT[row, :end] = torch.tensor(rollout.prompt_ids + rollout.completion_ids)
        learned_BT[row, start:end] = torch.tensor(rollout.loss_mask, dtype=torch.bool)
        advantages_BT[row, start:end] = advantage * learned_BT[row, start:end]
        if behavior[row] is not None:
            behavior_BT[row, start:end] = torch.tensor(behavior[row])
    columns = {"advantages": advantages_BT}
    if all(log_probs is not None for log_probs in behavior):
        columns["behavior_log_probs"] = behavior_BT
    return Batch(
        ids_BT=ids_BT,
        present_BT=torch.arange(shape[1]) < lengths_B.unsqueeze(1),
        learned_BT=learned_BT,
        group_B=torch.tensor([index for index, _, _ in rows], dtype=torch.long),
        columns=columns,
    )
