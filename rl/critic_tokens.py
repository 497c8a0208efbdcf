"""What a critic says of a few programs token by token, for people to look at: a pass and a failure per problem."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from critics.model import OutcomeCritic
from critics.outcomes import OutcomeClasses
from critics.score import Reading, read
from envs.rollout import Group, Rollout, StopReason
from envs.verdict import Outcome
from rl.models import Policy

MOST_PROBLEMS = 3
"""Problems whose programs are kept."""
DIGITS = 4
"""Decimals of a probability."""
INCOMPLETE = "\N{REPLACEMENT CHARACTER}"
"""What bytes that are no whole character are decoded to."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a completion, and what the critic says by the state at this token alone."""

    text: str
    """What it adds to the completion; empty for a special token, and where the next one completes its character."""
    pass_prob: float
    """p(passed), having read it."""
    happened_prob: float
    """p(what happened), having read it: the token value q_t of CodeRL."""


@dataclass(frozen=True, slots=True)
class ReadProgram:
    """A completion of the policy and the critic's values along it."""

    problem_id: str
    """The problem that it attempts."""
    prompt: str
    """What the policy was asked."""
    outcome: str
    """What happened: name of one of the critic's classes."""
    tokens: tuple[Token, ...]
    """Its tokens in order; their texts, joined, are the completion as the policy decodes it."""


def read_programs(critic: OutcomeCritic, policy: Policy, groups: Iterable[Group]) -> list[ReadProgram]:
    """Programs of up to MOST_PROBLEMS problems as the critic reads them: of each problem a pass, then a failure."""
    chosen = contrasts(groups)
    readings = read(critic, [group.rollouts[index] for group, index in chosen])
    return [
        _read_program(critic.settings.classes, policy, group, index, reading)
        for (group, index), reading in zip(chosen, readings, strict=True)
    ]


def contrasts(groups: Iterable[Group]) -> list[tuple[Group, int]]:
    """(group, index of a rollout): the longest programs that passed and that failed, of problems that have both.

    Programs that ended by themselves come before those that were cut off; no completion is taken twice.
    """
    pairs = []
    for group in groups:
        passed, failed = _longest(group, passed=True), _longest(group, passed=False)
        if passed is not None and failed is not None:
            pairs.append((group, passed, failed))
    pairs.sort(key=lambda pair: min(_worth(pair[0].rollouts[index]) for index in pair[1:]), reverse=True)
    found: list[tuple[Group, int]] = []
    taken: set[str] = set()
    for group, *both in pairs:
        texts = {group.rollouts[index].text for index in both}
        if len(texts) == 2 and not texts & taken and len(found) < 2 * MOST_PROBLEMS:
            taken |= texts
            found += [(group, index) for index in both]
    return found


def pieces(policy: Policy, ids: Sequence[int]) -> list[str]:
    """What each id adds to the decoded text of all, so that the pieces joined are that text.

    An id that leaves a character incomplete adds nothing: the character belongs to the id that completes it.
    """
    found: list[str] = []
    # Every piece is decoded behind the one before it: some tokenizers drop a space where their text starts.
    before = start = 0
    for end in range(1, len(ids) + 1):
        known, text = policy.decode(ids[before:start]), policy.decode(ids[before:end])
        if text.endswith(INCOMPLETE) and end < len(ids):
            found.append("")
        else:
            found.append(text[len(known) :])
            before, start = start, end
    return found


def _longest(group: Group, *, passed: bool) -> int | None:
    """Index of the policy's longest program that passed, or that failed; of equals the first."""
    found = [
        index
        for index, (rollout, verdict) in enumerate(zip(group.rollouts, group.verdicts, strict=True))
        if rollout.author == "policy"
        and verdict is not None
        and verdict.outcome is not Outcome.SANDBOX_ERROR
        and (verdict.outcome is Outcome.PASSED) == passed
    ]
    return max(found, key=lambda index: _worth(group.rollouts[index]), default=None)


def _worth(rollout: Rollout) -> tuple[bool, int]:
    """How much a program has to show: it ended by itself, and its length in tokens."""
    return rollout.stop is not StopReason.LENGTH, len(rollout.completion_ids)


def _read_program(classes: OutcomeClasses, policy: Policy, group: Group, index: int, reading: Reading) -> ReadProgram:
    rollout, verdict = group.rollouts[index], group.verdicts[index]
    label = classes.class_of(verdict.outcome) if verdict is not None else None
    assert label is not None, "a program without an outcome was chosen"
    values = zip(
        pieces(policy, rollout.completion_ids),
        reading.pass_probs_T.tolist(),
        reading.token_probs_TK[:, label].tolist(),
        strict=True,
    )
    return ReadProgram(
        problem_id=group.problem.id,
        prompt=rollout.prompt.text,
        outcome=classes.names[label],
        tokens=tuple(Token(text, round(passed, DIGITS), round(happened, DIGITS)) for text, passed, happened in values),
    )
