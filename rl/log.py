"""Log: metrics.jsonl and timings.jsonl in the run folder, a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from envs.rollout import Group, StopReason
from envs.verdict import Outcome
from rl.collect import has_signal
from rl.engine import gather

SHOWN_ROWS = 18
"""Rounds that the live table keeps in sight."""
PLAIN_EVERY = 10
"""Without a terminal, one line per this many rounds."""


def describe(groups: Sequence[Group]) -> dict[str, Any]:
    """What a round's rollouts were like, over all ranks: counts and shares, nothing timed.

    pass_rate: passed / judged programs; signal: share of groups with both passing and failing programs; tokens: mean
    completion length; truncated: share of completions cut at the length limit; outcomes: programs by outcome.
    """
    facts = gather([_Facts.of(group) for group in groups])
    outcomes = [outcome for fact in facts for outcome in fact.outcomes]
    lengths = [length for fact in facts for length in fact.lengths]
    shares: dict[str, Any] = {"rollouts": len(lengths), "tokens": _mean(lengths)}
    if outcomes:
        shares |= {
            "pass_rate": _mean([outcome is Outcome.PASSED for outcome in outcomes]),
            "signal": _mean([fact.signal for fact in facts]),
            "truncated": sum(fact.truncated for fact in facts) / len(lengths),
            "outcomes": dict(sorted(Counter(map(str, outcomes)).items())),
        }
    return shares


@dataclass(frozen=True, slots=True)
class _Facts:
    """The little of a group that its description needs."""

    lengths: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    truncated: int
    signal: bool

    @classmethod
    def of(cls, group: Group) -> _Facts:
        return cls(
            lengths=tuple(len(rollout.completion_ids) for rollout in group.rollouts),
            outcomes=tuple(verdict.outcome for verdict in group.verdicts if verdict is not None),
            truncated=sum(rollout.stop is StopReason.LENGTH for rollout in group.rollouts),
            signal=has_signal(group),
        )


class Log:
    """Writes a run's metrics and shows them; use as a context manager."""

    def __init__(
        self, folder: Path, console: Console, metrics: str = "metrics.jsonl", timings: str = "timings.jsonl"
    ) -> None:
        """Append to the two files of `folder`."""
        self.console = console
        self._metrics = (folder / metrics).open("a", encoding="utf-8")
        self._timings = (folder / timings).open("a", encoding="utf-8")
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
        self._metrics.close()
        self._timings.close()

    def phase(self, name: str) -> None:
        """Name what the following rounds belong to."""
        self._phase = name

    def say(self, line: str) -> None:
        """Print one line of plain words, above the live table where there is one."""
        self.console.print(line, highlight=False, soft_wrap=True)

    def round(self, number: int, metrics: Mapping[str, Any], collect_s: float, learn_s: float) -> None:
        """Record a round: its metrics, and apart from them its seconds, which differ from run to run."""
        place = {"phase": self._phase, "round": number}
        _append(self._metrics, place | dict(metrics))
        _append(self._timings, place | {"collect_s": collect_s, "learn_s": learn_s})
        loss = sum(value for name, value in metrics.items() if name.startswith("loss/"))
        row = (
            self._phase,
            str(number + 1),
            _percent(metrics.get("pass_rate")),
            _percent(metrics.get("signal")),
            f"{metrics['tokens']:.0f}",
            f"{loss:.4f}",
            f"{collect_s:.2f} + {learn_s:.2f}",
            "",
        )
        self._rows.append(row)
        if self._live:
            self._live.update(self._table())
        elif number == 0 or (number + 1) % PLAIN_EVERY == 0:
            self.say(
                f"{row[0]:<11} round {row[1]:>4}  pass {row[2]:>6}  signal {row[3]:>6}  tokens {row[4]:>4}  "
                f"loss {row[5]:>8}  seconds {row[6]}"
            )

    def evaluation(self, number: int, pass_rate: float) -> None:
        """Record a pass rate on the development problems after a round."""
        _append(self._metrics, {"phase": self._phase, "round": number, "dev_pass_rate": pass_rate})
        if self._rows:
            self._rows[-1] = (*self._rows[-1][:-1], _percent(pass_rate))
        if self._live:
            self._live.update(self._table())
        else:
            self.say(f"{self._phase:<11} round {number + 1:>4}  dev pass@1 {_percent(pass_rate)}")

    def _table(self) -> Table:
        table = Table("phase", title="rl-train", expand=False)
        for name in ("round", "pass", "signal", "tokens", "loss", "s write+learn", "dev pass@1"):
            table.add_column(name, justify="right")
        for row in self._rows[-SHOWN_ROWS:]:
            table.add_row(*row)
        return table


def silent_log() -> Log:
    """A Log that keeps and shows nothing: for the ranks that do not write."""
    return Log(Path(os.devnull).parent, Console(quiet=True), metrics=os.devnull, timings=os.devnull)


def _append(file: Any, record: Mapping[str, Any]) -> None:
    file.write(json.dumps(record) + "\n")
    file.flush()


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
