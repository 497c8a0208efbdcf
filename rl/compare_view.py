"""A comparison on a terminal: the table, what the first arm gains, crossings and budgets."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from rl.compare_result import Result
from rl.evaluate import Estimate


def show(result: Result, console: Console) -> None:
    """Print a result as tables and lines."""
    seeds = ", ".join(map(str, result.seeds))
    about = f"{result.n_problems} test problems, {result.n} programs each, seeds {seeds}; 95 % intervals over both"
    columns = list(result.standings[0].pass_at)
    table = Table("", *(named(column) for column in columns), "coverage", title=about)
    for row in result.standings:
        coverage = "" if row.coverage is None else interval(row.coverage)
        table.add_row(row.name, *(interval(row.pass_at[column]) for column in columns), coverage)
    console.print(table)
    gains = Table(f"{result.first} minus", *(named(column) for column in columns), title="differences, in points")
    for name, gain in result.gains.items():
        gains.add_row(name, *(points(gain[column]) for column in columns))
    console.print(gains)
    budgets = Table("mean over seeds", title="what each spent on learning, and the checkpoint that was measured")
    kinds = list(result.standings[0].budget)
    for kind in (*kinds, "measured"):
        budgets.add_column(kind.replace("_", " "), justify="left" if kind == "measured" else "right")
    for row in result.standings:
        if row.budget:
            budgets.add_row(row.name, *(f"{row.budget[kind]:,.0f}" for kind in kinds), "; ".join(row.selected))
    console.print(budgets)
    for line in remarks(result):
        console.print(line, highlight=False, soft_wrap=True)


def remarks(result: Result) -> list[str]:
    """Crossings, and what makes the comparison unequal."""
    lines = [f"{crossing.words(result.n)} (pass@1 {points(crossing.at_1)} points)" for crossing in result.crossings]
    lines += [f"note: {note}" for note in result.notes]
    if result.n_left_out:
        lines.append(f"note: {result.n_left_out} test problems are left out, which not every row answered in full")
    return lines


def named(column: str) -> str:
    """Heading of a column."""
    return "pass@1 greedy" if column == "greedy" else column


def interval(estimate: Estimate) -> str:
    """A share with its interval, in percent."""
    return f"{estimate.mean:.1%} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def points(estimate: Estimate) -> str:
    """A difference with its interval, in points."""
    return f"{100 * estimate.mean:+.1f} ({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"
