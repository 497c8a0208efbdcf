"""Charts of a critic as inline SVG: how often came true what it said, and what it said along a program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from critics.calibration import Bin
from rl.critic_tokens import Token
from rl.report.charts import LEFT, RIGHT, WIDTH
from rl.report.markup import Markup, element
from rl.report.words import percent

RELIABILITY_HEIGHT, BOTTOM, TOP = 264.0, 34.0, 24.0
"""Height of the reliability picture in units of its view box, and its margins."""
LARGEST_DOT = 11.0
"""Radius of the dot for the bin with the most programs; areas stand for counts."""
TRACE_HEIGHT, TRACE_MARGIN = 76.0, 7.0
"""Height of the chart above a program, and its margin at the top and at the bottom."""
MOST_DOTS = 24
"""Tokens up to which every one of them has a dot."""
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def reliability_chart(bins: Sequence[Bin]) -> Markup:
    """p(passed) against the share that passed; a critic that knows how much it knows stands on the diagonal."""
    most = max((each.count for each in bins), default=1)
    bottom = RELIABILITY_HEIGHT - BOTTOM

    def x(share: float) -> float:
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(share: float) -> float:
        return round(bottom - share * (bottom - TOP), 1)

    marks = []
    for share in QUARTERS:
        marks.append(element("line", class_="grid", x1=x(0), x2=x(1), y1=y(share), y2=y(share)))
        marks.append(element("text", f"{100 * share:.0f}", class_="tick end", x=LEFT - 6, y=y(share) + 3.5))
        marks.append(element("text", f"{100 * share:.0f}", class_="tick middle", x=x(share), y=bottom + 16))
    marks.append(element("line", class_="ideal", x1=x(0), x2=x(1), y1=y(0), y2=y(1)))
    words, counts = [], []
    for each in bins:
        words.append(f"{percent(each.said)} said, {percent(each.happened)} passed: {_programs(each.count)}")
        across, up, size = x(each.said), y(each.happened), _radius(each.count, most)
        mark = (
            element("title", words[-1]),
            element("line", class_="miss", x1=across, x2=across, y1=y(each.said), y2=up),
            element("circle", class_="bin", cx=across, cy=up, r=size),
        )
        marks.append(element("g", *mark, class_="teal"))
        side, class_ = (-1, "count end") if each.said > 0.9 else (1, "count")
        place = round(across + side * (size + 3), 1)
        counts.append(element("text", f"{each.count:,}", class_=class_, x=place, y=up + 4))
    marks += counts  # above every dot
    marks.append(element("text", "passed (%)", class_="axis", x=2, y=10))
    marks.append(element("text", "p(passed) that was said (%)", class_="axis end", x=x(1), y=RELIABILITY_HEIGHT - 3))
    return _svg("Reliability of p(passed): " + "; ".join(words), RELIABILITY_HEIGHT, marks)


def trace_chart(tokens: Sequence[Token], outcome: str, colour: str) -> Markup:
    """p(passed) over the tokens of a program and, dashed, p(what happened) where that is something else."""
    size = (WIDTH - LEFT - RIGHT) / len(tokens)
    bottom = TRACE_HEIGHT - TRACE_MARGIN
    marks = []
    for share in (0.0, 0.5, 1.0):
        y = _trace_y(share)
        marks.append(element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        marks.append(element("text", f"{100 * share:.0f}%", class_="tick end", x=LEFT - 6, y=y + 3.5))
    places = [round(LEFT + (place + 0.5) * size, 1) for place in range(len(tokens))]
    if outcome != "passed":
        marks.append(_trace(places, [token.happened_prob for token in tokens], f"line happened {colour}"))
    marks.append(_trace(places, [token.pass_prob for token in tokens], "line teal"))
    if len(tokens) <= MOST_DOTS:
        dots = [
            element("circle", cx=x, cy=_trace_y(token.pass_prob), r=2.4)
            for x, token in zip(places, tokens, strict=True)
        ]
        marks.append(element("g", *dots, class_="dots teal"))
    edges = pairwise(round(LEFT + place * size, 1) for place in range(len(tokens) + 1))
    cells = [
        element(
            "rect",
            element("title", f"token {number}: {token.text!r}\n{told(token, outcome)}"),
            x=left,
            width=round(right - left, 1),
            y=TRACE_MARGIN,
            height=bottom - TRACE_MARGIN,
        )
        for number, ((left, right), token) in enumerate(zip(edges, tokens, strict=True), start=1)
    ]
    marks.append(element("g", *cells, class_="hover"))
    return _svg(f"p(passed) after each of {len(tokens):,} tokens: {course(tokens)}", TRACE_HEIGHT, marks)


def told(token: Token, outcome: str) -> str:
    """What the critic says after a token."""
    words = f"p(passed) {percent(token.pass_prob)}"
    if outcome != "passed":
        words += f"\np({outcome.replace('_', ' ')}) {percent(token.happened_prob)}"
    return words


def course(tokens: Sequence[Token]) -> str:
    """p(passed) along a program, in a few words."""
    values = [token.pass_prob for token in tokens]
    ends = f"{percent(values[0])} after the first, {percent(values[-1])} after the last"
    return f"{ends}, between {percent(min(values))} and {percent(max(values))}"


def _trace(places: Sequence[float], values: Sequence[float], class_: str) -> Markup:
    points = " ".join(f"{x},{_trace_y(value)}" for x, value in zip(places, values, strict=True))
    return element("polyline", points=points, class_=class_)


def _trace_y(share: float) -> float:
    return round(TRACE_HEIGHT - TRACE_MARGIN - share * (TRACE_HEIGHT - 2 * TRACE_MARGIN), 1)


def _radius(count: int, most: int) -> float:
    return round(max(2.5, LARGEST_DOT * math.sqrt(count / max(1, most))), 1)


def _programs(count: int) -> str:
    return f"{count:,} {'program' if count == 1 else 'programs'}"


def _svg(label: str, height: float, marks: Sequence[Markup]) -> Markup:
    box = f"0 0 {WIDTH:.0f} {height:.0f}"
    return element("svg", element("title", label), *marks, viewBox=box, role="img", aria_label=label, class_="chart")
