"""Read a run folder as it is: finished, still growing, or killed with a torn last line."""

from __future__ import annotations

import fcntl
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from envs.errors import UserError
from rl.evaluate import Estimate, Evaluation
from rl.report.critic_record import CriticRecord, read_critic
from rl.report.files import read_lines, read_object
from rl.report.samples import Sample, samples_of
from rl.run import CONFIG, JOURNAL, MANIFEST

Series = tuple[tuple[int, float], ...]
"""(round, value) by rising round; rounds count from 0."""


class State(StrEnum):
    """How far a run has come."""

    FINISHED = "finished"
    RUNNING = "running"
    """A process holds its folder."""
    INTERRUPTED = "interrupted"
    """Neither finished nor held by a process."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a run found wrong with itself."""

    phase: str
    """Phase in which it was raised."""
    round: int
    """Round, from 0."""
    name: str
    """Kind of alarm."""
    message: str
    """What was seen, and what to do."""


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """What one phase wrote to metrics.jsonl and timings.jsonl."""

    name: str
    """Name of the phase."""
    n_rounds: int
    """Rounds so far."""
    metrics: Mapping[str, Series]
    """Finite numbers by their key; `no_signal` is 1 - `signal`."""
    outcomes: Mapping[str, Series]
    """Programs by outcome, for every round that counted any."""
    seconds: Mapping[str, Series]
    """Seconds by stage, for every round that was timed."""
    alarms: tuple[Alarm, ...]
    """Alarms in the order in which they were raised."""

    @property
    def total_seconds(self) -> dict[str, float]:
        """Seconds of all rounds by stage."""
        return {stage: sum(value for _, value in series) for stage, series in self.seconds.items()}


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Everything that a report shows of a run."""

    folder: Path
    """The run folder."""
    config: Mapping[str, Any]
    """Resolved config; empty where it cannot be read."""
    manifest: Mapping[str, Any]
    """Versions, machine, seed; empty where it cannot be read."""
    evaluations: Mapping[str, Evaluation]
    """Held-out evaluations by name, in the order in which they were made."""
    phases: tuple[PhaseRecord, ...]
    """Phases in the order in which they began."""
    samples: tuple[Sample, ...]
    """A few programs of the first and the last rounds."""
    critic: CriticRecord | None
    """What is known of its critic; None where it has none."""
    state: State
    """How far it has come."""
    notes: tuple[str, ...]
    """What could not be read, one line each."""


def read_run(folder: Path) -> RunRecord:
    """Read what a run has written so far; raises UserError where the folder holds no run at all."""
    if not any((folder / name).is_file() for name in (CONFIG, "metrics.jsonl")):
        got = "one without config.json and metrics.jsonl" if folder.is_dir() else "no folder"
        raise UserError(f"{folder}: expected a run folder; got {got}; name one that `rl-train run` wrote")
    notes: list[str] = []
    config, manifest = read_object(folder / CONFIG, notes), read_object(folder / MANIFEST, notes)
    phases = _phases(read_lines(folder / "metrics.jsonl", notes), read_lines(folder / "timings.jsonl", notes), notes)
    return RunRecord(
        folder=folder,
        config=config,
        manifest=manifest,
        evaluations=_evaluations(folder, notes),
        phases=phases,
        samples=samples_of(folder / "experience", notes),
        critic=read_critic(folder, notes),
        state=_state(folder, notes),
        notes=tuple(notes),
    )


def _phases(
    metrics: Sequence[Mapping[str, Any]], timings: Sequence[Mapping[str, Any]], notes: list[str]
) -> tuple[PhaseRecord, ...]:
    names = dict.fromkeys(record["phase"] for record in (*metrics, *timings))
    return tuple(
        _phase(
            name,
            [record for record in metrics if record["phase"] == name],
            [record for record in timings if record["phase"] == name],
            notes,
        )
        for name in names
    )


def _phase(
    name: str, metrics: Sequence[Mapping[str, Any]], timings: Sequence[Mapping[str, Any]], notes: list[str]
) -> PhaseRecord:
    values = _series(metrics, notes, name)
    if "signal" in values:
        values["no_signal"] = tuple((number, 1 - share) for number, share in values["signal"])
    counts = [
        record["outcomes"] | {"round": record["round"]}
        for record in metrics
        if isinstance(record.get("outcomes"), dict)
    ]
    seconds = [
        {key: value for key, value in record.items() if key == "round" or key.endswith("_s")} for record in timings
    ]
    return PhaseRecord(
        name=name,
        n_rounds=1 + max(record["round"] for record in (*metrics, *timings)),
        metrics=values,
        outcomes=_with_zeros(_series(counts, notes, name)),
        seconds=_with_zeros(_series(seconds, notes, name)),
        alarms=tuple(
            Alarm(name, record["round"], str(record["alarm"]), str(record.get("message", "")))
            for record in metrics
            if "alarm" in record
        ),
    )


def _series(records: Sequence[Mapping[str, Any]], notes: list[str], phase: str) -> dict[str, Series]:
    """Finite numbers of records by their key; a round that was written twice counts as it was written last."""
    found: dict[str, dict[int, float]] = {}
    not_finite: dict[str, int] = {}
    for record in records:
        for key, value in record.items():
            if key == "round" or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if math.isfinite(value):
                found.setdefault(key, {})[record["round"]] = float(value)
            else:
                not_finite[key] = not_finite.get(key, 0) + 1
    notes += [f"{phase}: {key} was not finite in {count} rounds" for key, count in not_finite.items()]
    return {key: tuple(sorted(values.items())) for key, values in found.items()}


def _with_zeros(series: Mapping[str, Series]) -> dict[str, Series]:
    """Series over the rounds of any of them: what a round does not name was 0."""
    by_round = {key: dict(values) for key, values in series.items()}
    rounds = sorted({number for values in by_round.values() for number in values})
    return {key: tuple((number, values.get(number, 0.0)) for number in rounds) for key, values in by_round.items()}


def _evaluations(folder: Path, notes: list[str]) -> dict[str, Evaluation]:
    """Evaluations by name: those of results.json, otherwise every evaluation_<name>.json in the order of writing."""
    if (folder / "results.json").exists():
        values = dict(read_object(folder / "results.json", notes))
    else:
        files = sorted(folder.glob("evaluation_*.json"), key=lambda path: path.stat().st_mtime_ns)
        values = {file.stem.removeprefix("evaluation_"): read_object(file, notes) for file in files}
    found = {}
    for name, value in values.items():
        try:
            found[name] = _evaluation(value)
        except (KeyError, TypeError, ValueError, AttributeError):
            notes.append(f"evaluation {name} cannot be read")
    return found


def _evaluation(value: Mapping[str, Any]) -> Evaluation:
    estimates = {int(k): Estimate(**estimate) for k, estimate in value["pass_at"].items()}
    return Evaluation(
        n_problems=int(value["n_problems"]),
        n_programs=int(value["n_programs"]),
        pass_at=dict(sorted(estimates.items())),
        outcomes={str(name): int(count) for name, count in value["outcomes"].items()},
        wording={str(name): float(share) for name, share in value.get("wording", {}).items()},
    )


def _state(folder: Path, notes: list[str]) -> State:
    """What the journal says last; where it says that a process was at work, whether one still holds the folder."""
    if (folder / "results.json").exists():
        return State.FINISHED
    events = read_lines(folder / JOURNAL, notes, needed=("event",)) if (folder / JOURNAL).exists() else []
    if not events:
        return State.FINISHED if (folder / "evaluation_final.json").exists() else State.INTERRUPTED
    last = events[-1]
    if last["event"] == "finished":
        return State.FINISHED
    if last["event"] == "stopped":
        notes.append(f"the run was stopped: {last.get('reason', 'no reason is known')}")
        return State.INTERRUPTED
    return State.RUNNING if _is_held(folder / ".lock") else State.INTERRUPTED


def _is_held(lock: Path) -> bool:
    """Whether a process holds a lock on a file, as one does for as long as it trains."""
    if not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
