"""The few numbers that sum a run up: for the tables of the page, and for whoever reads them as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rl.evaluate import Evaluation
from rl.report.reading import PhaseRecord, RunRecord, Series
from rl.report.words import IDLE, NOT_CHARTED

MOST_AT_AN_END = 10
"""Values whose mean stands for the start or the end of a series; of a short one a tenth, or one."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A series in four numbers."""

    start: float
    """Mean of its first values."""
    end: float
    """Mean of its last values."""
    lowest: float
    """Smallest value."""
    highest: float
    """Largest value."""


@dataclass(frozen=True, slots=True)
class AlarmCount:
    """All alarms of one kind in one phase."""

    phase: str
    """Phase."""
    name: str
    """Kind of alarm."""
    count: int
    """How often it was raised."""
    first_round: int
    """Round of the first, from 0."""
    last_round: int
    """Round of the last."""
    message: str
    """What the last one said."""


def figure(series: Series) -> Figure:
    """Sum up a series that has a value."""
    values = [value for _, value in series]
    size = max(1, min(MOST_AT_AN_END, len(values) // 10))
    return Figure(_mean(values[:size]), _mean(values[-size:]), min(values), max(values))


def shown_metrics(phase: PhaseRecord) -> list[str]:
    """Keys of a phase's metrics that are shown, as they appear in the file."""
    return [key for key in phase.metrics if key not in NOT_CHARTED]


def idle_share(phase: PhaseRecord) -> float | None:
    """Share of a phase's seconds in which the learner had nothing to do; None where that was not measured."""
    seconds = phase.total_seconds
    total = sum(seconds.values())
    return seconds[IDLE] / total if IDLE in seconds and total else None


def first_and_last(run: RunRecord) -> tuple[tuple[str, Evaluation], tuple[str, Evaluation]] | None:
    """The evaluations before and after, with their names; None where there are fewer than two."""
    found = list(run.evaluations.items())
    return (found[0], found[-1]) if len(found) > 1 else None


def alarm_counts(run: RunRecord) -> list[AlarmCount]:
    """Alarms by phase and kind, in the order in which each was first raised."""
    kinds: dict[tuple[str, str], list[Any]] = {}
    for phase in run.phases:
        for alarm in phase.alarms:
            kinds.setdefault((phase.name, alarm.name), []).append(alarm)
    return [
        AlarmCount(phase, name, len(alarms), alarms[0].round, alarms[-1].round, alarms[-1].message)
        for (phase, name), alarms in kinds.items()
    ]


def summary(run: RunRecord) -> dict[str, Any]:
    """The figures of the page as plain values; rounds count from 0."""
    return {
        "folder": str(run.folder),
        "state": str(run.state),
        "recipe": run.config.get("recipe"),
        "evaluations": {name: asdict(evaluation) for name, evaluation in run.evaluations.items()},
        "phases": [
            {
                "phase": phase.name,
                "rounds": phase.n_rounds,
                "metrics": {key: asdict(figure(phase.metrics[key])) for key in shown_metrics(phase)},
                "outcomes": {name: int(sum(v for _, v in series)) for name, series in phase.outcomes.items()},
                "seconds": phase.total_seconds,
                "idle_share": idle_share(phase),
            }
            for phase in run.phases
        ],
        "critic": run.critic.calibration.as_dict() if run.critic and run.critic.calibration else None,
        "alarms": [asdict(alarm) for alarm in alarm_counts(run)],
        "notes": list(run.notes),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
