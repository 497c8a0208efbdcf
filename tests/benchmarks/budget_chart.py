"""A picture of pass rates against budgets: one panel per metric, one line per way, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, GAP = 360, 260, 44, 34, 60
COLOURS = ("#888888", "#bbaa44", "#4477aa", "#66ccee", "#228833", "#ee6677", "#aa3377")


def chart(by_budget: Mapping[str, Any], metrics: Sequence[str]) -> str:
    """SVG of `metrics`, each in a panel: budget in tokens along a logarithmic axis, share of problems upwards."""
    ways = list(next(iter(by_budget.values())))
    panels = "".join(_panel(by_budget, ways, metric, LEFT + i * (WIDTH + GAP)) for i, metric in enumerate(metrics))
    legend = "".join(
        f'<text x="{LEFT + 150 * (i % 5)}" y="{TOP + HEIGHT + 52 + 18 * (i // 5)}" fill="{_colour(i)}">{way}</text>'
        for i, way in enumerate(ways)
    )
    width, height = LEFT + len(metrics) * (WIDTH + GAP), TOP + HEIGHT + 84
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="100%" height="100%" fill="white"/>{panels}{legend}</svg>\n'
    )


def _panel(by_budget: Mapping[str, Any], ways: Sequence[str], metric: str, left: float) -> str:
    budgets = [int(budget) for budget in by_budget]
    shares = {way: [by_budget[str(budget)][way]["metrics"][metric]["mean"] for budget in budgets] for way in ways}
    values = [value for of_way in shares.values() for value in of_way]
    low, high = math.floor(20 * min(values)) / 20, math.ceil(20 * max(values)) / 20 or 1.0
    low = low if low < high else high - 0.05
    first, last = math.log(budgets[0]), math.log(budgets[-1])

    def x(budget: float) -> float:
        return left + (WIDTH * (math.log(budget) - first) / (last - first) if last > first else WIDTH / 2)

    def y(share: float) -> float:
        return TOP + HEIGHT * (high - share) / (high - low)

    lines = "".join(
        f'<polyline fill="none" stroke="{_colour(i)}" stroke-width="2" points="'
        + " ".join(f"{x(budget):.1f},{y(share):.1f}" for budget, share in zip(budgets, shares[way], strict=True))
        + '"/>'
        for i, way in enumerate(ways)
    )
    marks = "".join(
        f'<line x1="{left}" x2="{left + WIDTH}" y1="{y(share):.1f}" y2="{y(share):.1f}" stroke="#dddddd"/>'
        f'<text x="{left - 6}" y="{y(share) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        for share in (low, (low + high) / 2, high)
    )
    below = "".join(
        f'<text x="{x(budget):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{budget}</text>' for budget in budgets
    )
    title = f'<text x="{left}" y="{TOP - 14}" font-weight="bold">{metric}, by tokens generated per problem</text>'
    return title + marks + below + lines


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]
