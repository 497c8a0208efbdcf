"""What a critic says about programs that are already written: token by token, and as a whole.

Axes: N programs, T tokens of one completion, K outcome classes, F fractions of a program.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from critics.calibration import FRACTIONS, Judged
from critics.model import OutcomeCritic
from critics.outcomes import UNKNOWN, by_reference_of, labels_of
from critics.values import max_so_far
from envs.rollout import Group, Rollout


@dataclass(frozen=True, slots=True)
class Reading:
    """A critic's probabilities along one completion."""

    token_probs_TK: torch.Tensor
    """After each token, by the state at that token alone: the token values of CodeRL."""
    running_probs_TK: torch.Tensor
    """After each token, by the program's tokens up to it, pooled: the judgement if it ended here."""

    @property
    def pass_probs_T(self) -> torch.Tensor:
        """p(passed) after each token, by that token alone."""
        return self.token_probs_TK[:, -1]

    @property
    def pass_prob(self) -> float:
        """p(passed) of the whole program; raises IndexError for an empty completion."""
        return float(self.running_probs_TK[-1, -1])


def read(critic: OutcomeCritic, rollouts: Sequence[Rollout], max_tokens: int = 16384) -> list[Reading]:
    """One Reading per rollout, in order, in eval mode and without gradient.

    At most `max_tokens`, padding included, pass at once, or one rollout. Rollouts are put in an order of their own
    first, so that the order in which they are given changes nothing, not even rounding.
    """
    readings: dict[int, Reading] = {}
    was_training = critic.training
    critic.eval()
    for part in _by_length(rollouts, max_tokens):
        readings |= zip(part, _read_together(critic, [rollouts[index] for index in part]), strict=True)
    critic.train(was_training)
    return [readings[index] for index in range(len(rollouts))]


def judged(critic: OutcomeCritic, groups: Sequence[Group], max_tokens: int = 16384) -> Judged:
    """The critic's judgements inside and at the end of every generated program whose outcome is known.

    Reference solutions are left out: a critic that knows a person's hand would look better than it is.
    """
    classes = critic.settings.classes
    labels_B = labels_of(groups, classes)
    kept_B = (labels_B != UNKNOWN) & ~by_reference_of(groups)
    rows = [(group.problem.id, rollout) for group in groups for rollout in group.rollouts]
    kept = [i for i, (_, rollout) in enumerate(rows) if kept_B[i] and any(rollout.loss_mask)]
    readings = read(critic, [rows[i][1] for i in kept], max_tokens)
    probs_NFK = [_at_fractions(reading, rows[i][1]) for i, reading in zip(kept, readings, strict=True)]
    return Judged(
        classes=classes.names,
        probs_FNK=torch.stack(probs_NFK, dim=1) if kept else torch.zeros(len(FRACTIONS), 0, len(classes.names)),
        labels_N=labels_B[kept],
        problem_ids=tuple(rows[i][0] for i in kept),
    )


@dataclass(frozen=True, slots=True)
class _PaddedRows:
    ids_BT: torch.Tensor
    present_BT: torch.Tensor
    learned_BT: torch.Tensor
    prompt_B: torch.Tensor
    columns: Mapping[str, torch.Tensor]


@torch.no_grad()
def _read_together(critic: OutcomeCritic, rollouts: Sequence[Rollout]) -> list[Reading]:
    rows = _padded(rollouts, next(critic.parameters()).device)
    hidden_BTH = critic.states(rows)
    token_probs_BTK = torch.softmax(critic.token_logits(hidden_BTH), dim=-1).cpu()
    running_BTK = critic.pooled_logits(hidden_BTH, rows.learned_BT, pool=max_so_far)
    running_probs_BTK = torch.softmax(running_BTK, dim=-1).cpu()
    completions = [slice(len(rollout.prompt_ids), _length(rollout)) for rollout in rollouts]
    return [
        Reading(token_probs_BTK[row, there], running_probs_BTK[row, there]) for row, there in enumerate(completions)
    ]


def _padded(rollouts: Sequence[Rollout], device: torch.device) -> _PaddedRows:
    """Rows padded on the right with 0, which means nothing."""
    lengths = [_length(rollout) for rollout in rollouts]
    ids_BT = torch.zeros(len(rollouts), max(lengths), dtype=torch.long)
    learned_BT = torch.zeros(ids_BT.shape, dtype=torch.bool)
    for row, rollout in enumerate(rollouts):
        ids_BT[row, : lengths[row]] = torch.tensor(rollout.prompt_ids + rollout.completion_ids)
        learned_BT[row, len(rollout.prompt_ids) : lengths[row]] = torch.tensor(rollout.loss_mask, dtype=torch.bool)
    present_BT = torch.arange(ids_BT.shape[1]) < torch.tensor(lengths).unsqueeze(1)
    prompt_B = torch.tensor([len(rollout.prompt_ids) for rollout in rollouts])
    return _PaddedRows(ids_BT.to(device), present_BT.to(device), learned_BT.to(device), prompt_B.to(device), {})


def _by_length(rollouts: Sequence[Rollout], max_tokens: int) -> Iterator[list[int]]:
    """Indices of rollouts that pass together, longest first, equal lengths by their ids."""
    order = sorted(
        range(len(rollouts)),
        key=lambda i: (-_length(rollouts[i]), rollouts[i].prompt_ids, rollouts[i].completion_ids),
    )
    while order:
        count = max(1, max_tokens // max(1, _length(rollouts[order[0]])))
        yield order[:count]
        order = order[count:]


def _at_fractions(reading: Reading, rollout: Rollout) -> torch.Tensor:
    """Judgements after each of FRACTIONS of the program's own tokens, rounded up, (F, K)."""
    places = [place for place, learned in enumerate(rollout.loss_mask) if learned]
    return torch.stack([reading.running_probs_TK[places[math.ceil(f * len(places)) - 1]] for f in FRACTIONS])


def _length(rollout: Rollout) -> int:
    return len(rollout.prompt_ids) + len(rollout.completion_ids)
