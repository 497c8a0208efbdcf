"""What a search does, round by round: counted for the operator, and told to whoever watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from critics.candidates import Candidate, Move, candidate_row
from critics.sampling import Request, Writer
from envs.feedback import GradeAll
from envs.grading import GradeRequest
from envs.rollout import Rollout
from envs.verdict import Verdict
from rl.critic_tokens import DIGITS, pieces
from rl.models import Policy
from rl.serve.metrics import Metrics


@dataclass(frozen=True, slots=True)
class RoundBegun:
    """Programs are being written."""

    number: int
    """The round, from 1."""
    first: int
    """Index of its first program."""
    moves: tuple[Move, ...]
    """How each of its programs comes about, in the order of their indices."""


@dataclass(frozen=True, slots=True)
class Written:
    """A program is written, and will be run."""

    index: int
    """Its place in the order of writing, from 0."""
    program: str
    """The program."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A program was run on the example tests, and read by the critic."""

    candidate: Candidate
    """The program with what is known of it."""
    pass_probs_T: Sequence[float]
    """p(passed) after each of its tokens."""


News = RoundBegun | Written | Judged
Say = Callable[[News], object]
"""Told what a search does, from the thread in which it runs."""


def unheard(_: News) -> None:
    """A Say that nobody listens to."""


def as_event(news: News, policy: Policy) -> dict[str, Any]:
    """Plain values for an event of a stream. The texts of a program's tokens, joined, are what the model wrote."""
    if isinstance(news, RoundBegun):
        moves = [str(move) for move in news.moves]
        return {"object": "solve.round", "round": news.number, "first": news.first, "moves": moves}
    if isinstance(news, Written):
        return {"object": "solve.written", "index": news.index, "program": news.program}
    texts = pieces(policy, news.candidate.rollout.completion_ids)
    tokens = [
        {"text": text, "pass_prob": round(pass_prob, DIGITS)}
        for text, pass_prob in zip(texts, news.pass_probs_T, strict=True)
    ]
    return {"object": "solve.program", **candidate_row(news.candidate), "tokens": tokens}


class Progress:
    """Watches one search: its writers, its grader and what critic sampling tells."""

    def __init__(self, metrics: Metrics, say: Say) -> None:
        self.metrics, self.say = metrics, say
        self.rounds = self.programs = 0
        self.graded_at: float | None = None

    def writing(self, kind: str, write: Writer) -> Writer:
        """The writer, watched."""

        def watched(requests: Sequence[Request], max_new_tokens: int) -> list[list[Rollout]]:
            self.rounds += 1
            self.metrics.rounds.labels(kind).inc()
            moves = tuple(_move(kind, request) for request in requests for _ in request.seeds)
            first, self.programs = self.programs, self.programs + len(moves)
            self.say(RoundBegun(self.rounds, first, moves))
            groups = write(requests, max_new_tokens)
            for index, rollout in enumerate((rollout for group in groups for rollout in group), start=first):
                self.say(Written(index, rollout.program))
            return groups

        return watched

    def grading(self, grade: GradeAll) -> GradeAll:
        """The grader, watched."""

        def watched(requests: Iterable[GradeRequest]) -> list[Verdict]:
            verdicts = grade(requests)
            for verdict in verdicts:
                self.metrics.programs.labels(str(verdict.outcome)).inc()
            self.graded_at = time.perf_counter()
            return verdicts

        return watched

    def tell(self, candidate: Candidate, pass_probs_T: Sequence[float]) -> None:
        """What critic sampling tells of each program; the critic has read all that were graded before the first."""
        if self.graded_at is not None:
            self.metrics.critic_seconds.observe(time.perf_counter() - self.graded_at)
            self.graded_at = None
        self.say(Judged(candidate, pass_probs_T))


def _move(kind: str, request: Request) -> Move:
    if kind == "repair":
        return Move.REPAIR
    return Move.REFINE if request.written_ids else Move.SAMPLE
