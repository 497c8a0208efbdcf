"""Charts as inline SVG: lines over rounds and stacked areas over rounds, small whatever the length of the run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rl.report.figures import figure
from rl.report.markup import Markup, element, joined
from rl.report.reading import Series
from rl.report.words import Unit

WIDTH, HEIGHT = 360.0, 208.0
"""Size of a chart in units of its view box, which are about CSS pixels on a phone and on a desktop."""
LEFT, RIGHT, TOP, BOTTOM = 46.0, 8.0, 22.0, 34.0
"""Margins around the plot."""
MOST_POINTS = 120
"""Points of a line; a longer run has several rounds in a point."""
SMOOTHED_FROM = 24
"""Points from which a line also has a moving average."""
MOST_DOTS = 16
"""Points up to which a line shows each of them as a dot."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart."""

    label: str
    """Its name in the legend."""
    values: Series
    """Its values."""
    style: str
    """CSS class that gives it its colour."""


@dataclass(frozen=True, slots=True)
class Point:
    """One or several rounds of a series."""

    first: int
    """First round, from 0."""
    last: int
    """Last round."""
    mean: float
    """Mean over the rounds."""
    low: float
    """Smallest value."""
    high: float
    """Largest value."""

    @property
    def middle(self) -> float:
        """Where it stands on the axis of rounds."""
        return (self.first + self.last) / 2


@dataclass(frozen=True, slots=True)
class Frame:
    """The plot's axes: from rounds and values to places."""

    first: int
    """First round."""
    last: int
    """Last round."""
    low: float
    """Value at the bottom."""
    high: float
    """Value at the top."""

    def x(self, number: float) -> float:
        """Place of a round."""
        share = (number - self.first) / (self.last - self.first) if self.last > self.first else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Place of a value."""
        return round(HEIGHT - BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM), 1)


def line_chart(
    title: str, lines: Sequence[Line], unit: Unit, n_rounds: int, *, named: bool = True, alarms: Sequence[int] = ()
) -> Markup:
    """Lines over `n_rounds` rounds, their start and end in the legend; `alarms` are rounds to mark.

    `named=False` leaves the name out of the legend, for a single line that the title speaks of.
    """
    drawn = [(line, binned(line.values)) for line in lines]
    frame = _frame([points for _, points in drawn], unit, n_rounds)
    marks: list[Markup | None] = []
    for line, points in drawn:
        marks.append(_band(points, frame, line.style))
        if len(points) <= MOST_DOTS:
            marks += [_path(points, frame, f"line {line.style}"), _dots(points, frame, line.style)]
        elif len(points) < SMOOTHED_FROM:
            marks.append(_path(points, frame, f"line {line.style}"))
        else:
            marks += [_path(points, frame, f"faint {line.style}"), _path(smoothed(points), frame, f"line {line.style}")]
    ends = [figure(line.values) for line in lines]
    changes = [f"{unit.write(values.start)} → {unit.write(values.end)}" for values in ends]
    legend = [(line.style, line.label if named else "", change) for line, change in zip(lines, changes, strict=True)]
    hover = _hover({line.label: points for line, points in drawn}, frame, unit)
    summary = "; ".join(f"{line.label} {change}" for line, change in zip(lines, changes, strict=True))
    svg = _svg(f"{title}, start → end: {summary}", frame, unit, joined(*marks, _alarms(alarms, frame), hover))
    return _figure(title, legend, svg)


def area_chart(
    title: str,
    layers: Sequence[Line],
    unit: Unit,
    n_rounds: int,
    *,
    as_shares: bool = False,
    alarms: Sequence[int] = (),
) -> Markup:
    """Layers stacked on one another, the first at the bottom; the legend gives each one's share of the whole.

    All layers have the same rounds; moving averages are drawn. `as_shares` makes them add up to 1 in every point.
    """
    heights = [binned(layer.values) for layer in layers]
    if as_shares:
        totals = [sum(point.mean for point in points) or 1.0 for points in zip(*heights, strict=True)]
        heights = [_with_means(row, [p.mean / t for p, t in zip(row, totals, strict=True)]) for row in heights]
    drawn = [smoothed(row) for row in heights]
    edges = [_with_means(heights[0], [0.0] * len(heights[0]))]
    for row in drawn:
        edges.append(_with_means(row, [a.mean + b.mean for a, b in zip(edges[-1], row, strict=True)]))
    frame = _frame(edges, unit, n_rounds)
    areas = [
        _area(below, above, frame, layer.style) for layer, (below, above) in zip(layers, pairwise(edges), strict=True)
    ]
    sums = [sum(value for _, value in layer.values) for layer in layers]
    whole = sum(sums) or 1.0
    legend = [(layer.style, layer.label, _percent(part / whole)) for layer, part in zip(layers, sums, strict=True)]
    summary = ", ".join(f"{label} {share}" for _, label, share in legend)
    hover = _hover({layer.label: row for layer, row in zip(layers, heights, strict=True)}, frame, unit)
    svg = _svg(f"{title}, over all rounds: {summary}", frame, unit, joined(*areas, _alarms(alarms, frame), hover))
    return _figure(title, legend, svg)


def binned(values: Series, most: int = MOST_POINTS) -> list[Point]:
    """At most `most` points, each over equally many rounds of the series (the last one perhaps fewer)."""
    size = max(1, math.ceil(len(values) / most))
    parts = [values[start : start + size] for start in range(0, len(values), size)]
    return [
        Point(
            first=part[0][0],
            last=part[-1][0],
            mean=sum(value for _, value in part) / len(part),
            low=min(value for _, value in part),
            high=max(value for _, value in part),
        )
        for part in parts
    ]


def smoothed(points: Sequence[Point]) -> list[Point]:
    """The moving average over about a twelfth of the points, those before and after each; fewer at both ends."""
    reach = len(points) // SMOOTHED_FROM
    result = []
    for place in range(len(points)):
        near = [point.mean for point in points[max(0, place - reach) : place + reach + 1]]
        result.append(sum(near) / len(near))
    return _with_means(points, result)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`."""
    rough = (high - low) / (most - 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * count, 12) for count in range(first, last + 1)]


def _with_means(points: Sequence[Point], means: Sequence[float]) -> list[Point]:
    """The same places with other values."""
    return [Point(p.first, p.last, mean, mean, mean) for p, mean in zip(points, means, strict=True)]


def _frame(points_of_lines: Sequence[Sequence[Point]], unit: Unit, n_rounds: int) -> Frame:
    every = [point for points in points_of_lines for point in points]
    low, high = min(point.low for point in every), max(point.high for point in every)
    if unit.from_zero:
        low = min(0.0, low)
    if unit.highest is not None:
        high = min(max(high, 0.05 * unit.highest), unit.highest)
    if high - low < 1e-9 * max(1.0, abs(high)):
        high = low + (1.0 if low == 0 else max(abs(low), 1e-9))
    places = ticks(low, high)
    return Frame(0, n_rounds - 1, places[0], places[-1])


def _svg(label: str, frame: Frame, unit: Unit, marks: Markup) -> Markup:
    """Axes, grid and marks under a text alternative."""
    bottom = HEIGHT - BOTTOM
    grid: list[Markup] = []
    for value in ticks(frame.low, frame.high):
        if frame.low <= value <= frame.high:
            y = frame.y(value)
            grid.append(element("line", class_="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
            text = unit.write(value).removesuffix("%").removesuffix(".0")
            grid.append(element("text", text, class_="tick end", x=LEFT - 6, y=y + 3.5))
    for number in _round_ticks(frame):
        x = frame.x(number - 1)
        grid.append(element("line", class_="grid", x1=x, x2=x, y1=bottom, y2=bottom + 4))
        grid.append(element("text", f"{number:,}", class_="tick middle", x=x, y=bottom + 16))
    percent = " (%)" if unit.highest == 1.0 else ""
    grid.append(element("text", unit.name + percent, class_="axis", x=2, y=10))
    grid.append(element("text", "round", class_="axis end", x=WIDTH - RIGHT, y=HEIGHT - 3))
    title = element("title", label)
    box = f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"
    return element("svg", title, *grid, marks, viewBox=box, role="img", aria_label=label, class_="chart")


def _round_ticks(frame: Frame) -> list[int]:
    """Rounds to name on the axis, counted from 1."""
    first, last = frame.first + 1, frame.last + 1
    if last - first < 2:
        return sorted({first, last})
    inner = {int(value) for value in ticks(first, last) if value == int(value) and first <= value <= last}
    room = (last - first) / 9
    return sorted({first, last} | {value for value in inner if value - first > room and last - value > room})


def _figure(title: str, legend: Sequence[tuple[str, str, str]], svg: Markup) -> Markup:
    keys = [
        element("li", element("i", class_=f"key {style}"), f"{label} ".lstrip(), element("b", value))
        for style, label, value in legend
    ]
    return element("figure", element("figcaption", title), element("ul", *keys, class_="legend"), svg, class_="card")


def _path(points: Sequence[Point], frame: Frame, class_: str) -> Markup:
    places = " ".join(f"{frame.x(point.middle)},{frame.y(point.mean)}" for point in points)
    return element("polyline", points=places, class_=class_)


def _dots(points: Sequence[Point], frame: Frame, style: str) -> Markup:
    circles = [element("circle", cx=frame.x(p.middle), cy=frame.y(p.mean), r=2.6) for p in points]
    return element("g", *circles, class_=f"dots {style}")


def _band(points: Sequence[Point], frame: Frame, style: str) -> Markup | None:
    """From the smallest to the largest value of each point, where points hold several rounds."""
    if all(point.first == point.last for point in points):
        return None
    upper = [f"{frame.x(point.middle)},{frame.y(point.high)}" for point in points]
    lower = [f"{frame.x(point.middle)},{frame.y(point.low)}" for point in reversed(points)]
    return element("polygon", points=" ".join(upper + lower), class_=f"band {style}")


def _area(low: Sequence[Point], high: Sequence[Point], frame: Frame, style: str) -> Markup:
    upper = [f"{frame.x(point.middle)},{frame.y(point.mean)}" for point in high]
    lower = [f"{frame.x(point.middle)},{frame.y(point.mean)}" for point in reversed(low)]
    return element("polygon", points=" ".join(upper + lower), class_=f"area {style}")


def _alarms(rounds: Sequence[int], frame: Frame) -> Markup | None:
    """A small mark above the plot for every place where an alarm was raised."""
    places = sorted({frame.x(number) for number in rounds if frame.first <= number <= frame.last})
    marks = [element("polygon", points=f"{x - 4},{TOP - 7} {x + 4},{TOP - 7} {x},{TOP - 1}") for x in places]
    return element("g", *marks, class_="alarm-marks") if marks else None


def _hover(points_of: Mapping[str, Sequence[Point]], frame: Frame, unit: Unit) -> Markup:
    """Columns, one per point of the longest line, that show their values in words when a pointer rests on them."""
    columns = max(points_of.values(), key=len)
    inner = [frame.x((one.last + two.first) / 2) for one, two in pairwise(columns)]
    cells = []
    for column, (left, right) in zip(columns, pairwise([LEFT, *inner, WIDTH - RIGHT]), strict=True):
        first, last = column.first, column.last
        words = [f"round {first + 1:,}" if first == last else f"rounds {first + 1:,} to {last + 1:,}"]
        for label, points in points_of.items():
            inside = [point for point in points if first <= point.last and point.first <= last]
            if inside:
                words.append(f"{label} {unit.write(inside[-1].mean)}")
        title = element("title", "\n".join(words))
        width = round(right - left, 1)
        cells.append(element("rect", title, x=left, width=width, y=TOP, height=HEIGHT - TOP - BOTTOM))
    return element("g", *cells, class_="hover")


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"
