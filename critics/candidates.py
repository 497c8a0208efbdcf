"""What critic sampling finds: candidate programs, the order in which they are handed in, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from envs.problem import Problem
from envs.rollout import Rollout
from envs.verdict import Feedback


class Move(StrEnum):
    """How a program came about."""

    SAMPLE = "sample"
    """Written from the problem's prompt alone."""
    REFINE = "refine"
    """Written on from a seed."""
    REPAIR = "repair"
    """Written by the repair model, which was shown a failed program."""


class Rank(StrEnum):
    """Which programs are handed in first; earlier ones where the rule is indifferent."""

    EXAMPLES_CRITIC = "examples_critic"
    """Those that pass the example tests, then those that nobody could test; by p(passed) within each."""
    EXAMPLES = "examples"
    """The same without the critic."""
    CRITIC = "critic"
    """Those of highest p(passed)."""
    DRAWN = "drawn"
    """As they were written."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One program with what is known of it."""

    index: int
    """Its place in the order of writing, from 0."""
    rollout: Rollout
    """What was written, and how it was asked."""
    move: Move
    """How it came about."""
    parent: int | None
    """Index of the candidate that it was refined or repaired from."""
    kept: int
    """Tokens of the parent that it begins with; 0 unless refined."""
    feedback: Feedback | None
    """What the example tests say; None where the problem has none."""
    pass_prob: float
    """The critic's p(passed) of the whole program, read as an answer to the problem's own prompt; 0 for no tokens."""

    @property
    def n_generated(self) -> int:
        """Tokens generated for it."""
        return len(self.rollout.completion_ids) - self.kept

    @property
    def passed(self) -> bool | None:
        """Whether it passes the example tests; None where nobody can tell."""
        return None if self.feedback is None else self.feedback.passed


@dataclass(frozen=True, slots=True)
class Spent:
    """What one move cost."""

    programs: int
    """Programs written."""
    tokens: int
    """Tokens generated for them."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the budget of one problem went."""

    budget: int
    """Tokens that might be generated."""
    spent: Mapping[Move, Spent]
    """By move; every move is there."""
    rounds: int
    """Rounds in which programs were written, the first included."""
    empty_seeds: int
    """Seeds of which the cut left nothing: they were sampled from the problem's prompt instead, and count as that."""
    critic_tokens: int
    """Tokens of prompts and programs that the critic read; no part of the budget."""

    @property
    def tokens(self) -> int:
        """Tokens generated in all."""
        return sum(spent.tokens for spent in self.spent.values())


@dataclass(frozen=True, slots=True)
class SamplingResult:
    """What critic sampling found for one problem."""

    problem: Problem
    """The problem."""
    candidates: tuple[Candidate, ...]
    """Every program written, the one to hand in first at the front."""
    ledger: Ledger
    """What it cost."""

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON, without token ids."""
        return {
            "problem_id": self.problem.id,
            "candidates": [candidate_row(candidate) for candidate in self.candidates],
            "ledger": asdict(self.ledger) | {"tokens": self.ledger.tokens},
        }


def ranked(candidates: Iterable[Candidate], by: Rank = Rank.EXAMPLES_CRITIC) -> tuple[Candidate, ...]:
    """The candidates in the order in which they are handed in."""
    tested = {True: 0, None: 1, False: 2}

    def key(candidate: Candidate) -> tuple[float, float, int]:
        by_examples = tested[candidate.passed] if by in (Rank.EXAMPLES_CRITIC, Rank.EXAMPLES) else 0
        by_critic = -candidate.pass_prob if by in (Rank.EXAMPLES_CRITIC, Rank.CRITIC) else 0.0
        return by_examples, by_critic, candidate.index

    return tuple(sorted(candidates, key=key))


def distinct(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The first candidate of each program."""
    by_program: dict[str, Candidate] = {}
    for candidate in candidates:
        by_program.setdefault(candidate.rollout.program, candidate)
    return list(by_program.values())


def candidate_row(candidate: Candidate) -> dict[str, object]:
    """Plain values for JSON, without token ids."""
    feedback = candidate.feedback
    return {
        "index": candidate.index,
        "program": candidate.rollout.program,
        "move": candidate.move,
        "parent": candidate.parent,
        "kept": candidate.kept,
        "n_generated": candidate.n_generated,
        "stop": candidate.rollout.stop,
        "pass_prob": candidate.pass_prob,
        "examples": None if feedback is None else asdict(feedback),
    }
