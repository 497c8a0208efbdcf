"""What a model wrote: Prompt, Segment, Rollout and Group as frozen records of plain tuples, free of torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from envs.problem import Problem
from envs.verdict import Verdict


class StopReason(StrEnum):
    """Why a completion ended."""

    END_OF_TEXT = "end_of_text"
    STOP_STRING = "stop_string"
    LENGTH = "length"
    """Cut off at the token limit."""
    NOT_SAMPLED = "not_sampled"
    """Written by a person or read from a file."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text a model is shown for one problem."""

    problem_id: str
    """The problem it asks about."""
    text: str
    """Exactly what is tokenised."""
    mode: str = "plain"
    """Name of the prompt function that wrote it."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of tokens by one writer; a rollout of several turns has several."""

    ids: tuple[int, ...]
    """Token ids, exactly as sampled."""
    author: str
    """`policy`, `repair`, `decomposer`, `solver`, `teacher`, `reference`, or `environment`."""
    learn: bool = True
    """Whether a loss may fall on these tokens."""
    log_probs: tuple[float, ...] | None = None
    """Behaviour log-probs: of these ids, at the sampling temperature, under the model that sampled them."""

    def __post_init__(self) -> None:
        if self.log_probs is not None and len(self.log_probs) != len(self.ids):
            raise ValueError(f"{len(self.ids)} ids but {len(self.log_probs)} log-probs in one segment")


@dataclass(frozen=True, slots=True)
class Rollout:
    """One attempt at a problem: prompt ids, then segments."""

    prompt: Prompt
    """What the writer was asked."""
    prompt_ids: tuple[int, ...]
    """Ids of the prompt; where a teacher wrote, those of the prompt that the learner sees."""
    segments: tuple[Segment, ...]
    """What followed, in order."""
    text: str
    """The completion as text, for extracting the program; losses use the ids."""
    program: str
    """The program taken from the completion."""
    stop: StopReason
    """Why it ended."""
    temperature: float = 1.0
    """Sampling temperature of the behaviour log-probs."""
    policy_version: int = 0
    """Optimizer steps that the sampling policy had behind it."""
    seed: int = 0
    """Seed of this rollout's random numbers."""

    @property
    def completion_ids(self) -> tuple[int, ...]:
        """Ids of all segments."""
        return tuple(token for segment in self.segments for token in segment.ids)

    @property
    def loss_mask(self) -> tuple[bool, ...]:
        """One flag per completion id: may a loss fall on it?"""
        return tuple(segment.learn for segment in self.segments for _ in segment.ids)

    @property
    def behavior_log_probs(self) -> tuple[float, ...] | None:
        """Behaviour log-probs of all completion ids, 0 where nothing is learned; None where one is missing."""
        if any(segment.learn and segment.log_probs is None for segment in self.segments):
            return None
        return tuple(value for segment in self.segments for value in (segment.log_probs or (0.0,) * len(segment.ids)))

    @property
    def author(self) -> str:
        """Who wrote the tokens that are learned."""
        return next((segment.author for segment in self.segments if segment.learn), "nobody")


@dataclass(frozen=True, slots=True)
class Group:
    """All rollouts of one problem in one round, with their verdicts: siblings travel together."""

    problem: Problem
    """What they attempt."""
    rollouts: tuple[Rollout, ...]
    """The attempts."""
    verdicts: tuple[Verdict | None, ...]
    """One per rollout; None for a text that nobody ran."""

    def __post_init__(self) -> None:
        if len(self.rollouts) != len(self.verdicts):
            raise ValueError(f"{len(self.rollouts)} rollouts but {len(self.verdicts)} verdicts in one group")


def turns(group: Group) -> list[list[int]]:
    """Places of a group's rollouts, attempt by attempt: one begins with each rollout that is no repair."""
    attempts: list[list[int]] = []
    for place, rollout in enumerate(group.rollouts):
        if rollout.prompt.mode != "repair" or not attempts:
            attempts.append([])
        attempts[-1].append(place)
    return attempts


def last_turns(group: Group) -> Group:
    """The rollouts that end an attempt, with their verdicts."""
    ends = [places[-1] for places in turns(group)]
    return Group(group.problem, tuple(group.rollouts[i] for i in ends), tuple(group.verdicts[i] for i in ends))
