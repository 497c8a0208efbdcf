"""The page of a comparison: pass@k of every arm with its interval, where it crosses its teacher, what it cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from rl.compare_result import Result, Standing
from rl.compare_view import interval, named, points, remarks
from rl.report.charts import ticks
from rl.report.document import document
from rl.report.markup import Markup, element, joined

WIDTH, HEIGHT = 640.0, 360.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 22.0, 38.0
"""Size of the picture and its margins, in units of its view box."""
COLOURS = ("teal", "orange", "indigo", "rose", "sky", "olive")
"""Styles of the arms, in order; teachers are gold and the start is slate."""
ABOUT = (
    "pass@k: chance that one of k sampled programs for a problem passes all hidden tests. coverage: share of the train "
    "problems that any arm attempted of which a program passed while this one learned. Intervals hold 95% and draw "
    "seeds and problems anew. Every arm is measured at its best look at the dev problems."
)


def comparison_page(result: Result, folder: Path) -> str:
    """The whole page."""
    name = folder.resolve().name
    seeds = ", ".join(map(str, result.seeds))
    facts = f"{result.n_problems} test problems · {result.n} programs each · seeds {seeds}"
    body = element(
        "body",
        element("header", element("p", "rl-train compare"), element("h1", name), element("p", facts, class_="facts")),
        element(
            "main",
            element("section", curves(result), class_="hero"),
            element("ul", *(element("li", line) for line in remarks(result)), class_="plain card"),
            _table("Pass rates", _pass_rates(result), ABOUT),
            _table(
                f"{result.first} minus the others",
                _gains(result),
                "Differences in points, on the same problems and seeds. An interval without 0 is more than chance.",
            ),
            _table(
                "Budget",
                _budgets(result),
                "Means over seeds. What measuring the result took is no part of it. Tokens are those of the samples.",
            ),
        ),
        element("footer", f"Written by rl-train compare from {folder}, commit {result.manifest.get('commit')}."),
    )
    return document(f"{name} · rl-train compare", body)


def curves(result: Result) -> Markup:
    """pass@k over k, on a logarithmic scale, with bands of the intervals and a mark at each crossing."""
    colours = cycle(COLOURS)
    teachers = {crossing.teacher for crossing in result.crossings}
    styles = {
        row.name: next(colours) if row.coverage is not None else "gold" if row.name in teachers else "slate"
        for row in result.standings
    }
    top = ticks(0.0, max(0.05, *(estimate.high for row in result.standings for estimate in row.curve.values())))
    marks: list[Markup] = [_band(row, styles[row.name], result.n, top[-1]) for row in result.standings]
    marks += [_line(row, styles[row.name], result.n, top[-1]) for row in result.standings]
    for crossing in result.crossings:
        if crossing.ahead_to and crossing.behind_from is not None:
            x = _x((crossing.ahead_to + crossing.behind_from) / 2, result.n)
            said = element("title", crossing.words(result.n))
            marks.append(
                element(
                    "line",
                    said,
                    x1=x,
                    x2=x,
                    y1=TOP,
                    y2=HEIGHT - BOTTOM,
                    class_=f"line happened {styles[crossing.arm]}",
                )
            )
    legend = [
        element(
            "li", element("i", class_=f"key {styles[row.name]}"), f"{row.name} ", element("b", interval(row.curve[1]))
        )
        for row in result.standings
    ]
    words = "; ".join(f"{row.name} {row.curve[1].mean:.1%} at k = 1" for row in result.standings)
    label = f"pass@k by k: {words}"
    picture = element(
        "svg",
        element("title", label),
        *_grid(result.n, top),
        *marks,
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        role="img",
        aria_label=label,
        class_="chart",
        style="max-width: 900px",
    )
    caption = element("figcaption", "pass@k on the test problems")
    return element("figure", caption, element("ul", *legend, class_="legend"), picture, class_="card")


def _grid(n: int, top: Sequence[float]) -> list[Markup]:
    bottom = HEIGHT - BOTTOM
    grid = []
    for value in top:
        y = _y(value, top[-1])
        grid.append(element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        grid.append(element("text", f"{100 * value:.0f}", class_="tick end", x=LEFT - 6, y=y + 3.5))
    for k in [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if k <= n]:
        x = _x(k, n)
        grid.append(element("line", class_="grid", x1=x, x2=x, y1=bottom, y2=bottom + 4))
        grid.append(element("text", f"{k}", class_="tick middle", x=x, y=bottom + 16))
    grid.append(element("text", "pass@k (%)", class_="axis", x=2, y=10))
    grid.append(element("text", "k", class_="axis end", x=WIDTH - RIGHT, y=HEIGHT - 6))
    return grid


def _x(k: float, n: int) -> float:
    share = math.log(k) / math.log(n) if n > 1 else 0.5
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM), 1)


def _line(row: Standing, style: str, n: int, top: float) -> Markup:
    places = [(_x(k, n), _y(estimate.mean, top)) for k, estimate in row.curve.items()]
    said = [element("title", f"{row.name}, k = {k}: {interval(estimate)}") for k, estimate in row.curve.items()]
    dots = [element("circle", title, cx=x, cy=y, r=2.6) for (x, y), title in zip(places, said, strict=True)]
    line = element("polyline", points=" ".join(f"{x},{y}" for x, y in places), class_=f"line {style}")
    return joined(line, element("g", *dots, class_=f"dots {style}"))


def _band(row: Standing, style: str, n: int, top: float) -> Markup:
    upper = [f"{_x(k, n)},{_y(estimate.high, top)}" for k, estimate in row.curve.items()]
    lower = [f"{_x(k, n)},{_y(estimate.low, top)}" for k, estimate in reversed(list(row.curve.items()))]
    return element("polygon", points=" ".join(upper + lower), class_=f"band {style}")


def _pass_rates(result: Result) -> list[list[str]]:
    columns = list(result.standings[0].pass_at)
    rows = [["", *map(named, columns), "coverage", "pass@1 by seed"]]
    for row in result.standings:
        coverage = "" if row.coverage is None else interval(row.coverage)
        by_seed = ", ".join(f"{100 * value:.1f}" for value in row.by_seed)
        rows.append([row.name, *(interval(row.pass_at[column]) for column in columns), coverage, by_seed])
    return rows


def _gains(result: Result) -> list[list[str]]:
    columns = list(result.standings[0].pass_at)
    head = [f"{result.first} minus", *map(named, columns)]
    return [head, *([name, *(points(gain[column]) for column in columns)] for name, gain in result.gains.items())]


def _budgets(result: Result) -> list[list[str]]:
    kinds = list(result.standings[0].budget)
    rows = [["", *(kind.replace("_", " ") for kind in kinds), "measured checkpoint, by seed"]]
    for row in result.standings:
        if row.budget:
            rows.append([row.name, *(f"{row.budget[kind]:,.0f}" for kind in kinds), "; ".join(row.selected)])
    return rows


def _table(title: str, rows: Sequence[Sequence[str]], about: str) -> Markup:
    head, *body = rows
    cells = [
        element("tr", element("th", first, scope="row"), *(element("td", cell) for cell in rest))
        for first, *rest in body
    ]
    return element(
        "section",
        element("h2", title),
        element(
            "div",
            element(
                "table",
                element("caption", about),
                element("thead", element("tr", *(element("th", cell, scope="col") for cell in head))),
                element("tbody", *cells),
            ),
            class_="card wide",
        ),
    )
