"""The part of a report on one phase: charts over its rounds, where its time went, a table of key figures."""

from __future__ import annotations

from types import MappingProxyType

from rl.report.charts import Line, area_chart, line_chart
from rl.report.figures import figure, idle_share, shown_metrics
from rl.report.markup import Markup, element, joined
from rl.report.reading import PhaseRecord
from rl.report.words import (
    IDLE,
    METRICS,
    OUTCOMES,
    PANELS,
    SECONDS,
    SHARE_OF_PROGRAMS,
    STAGES,
    Panel,
    duration,
    metric,
    percent,
    plain_words,
    stage,
)

LINE_COLOURS = ("teal", "orange", "indigo", "rose")
OUTCOME_COLOURS = MappingProxyType(
    dict(zip(OUTCOMES, ("teal", "gold", "indigo", "rose", "sky", "orange", "olive", "slate"), strict=True))
)
STAGE_COLOURS = MappingProxyType(
    {
        "write_s": "sky",
        "collect_s": "sky",
        "wait_s": "rose",
        "judge_s": "indigo",
        "learn_s": "teal",
        "after_s": "olive",
        "evaluate_s": "gold",
        "save_s": "orange",
    }
)
IDLE_WORTH_A_WORD = 0.005
"""Share of idle time from which the report speaks of it,"""
IDLE_WORTH_ADVICE = 0.2
"""and from which it says what helps."""


def phase_section(phase: PhaseRecord) -> Markup:
    """Everything about one phase."""
    total = sum(phase.total_seconds.values())
    facts = [f"{phase.n_rounds:,} {'round' if phase.n_rounds == 1 else 'rounds'}"]
    if total:
        facts.append(duration(total))
    if phase.alarms:
        facts.append(f"{len(phase.alarms):,} {'alarm' if len(phase.alarms) == 1 else 'alarms'},\u00a0marked\u00a0▾")
    return element(
        "section",
        element("h2", plain_words(phase.name)),
        element("p", " · ".join(facts), class_="facts"),
        element("div", *_charts(phase), class_="charts"),
        _idle(phase),
        _table(phase),
        id=f"phase-{phase.name}",
    )


def _charts(phase: PhaseRecord) -> list[Markup]:
    alarms, rounds = [alarm.round for alarm in phase.alarms], phase.n_rounds
    known = [panel for panel in PANELS if any(key in phase.metrics for key in panel.metrics)]
    in_panels = {key for panel in PANELS for key in panel.metrics}
    others = [key for key in shown_metrics(phase) if key not in in_panels]
    losses = [key for key in others if key.startswith("loss/")]
    own = [key for key in others if key not in losses and key != "grad_norm"]
    norms = [key for key in others if key == "grad_norm"]
    singles = [Panel(_heading(metric(key).label), (key,)) for key in (*losses, *norms, *own)]
    charts = [_panel(phase, panel, alarms) for panel in (*known, *singles)]
    if phase.outcomes:
        order = [*OUTCOMES, *sorted(phase.outcomes.keys() - {str(outcome) for outcome in OUTCOMES})]
        layers = [
            Line(plain_words(name), phase.outcomes[name], OUTCOME_COLOURS.get(name, "slate"))
            for name in order
            if name in phase.outcomes
        ]
        charts.insert(1, area_chart("Outcomes", layers, SHARE_OF_PROGRAMS, rounds, as_shares=True, alarms=alarms))
    if phase.seconds:
        order = [*STAGES, *sorted(phase.seconds.keys() - STAGES.keys())]
        layers = [
            Line(stage(key), phase.seconds[key], STAGE_COLOURS.get(key, "slate"))
            for key in order
            if key in phase.seconds and phase.total_seconds[key] > 0
        ]
        if layers:
            charts.append(area_chart("Time", layers, SECONDS, rounds, alarms=alarms))
    return charts


def _panel(phase: PhaseRecord, panel: Panel, alarms: list[int]) -> Markup:
    colours = dict(zip(panel.metrics, LINE_COLOURS, strict=False))
    lines = [Line(metric(key).label, phase.metrics[key], colours[key]) for key in panel.metrics if key in phase.metrics]
    unit, named = metric(panel.metrics[0]).unit, len(panel.metrics) > 1
    return line_chart(panel.title, lines, unit, phase.n_rounds, named=named, alarms=alarms)


def _idle(phase: PhaseRecord) -> Markup | None:
    """How long the learner had nothing to do, why, and what helps."""
    share = idle_share(phase)
    if share is None or share < IDLE_WORTH_A_WORD:
        return None
    words = (
        f"The learner was idle for {percent(share)} of this phase ({duration(phase.total_seconds[IDLE])}): "
        f"it waited for verdicts."
    )
    advice = " More graders (graders.workers), or writing a round ahead (reinforce.ahead = 1), would shorten that."
    return element("p", words, advice if share >= IDLE_WORTH_ADVICE else None, class_="remark")


def _table(phase: PhaseRecord) -> Markup:
    rows = []
    for key in sorted(shown_metrics(phase), key=_rank):
        words, values = metric(key), figure(phase.metrics[key])
        write = words.unit.write
        numbers = (write(values.start), write(values.end), f"{write(values.lowest)} to {write(values.highest)}")
        cells = [element("td", text) for text in numbers]
        about = element("td", words.meaning, class_="about")
        rows.append(element("tr", element("th", _heading(words.label), scope="row"), *cells, about))
    heads = [element("th", word, scope="col") for word in ("", "start", "end", "range")]
    heads.append(element("th", "meaning", scope="col", class_="about"))
    caption = element(
        "caption",
        "Start and end, also in the charts' legends: means of the first and last values, at most ten of each.",
    )
    table = element(
        "table", caption, element("thead", element("tr", *heads)), element("tbody", *rows), class_="figures"
    )
    return element("div", joined(table), class_="card wide")


def _rank(key: str) -> tuple[int, str]:
    """Metrics with words of their own first, in their order."""
    known = list(METRICS)
    return (known.index(key), key) if key in METRICS else (len(known), key)


def _heading(label: str) -> str:
    return label[:1].upper() + label[1:]
