"""Which outcomes a critic tells apart, their order, and how much each program counts when it is fitted.

Axes: B programs, K outcome classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch

from envs.rollout import Group
from envs.verdict import Outcome

UNKNOWN = -1
"""Label of a program whose outcome nobody knows: it was not run, or ended in a sandbox_error. Such rows are masked."""


class OutcomeClasses(StrEnum):
    """A partition of the outcomes. `passed` is the last class of each."""

    FOUR = "four"
    """The four outcomes of CodeRL (arXiv 2207.01780, equations 4 to 7)."""
    BINARY = "binary"
    """Failed or passed: the critic of CodeRL's critic sampling."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes in the order of a critic's logits."""
        if self is OutcomeClasses.BINARY:
            return ("failed", "passed")
        return ("compile_error", "runtime_error", "failed_test", "passed")

    def class_of(self, outcome: Outcome) -> int | None:
        """Class of an outcome; None for a sandbox_error, where we could not tell."""
        if outcome is Outcome.SANDBOX_ERROR:
            return None
        if self is OutcomeClasses.BINARY:
            return int(outcome is Outcome.PASSED)
        # Whatever stops a program that compiles is a runtime error, as in CodeRL.
        return {Outcome.COMPILE_ERROR: 0, Outcome.WRONG_ANSWER: 2, Outcome.PASSED: 3}.get(outcome, 1)


def labels_of(groups: Sequence[Group], classes: OutcomeClasses) -> torch.Tensor:
    """labels_B: class of every rollout in order, UNKNOWN where there is none."""
    verdicts = [verdict for group in groups for verdict in group.verdicts]
    known = [None if verdict is None else classes.class_of(verdict.outcome) for verdict in verdicts]
    return torch.tensor([UNKNOWN if label is None else label for label in known], dtype=torch.long)


def by_reference_of(groups: Sequence[Group]) -> torch.Tensor:
    """Bool (B,): the rollout is a reference solution, which nobody sampled."""
    return torch.tensor([r.author == "reference" for group in groups for r in group.rollouts], dtype=torch.bool)


@dataclass(frozen=True, slots=True)
class Weighting:
    """How much each program counts in the fit of a critic. Over the programs it was made from the weights add up to
    as many as there are, reference solutions counted as `reference` programs each."""

    classes: OutcomeClasses
    """What the critic tells apart."""
    class_weights_K: tuple[float, ...]
    """Factor of each class; 0 for a class that did not occur."""
    reference: float
    """Factor of a reference solution. They all pass: at full weight a critic learns who wrote a program instead."""

    @property
    def n_occurring(self) -> int:
        """Classes that occurred: with fewer than two there is nothing to tell apart."""
        return sum(weight > 0 for weight in self.class_weights_K)

    def rows(self, groups: Sequence[Group]) -> torch.Tensor:
        """weights_B of all rollouts in order; 0 where the outcome is unknown."""
        labels_B = labels_of(groups, self.classes)
        factors_B = torch.where(by_reference_of(groups), self.reference, 1.0)
        weights_B = factors_B * torch.tensor(self.class_weights_K)[labels_B.clamp(min=0)]
        return torch.where(labels_B == UNKNOWN, 0.0, weights_B)


def weigh(
    groups: Sequence[Group], classes: OutcomeClasses, *, balance: float = 1.0, reference: float = 0.25
) -> Weighting:
    """Weights by how frequent the classes are: factor of a class = share ** -balance, up to a common factor.

    With balance 1 every class that occurs counts the same in total, with 0 every program does. Rare classes are
    missed without it; with it the probabilities are those of a world in which classes are equally frequent.
    """
    labels_B = labels_of(groups, classes)
    known_B = labels_B != UNKNOWN
    factors_B = torch.where(by_reference_of(groups), reference, 1.0)[known_B].double()
    mass_K = torch.zeros(len(classes.names), dtype=torch.float64).index_add_(0, labels_B[known_B], factors_B)
    weights_K = torch.where(mass_K > 0, mass_K**-balance, 0.0)
    scale = mass_K.sum() / (mass_K * weights_K).sum() if len(factors_B) else 1.0
    return Weighting(classes, tuple((weights_K * scale).tolist()), reference)
