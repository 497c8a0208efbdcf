"""The result of a comparison: pass rates with intervals over seeds and problems, differences, crossings, budgets.

Axes: S seeds, P problems. Only problems that every row answered in full, at every seed, are counted: all is paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from envs.passk import pass_at_k
from rl.bootstrap import Scores, difference, mean_over_seeds
from rl.config_compare import CompareSection
from rl.evaluate import Estimate

Counts = Mapping[str, tuple[int, int]]
"""(programs judged, programs that passed) by problem."""
GREEDY = "greedy"
"""Column of the greedy pass@1, beside those of pass@k."""
MOST_POINTS = 24
"""Points of a curve: every k up to here, then about evenly on a logarithmic scale."""
UNEQUAL = 1.1
"""Budgets that differ by more than this factor are said to."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one arm, of the start, or of a teacher, seed by seed."""

    name: str
    """Name in the table."""
    is_teacher: bool
    """Whether it is a teacher."""
    sampled_S: Sequence[Counts]
    """Of the sampled programs."""
    greedy_S: Sequence[Counts]
    """Of the greedy one."""
    attempted_S: Sequence[frozenset[str]]
    """Train problems that were attempted; empty for the start and for teachers."""
    solved_S: Sequence[frozenset[str]]
    """Train problems of which a program passed while it learned."""
    budgets_S: Sequence[Mapping[str, int]]
    """What it spent, by kind; empty for teachers."""
    selected_S: Sequence[str]
    """Which checkpoint was measured, in words; empty for teachers."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of the result."""

    name: str
    """Arm, start or teacher."""
    pass_at: Mapping[str, Estimate]
    """`greedy`, and pass@k by k."""
    by_seed: Sequence[float]
    """pass@1 of the sampled programs."""
    coverage: Estimate | None
    """Share of the train problems that any arm attempted of which a program passed while this one learned."""
    budget: Mapping[str, float]
    """Mean over seeds, by kind."""
    selected: Sequence[str]
    """Which checkpoint was measured, by seed."""
    curve: Mapping[int, Estimate]
    """pass@k by k, for the picture."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where an arm and a teacher cross."""

    arm: str
    """Arm."""
    teacher: str
    """Teacher."""
    ahead_to: int
    """Largest k up to which the arm's pass@k is above the teacher's throughout; 0 where it never is."""
    behind_from: int | None
    """Smallest larger k at which the teacher's is above the arm's; None where there is none up to n."""
    at_1: Estimate
    """Difference of their pass@1."""

    def words(self, n: int) -> str:
        """In one sentence."""
        if not self.ahead_to:
            return f"{self.arm} is not above {self.teacher} at k = 1"
        if self.behind_from is None:
            above = f"k = 1 to {self.ahead_to}" if self.ahead_to > 1 else "k = 1"
            rest = "" if self.ahead_to == n else f", level from there to k = {n}"
            return f"{self.arm} is above {self.teacher} at {above}{rest}"
        return f"{self.arm} is above {self.teacher} up to k = {self.ahead_to}, below it from k = {self.behind_from}"


@dataclass(frozen=True, slots=True)
class Result:
    """A whole comparison."""

    seeds: Sequence[int]
    """Seeds."""
    n: int
    """Programs per problem and seed."""
    n_problems: int
    """Test problems that are counted."""
    n_left_out: int
    """Test problems that are not: of some row the sandbox could not judge all programs, or one could not be asked."""
    standings: Sequence[Standing]
    """The table."""
    gains: Mapping[str, Mapping[str, Estimate]]
    """First arm minus each other row, by name and column, on the same problems and seeds."""
    first: str
    """Name of the first arm."""
    crossings: Sequence[Crossing]
    """Every arm with every teacher."""
    notes: Sequence[str]
    """What makes the comparison unequal."""
    manifest: Mapping[str, Any]
    """Versions, machine, commit."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def result_of(rows: Sequence[Row], settings: CompareSection, manifest: Mapping[str, Any]) -> Result:
    """Put rows side by side; the arms are those with attempted problems, in order.

    Raises ValueError where no problem was answered in full by all rows.
    """
    problems, n_left_out = _counted(rows, settings.n)
    sampled = {row.name: [[counts[p] for p in problems] for counts in row.sampled_S] for row in rows}
    columns = {row.name: _columns(row, sampled[row.name], problems, settings.ks) for row in rows}
    arms = [row for row in rows if row.attempted_S]
    teachers = [row for row in rows if row.is_teacher]
    tried = sorted(frozenset().union(*(names for row in arms for names in row.attempted_S)))
    points = curve_points(settings.n)
    return Result(
        seeds=settings.seeds,
        n=settings.n,
        n_problems=len(problems),
        n_left_out=n_left_out,
        standings=[
            Standing(
                name=row.name,
                pass_at={name: mean_over_seeds(scores_SP) for name, scores_SP in columns[row.name].items()},
                by_seed=[float(mean) for mean in scores(sampled[row.name], 1).mean(axis=1)],
                coverage=_coverage(row, tried),
                budget={kind: float(np.mean([b[kind] for b in row.budgets_S])) for kind in (row.budgets_S or [{}])[0]},
                selected=row.selected_S,
                curve={k: mean_over_seeds(scores(sampled[row.name], k)) for k in points},
            )
            for row in rows
        ],
        gains={
            row.name: {
                name: difference(columns[arms[0].name][name], columns[row.name][name]) for name in columns[row.name]
            }
            for row in rows
            if row.name != arms[0].name
        },
        first=arms[0].name,
        crossings=[_crossing(arm, teacher, sampled, settings.n) for teacher in teachers for arm in arms],
        notes=[*_unequal(arms), *_few(settings)],
        manifest=manifest,
    )


def scores(counts_SP: Sequence[Sequence[tuple[int, int]]], k: int) -> Scores:
    """pass@k per seed and problem."""
    return np.array([[pass_at_k(n, c, k) for n, c in counts_P] for counts_P in counts_SP])


def curve_points(n: int) -> list[int]:
    """The k of a curve up to n."""
    if n <= MOST_POINTS:
        return list(range(1, n + 1))
    return sorted({round(k) for k in np.geomspace(1, n, MOST_POINTS)} | {1, n})


def _counted(rows: Sequence[Row], n: int) -> tuple[list[str], int]:
    """(test problems that all rows answered in full at all seeds, number of the others)."""
    known = [set(counts) for row in rows for counts in (*row.sampled_S, *row.greedy_S)]
    whole = [{name for name, (judged, _) in counts.items() if judged == n} for row in rows for counts in row.sampled_S]
    counted = set.intersection(*known, *whole)
    if not counted:
        raise ValueError(f"no test problem was answered {n} times by every arm at every seed")
    return sorted(counted), len(set.union(*known)) - len(counted)


def _columns(
    row: Row, counts_SP: Sequence[Sequence[tuple[int, int]]], problems: Sequence[str], ks: Sequence[int]
) -> dict[str, Scores]:
    """scores_SP of each column of the table."""
    greedy = [[counts[p] for p in problems] for counts in row.greedy_S]
    return {GREEDY: scores(greedy, 1)} | {f"pass@{k}": scores(counts_SP, k) for k in sorted({1, *ks})}


def _coverage(row: Row, tried: Sequence[str]) -> Estimate | None:
    if not row.attempted_S:
        return None
    return mean_over_seeds(np.array([[float(name in solved) for name in tried] for solved in row.solved_S]))


def _crossing(arm: Row, teacher: Row, sampled: Mapping[str, Sequence[Sequence[tuple[int, int]]]], n: int) -> Crossing:
    ours, theirs = sampled[arm.name], sampled[teacher.name]
    lead = [float(scores(ours, k).mean() - scores(theirs, k).mean()) for k in range(1, n + 1)]
    ahead_to = next((k for k, value in enumerate(lead) if value <= 0), n)
    behind = next((k for k in range(ahead_to + 1, n + 1) if lead[k - 1] < 0), None)
    return Crossing(arm.name, teacher.name, ahead_to, behind, difference(scores(ours, 1), scores(theirs, 1)))


def _unequal(arms: Sequence[Row]) -> list[str]:
    """Budgets of which the arms did not get the same, a line each."""
    lines = []
    for kind in arms[0].budgets_S[0]:
        spent = {arm.name: float(np.mean([budget[kind] for budget in arm.budgets_S])) for arm in arms}
        if max(spent.values()) > UNEQUAL * min(spent.values()):
            said = ", ".join(f"{name} {value:,.0f}" for name, value in spent.items())
            lines.append(f"{kind.replace('_', ' ')} differ: {said}")
    return lines


def _few(settings: CompareSection) -> list[str]:
    if len(settings.seeds) > 2:
        return []
    return [f"{len(settings.seeds)} seed{'s' * (len(settings.seeds) > 1)}: the intervals say little of other seeds"]
