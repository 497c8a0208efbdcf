"""collect: problems, write, grade -> a stream of Groups; training, evaluation and critics all use it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from envs.errors import UserError
from envs.grading import GradeRequest
from envs.problem import Problem
from envs.rollout import Group
from envs.verdict import Outcome, Verdict
from rl.engine import gather, share, together
from rl.stopwatch import Stopwatch
from rl.write import Write

Grade = Callable[[GradeRequest], Future[Verdict]]
"""Submit one program; the verdict comes when it has run."""
Draw = Callable[[int], Sequence[Problem]]
"""Number of a draw -> the problems of all ranks."""
Gather = Callable[[int], list[Group]]
"""Number of a round -> this rank's Groups with their verdicts. Rounds are asked for in order."""
Check = Callable[[Sequence[Group]], None]
"""This rank's Groups with their verdicts -> None; raises on every rank where they may not be used."""


class Record(Protocol):
    """Where whole rounds are kept: a stored round is read instead of being written and graded again."""

    def has(self, number: int) -> bool:
        """Whether a round is stored, of all ranks."""

    def read(self, number: int) -> list[Group]:
        """This rank's groups of a stored round."""

    def add(self, number: int, groups: Sequence[Group]) -> None:
        """Keep this rank's groups of a round; every rank calls it."""

    def write_pending(self, folder: Path, number: int, groups: Sequence[Group]) -> None:
        """Write this rank's groups of a round that is not whole yet."""

    def read_pending(self, folder: Path) -> dict[int, list[Group]]:
        """This rank's groups of all rounds that `write_pending` wrote, by the number of the round."""


class NoRecord:
    """In the place of a Record where nothing is kept."""

    def has(self, number: int) -> bool:
        """Nothing is stored."""
        return False

    def read(self, number: int) -> list[Group]:
        """Nothing is stored, so nobody may ask."""
        raise LookupError(f"round {number} is not stored")

    def add(self, number: int, groups: Sequence[Group]) -> None:
        """Keep nothing."""

    def write_pending(self, folder: Path, number: int, groups: Sequence[Group]) -> None:
        """Keep nothing."""

    def read_pending(self, folder: Path) -> dict[int, list[Group]]:
        """Nothing was kept."""
        return {}


@dataclass(frozen=True, slots=True)
class _Submitted:
    """A group whose programs are being graded."""

    group: Group
    coming: tuple[Future[Verdict] | None, ...]
    """One per rollout; None where there is nothing to wait for."""

    def done(self) -> bool:
        return all(verdict is None or verdict.done() for verdict in self.coming)

    def graded(self) -> Group:
        verdicts = (
            known if future is None else future.result()
            for known, future in zip(self.group.verdicts, self.coming, strict=True)
        )
        return Group(self.group.problem, self.group.rollouts, tuple(verdicts))


def collect(problems: Sequence[Problem], write: Write, grade: Grade | None, round_number: int = 0) -> Iterator[Group]:
    """Write programs, grade each as soon as it is written, and yield the Groups in order.

    A program that has a verdict already keeps it. With `grade=None` nothing is run: for texts that are imitated as
    they are.
    """
    waiting: deque[_Submitted] = deque()
    for group in write(problems, round_number):
        waiting.append(_submit(group, grade))
        while waiting and waiting[0].done():
            yield waiting.popleft().graded()
    while waiting:
        yield waiting.popleft().graded()


class Rounds:
    """One draw per round, at most `ahead` of them written before they are asked for; a Gather and a checkpoint's Part.

    With `ahead=1` a round's programs are written before the steps of the round before it, and graded during them.
    """

    def __init__(
        self,
        draw: Draw,
        write: Write,
        grade: Grade | None,
        *,
        rounds: int,
        ahead: int = 0,
        record: Record | None = None,
        check: Check = lambda groups: None,
        watch: Stopwatch | None = None,
    ) -> None:
        """`rounds` is how many there will be; `record` keeps those that `check` lets pass, where there is one."""
        self.draw, self.write, self.grade, self.check = draw, write, grade, check
        self.rounds, self.ahead = rounds, ahead
        self.record = record or NoRecord()
        self.watch = watch or Stopwatch()
        self.begun: dict[int, list[_Submitted]] = {}

    def __call__(self, number: int) -> list[Group]:
        """This rank's groups of a round, once their programs have run."""
        for each in range(number, min(number + self.ahead + 1, self.rounds)):
            if each not in self.begun and not self.record.has(each):
                with self.watch("write_s"):
                    self.begun[each] = together(partial(self._begin, each))
        if self.record.has(number):
            return self.record.read(number)
        submitted = self.begun.pop(number)
        with self.watch("wait_s"):
            groups = together(lambda: [item.graded() for item in submitted])
        self.check(groups)
        with self.watch("store_s"):
            self.record.add(number, groups)
        return groups

    def save(self, folder: Path) -> None:
        """Write the rounds in flight: their weights are gone when the run goes on."""
        for number, submitted in self.begun.items():
            self.record.write_pending(folder, number, [item.group for item in submitted])

    def restore(self, folder: Path) -> None:
        """Take the rounds in flight back and have them graded, but for those that the record holds by now."""
        for number, groups in self.record.read_pending(folder).items():
            if not self.record.has(number):
                self.begun[number] = [_submit(group, self.grade) for group in groups]

    def _begin(self, number: int) -> list[_Submitted]:
        return [_submit(group, self.grade) for group in self.write(share(self.draw(number)), number)]


def refuse_unjudged(limit: float, folder: Path) -> Check:
    """Raises UserError where the sandbox could not judge more than a share `limit` of the programs of all ranks.

    A limit of 0 never raises. `folder` is that of the run, which can go on once the machine is mended.
    """

    def check(groups: Sequence[Group]) -> None:
        verdicts = gather([_reason(verdict) for group in groups for verdict in group.verdicts if verdict is not None])
        reasons = [reason for reason in verdicts if reason]
        if limit and len(reasons) > limit * len(verdicts):
            raise UserError(
                f"graders: {len(reasons)} of {len(verdicts)} programs could not be judged ({reasons[0]}); expected a "
                f"share of at most alarms.stop_sandbox_errors = {limit:g}; these programs were not kept: see "
                f"`rl-train doctor`, then `rl-train run {folder}` writes them again and goes on"
            )

    return check


def rounds_with_signal(draws: Gather, wanted: int, max_draws: int) -> Gather:
    """Dynamic sampling (DAPO, arXiv 2503.14476): draw again until `wanted` groups of all ranks carry signal.

    Gives the groups with signal of at most `max_draws` draws, and those that the policy has no part in; where none has
    signal, the groups of the last draw.
    """

    def gather_round(number: int) -> list[Group]:
        kept: list[Group] = []
        groups: list[Group] = []
        n_with_signal = 0
        for extra in range(max_draws):
            groups = draws(number * max_draws + extra)
            kept += [group for group in groups if has_signal(group) or is_written(group)]
            n_with_signal = sum(gather([sum(map(has_signal, kept))]))
            if n_with_signal >= wanted:
                break
        return kept if n_with_signal > 0 else groups

    return gather_round


def has_signal(group: Group) -> bool:
    """Whether raw outcomes differ: some programs passed and some did not. Sandbox errors say nothing."""
    known = {v.passed for v in group.verdicts if v is not None and v.outcome is not Outcome.SANDBOX_ERROR}
    return len(known) == 2


def is_written(group: Group) -> bool:
    """Whether the policy has no part in a group: others wrote all of it."""
    return all(rollout.author != "policy" for rollout in group.rollouts)


def _reason(verdict: Verdict) -> str:
    """Why a program could not be judged; empty where it was."""
    return (verdict.reason or "no reason is known") if verdict.outcome is Outcome.SANDBOX_ERROR else ""


def _submit(group: Group, grade: Grade | None) -> _Submitted:
    coming = tuple(
        None
        if grade is None or verdict is not None
        else grade(GradeRequest(group.problem, rollout.program, group.problem.hidden_tests))
        for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
    )
    return _Submitted(group, coming)
