"""Log: metrics.jsonl and timings.jsonl in the run folder, a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from critics.rationales import Wording, shares_of, wording_of
from envs.forms import Form, form_of
from envs.rollout import Group, Rollout, StopReason
from envs.verdict import Outcome
from rl.alarms import Alarms, Thresholds
from rl.collect import has_signal
from rl.durable import lines_of, write_text
from rl.engine import gather
from rl.sinks import Sink, Sinks
from rl.stopwatch import Stopwatch

SHOWN_ROWS = 18
"""Rounds that the live table keeps in sight."""
PLAIN_EVERY = 10
"""Without a terminal, one line per this many rounds."""
COLLECTING = ("write_s", "wait_s", "store_s")
LEARNING = ("judge_s", "learn_s", "after_s")
"""Seconds that the table shows together."""


def describe(groups: Sequence[Group]) -> dict[str, Any]:
    """What a round's rollouts were like, over all ranks: counts and shares, nothing timed.

    Where the policy sampled any, only those count: neither texts of others nor greedy programs beside them.

    pass_rate: passed / judged programs; signal: share of groups with both passing and failing programs; tokens: mean
    completion length; truncated: share of completions cut at the length limit; duplicates: share of programs that an
    earlier one of their group equals; outcomes: programs by outcome; of answers in words also
    `critics.rationales.shares_of`.
    """
    facts = gather([_Facts.of(group) for group in sampled(groups)])
    outcomes = [outcome for fact in facts for outcome in fact.outcomes]
    lengths = [length for fact in facts for length in fact.lengths]
    shares: dict[str, Any] = {"rollouts": len(lengths), "tokens": _mean(lengths)}
    if outcomes:
        shares |= {
            "pass_rate": _mean([outcome is Outcome.PASSED for outcome in outcomes]),
            "signal": _mean([fact.signal for fact in facts]),
            "truncated": sum(fact.truncated for fact in facts) / len(lengths),
            "duplicates": sum(fact.duplicates for fact in facts) / len(lengths),
            "outcomes": dict(sorted(Counter(map(str, outcomes)).items())),
        }
    return shares | shares_of([fact.wording for fact in facts])


def sampled(groups: Sequence[Group]) -> list[Group]:
    """The groups without what the policy did not draw at random; as they are where it drew nothing."""
    kept = []
    for group in groups:
        pairs = [
            (rollout, verdict)
            for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
            if rollout.author == "policy" and rollout.temperature > 0
        ]
        if pairs:
            kept.append(Group(group.problem, tuple(r for r, _ in pairs), tuple(v for _, v in pairs)))
    return kept or list(groups)


@dataclass(frozen=True, slots=True)
class _Facts:
    """The little of a group that its description needs."""

    lengths: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    truncated: int
    duplicates: int
    signal: bool
    wording: Wording

    @classmethod
    def of(cls, group: Group) -> _Facts:
        return cls(
            lengths=tuple(len(rollout.completion_ids) for rollout in group.rollouts),
            outcomes=tuple(verdict.outcome for verdict in group.verdicts if verdict is not None),
            truncated=sum(rollout.stop is StopReason.LENGTH for rollout in group.rollouts),
            duplicates=len(group.rollouts) - len({_solution(rollout) for rollout in group.rollouts}),
            signal=has_signal(group),
            wording=wording_of(group),
        )


def _solution(rollout: Rollout) -> str:
    """The text that makes a rollout a duplicate of another: numbers are equal much sooner than words."""
    return rollout.program if form_of(rollout.prompt) is Form.PROGRAM else rollout.text


class Log:
    """Writes a run's metrics and shows them; use as a context manager."""

    def __init__(
        self,
        folder: Path | None,
        console: Console,
        *,
        thresholds: Thresholds | None = None,
        sinks: Sequence[Sink] = (),
    ) -> None:
        """Add to the two files of `folder`; without one, only show.

        Alarms are raised by `thresholds`; `sinks` get every number too.
        """
        self.console = console
        self._thresholds = thresholds
        self._alarms = thresholds and Alarms(thresholds)
        self._sinks = Sinks(sinks, self.say)
        self._metrics = folder and folder / "metrics.jsonl"
        self._timings = folder and folder / "timings.jsonl"
        self.watch = Stopwatch()
        self._phase = ""
        self._rows: list[tuple[str, ...]] = []
        self._live = Live(self._table(), console=console, transient=True) if console.is_terminal else None

    def __enter__(self) -> Log:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        self._sinks.close()

    def phase(self, name: str) -> None:
        """Name what the following rounds belong to."""
        self._phase = name

    def say(self, line: str) -> None:
        """Print one line of plain words, above the live table where there is one."""
        self.console.print(line, highlight=False, soft_wrap=True)

    def cut(self, phase: str, first: int) -> None:
        """Drop what was noted of a phase from round `first` on: those rounds are done again."""
        for path in (self._metrics, self._timings):
            if path is not None:
                _cut(path, phase, first)
        if self._metrics is not None and self._thresholds is not None:
            self._alarms = Alarms(self._thresholds)
            for line in lines_of(self._metrics):
                self._alarms.observe(json.loads(line))

    def round(self, number: int, metrics: Mapping[str, Any]) -> None:
        """Record the metrics of a round, and raise the alarms that they call for."""
        self._note({"phase": self._phase, "round": number} | dict(metrics))
        loss = sum(value for name, value in metrics.items() if name.startswith("loss/"))
        row = (
            self._phase,
            str(number + 1),
            _percent(metrics.get("pass_rate")),
            _percent(metrics.get("signal")),
            f"{metrics['tokens']:.0f}",
            f"{loss:.4f}",
            "",
            "",
        )
        self._rows.append(row)

    def evaluation(self, number: int, pass_rate: float) -> None:
        """Record a pass rate on the development problems after a round, and raise the alarms that it calls for."""
        if self._rows:
            self._rows[-1] = (*self._rows[-1][:-1], _percent(pass_rate))
        if self._live is None:
            self.say(f"{self._phase:<11} round {number + 1:>4}  dev pass@1 {_percent(pass_rate)}")
        self._note({"phase": self._phase, "round": number, "dev_pass_rate": pass_rate})

    def seconds(self, number: int, seconds: Mapping[str, float]) -> None:
        """Record where the seconds of a round went, apart from its metrics: they differ from run to run."""
        record = {"phase": self._phase, "round": number} | dict(seconds)
        _append(self._timings, record)
        self._sinks.write(record)
        if not self._rows:
            return
        spent = [sum(seconds.get(name, 0.0) for name in names) for names in (COLLECTING, LEARNING)]
        row = self._rows[-1] = (*self._rows[-1][:-2], " + ".join(f"{s:.2f}" for s in spent), self._rows[-1][-1])
        if self._live:
            self._live.update(self._table())
        elif number == 0 or (number + 1) % PLAIN_EVERY == 0:
            self.say(
                f"{row[0]:<11} round {row[1]:>4}  pass {row[2]:>6}  signal {row[3]:>6}  tokens {row[4]:>4}  "
                f"loss {row[5]:>8}  seconds {row[6]}"
            )

    def _note(self, record: Mapping[str, Any]) -> None:
        """Write a line of metrics, then a line for each alarm that it raises."""
        _append(self._metrics, record)
        self._sinks.write(record)
        for alarm in self._alarms.observe(record) if self._alarms else ():
            _append(self._metrics, alarm.line())
            self.say(f"alarm in {alarm.phase}, round {alarm.round + 1}: {alarm.message}")

    def _table(self) -> Table:
        table = Table("phase", title="rl-train", expand=False)
        for name in ("round", "pass", "signal", "tokens", "loss", "s write+learn", "dev pass@1"):
            table.add_column(name, justify="right")
        for row in self._rows[-SHOWN_ROWS:]:
            table.add_row(*row)
        return table


def silent_log() -> Log:
    """A Log that keeps and shows nothing: for the ranks that do not write."""
    return Log(None, Console(quiet=True))


def _append(path: Path | None, record: Mapping[str, Any]) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def _cut(path: Path, phase: str, first: int) -> None:
    """Rewrite a file without a torn last line and without the records of a phase from round `first` on."""
    kept = [
        line for line in lines_of(path) if (record := json.loads(line))["phase"] != phase or record["round"] < first
    ]
    write_text(path, "".join(line + "\n" for line in kept))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
