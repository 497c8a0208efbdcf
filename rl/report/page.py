"""The report of a run as one HTML page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rl.config import keys
from rl.config_files import flat
from rl.evaluate import Estimate
from rl.report.critic import CRITIC_TERMS, critic_section
from rl.report.document import document
from rl.report.figures import alarm_counts, figure, first_and_last
from rl.report.markup import Markup, element, joined
from rl.report.phases import phase_section
from rl.report.programs import programs_section
from rl.report.reading import RunRecord, State
from rl.report.words import METRICS, OUTCOMES, STAGES, duration, metric, percent, plain_words

STATE_COLOURS = {State.FINISHED: "teal", State.RUNNING: "sky", State.INTERRUPTED: "gold"}
TERMS = {
    "round": "One collection of programs and the optimizer steps on it. This page counts rounds from 1, as the "
    "terminal does; the files of the run count from 0.",
    "group": "All programs that were written for one problem in one round.",
    "held-out": "Problems that are used for nothing but measuring.",
    "pass@k": "Chance that at least one of k programs for a problem passes all hidden tests, averaged over problems "
    "without bias. The interval is a bootstrap over problems and holds 95%.",
}
"""Words of the page that are no metric."""


def page(run: RunRecord) -> str:
    """The whole page."""
    name = run.folder.resolve().name
    critic = critic_section(run.critic)
    body = element(
        "body",
        _header(run, name, has_critic=critic is not None),
        element(
            "main",
            _result(run),
            _alarms(run),
            *(phase_section(phase) for phase in run.phases),
            critic,
            programs_section(run.samples),
            _settings(run),
            _glossary(run, CRITIC_TERMS if critic is not None else {}),
        ),
        element(
            "footer", f"Written by rl-train report on {datetime.now(UTC):%Y-%m-%d at %H:%M} UTC from {run.folder}."
        ),
    )
    return document(f"{name} · rl-train report", body)


def _header(run: RunRecord, name: str, has_critic: bool) -> Markup:
    sections = [(f"phase-{phase.name}", plain_words(phase.name)) for phase in run.phases]
    if has_critic:
        sections.append(("critic", "critic"))
    if run.samples:
        sections.append(("programs", "programs"))
    sections += [("settings", "settings"), ("glossary", "glossary")]
    links = [element("a", word, href=f"#{place}") for place, word in sections]
    return element(
        "header",
        element("p", "rl-train report ", element("span", str(run.state), class_=f"pill {STATE_COLOURS[run.state]}")),
        element("h1", name),
        element("p", " · ".join(_facts(run)), class_="facts"),
        element("nav", *links, aria_label="Sections"),
    )


def _facts(run: RunRecord) -> Iterator[str]:
    """What the run was, in a few words."""
    recipe, parameters = run.config.get("recipe"), run.manifest.get("parameters")
    model, data = (_mapping(run.config.get(section)).get("name") for section in ("model", "data"))
    if recipe:
        yield str(recipe)
    if model:
        yield f"{model}, {parameters:,} parameters" if isinstance(parameters, int) else str(model)
    if data:
        yield f"problems of {data}"
    if "seed" in run.manifest:
        yield f"seed {run.manifest['seed']}"
    yield f"{sum(phase.n_rounds for phase in run.phases):,} rounds"
    seconds = sum(sum(phase.total_seconds.values()) for phase in run.phases)
    if seconds:
        yield f"{duration(seconds)} of training"


def _result(run: RunRecord) -> Markup:
    """The headline: what the policy could do before and after."""
    if not run.evaluations:
        return element("section", *_latest_dev(run), class_="card hero")
    last_name, last = list(run.evaluations.items())[-1]
    k = min(last.pass_at)
    ends = first_and_last(run)
    if ends and k in ends[0][1].pass_at:
        before, after = ends[0][1].pass_at[k], last.pass_at[k]
        points = 100 * (after.mean - before.mean)
        big = joined(percent(before.mean), element("span", " → ", class_="muted"), percent(after.mean))
        words = f"pass@{k} on {last.n_problems} held-out problems, {ends[0][0]} → {last_name}: {points:+.1f} points"
    else:
        big, words = (
            joined(percent(last.pass_at[k].mean)),
            f"pass@{k} on {last.n_problems} held-out problems, {last_name}",
        )
    return element(
        "section",
        element("p", big, class_="big"),
        element("p", words, class_="lede"),
        *(_intervals(run, k) for k in last.pass_at),
        element(
            "p", "Dot: mean over problems. Bar: 95% interval. Scale: 0 to 100%, a mark at each quarter.", class_="facts"
        ),
        class_="card hero",
    )


def _latest_dev(run: RunRecord) -> Iterator[Markup]:
    """In place of the headline, where no held-out evaluation was made yet."""
    yield element("p", "No held-out evaluation yet.", class_="lede")
    for phase in run.phases:
        if "dev_pass_rate" in phase.metrics:
            series = phase.metrics["dev_pass_rate"]
            words = (
                f"{plain_words(phase.name)}: dev pass rate {percent(series[-1][1])} after round {series[-1][0] + 1:,}"
            )
            yield element("p", f"{words} (highest: {percent(figure(series).highest)})", class_="facts")


def _intervals(run: RunRecord, k: int) -> Markup:
    """pass@k of every evaluation as a dot with its interval, on one scale."""
    rows = [(name, evaluation.pass_at[k]) for name, evaluation in run.evaluations.items() if k in evaluation.pass_at]
    words = "; ".join(f"{name} {_with_interval(estimate)}" for name, estimate in rows)
    bars = []
    for place, (name, estimate) in enumerate(rows):
        colour = "teal" if place == len(rows) - 1 else "slate"
        width = max(0.4, 100 * (estimate.high - estimate.low))
        track = element(
            "span",
            element("i", class_="bar", style=f"left:{100 * estimate.low:.2f}%;width:{width:.2f}%"),
            element("i", class_="dot", style=f"left:{100 * estimate.mean:.2f}%"),
            class_=f"track {colour}",
        )
        label = element("span", plain_words(name), class_="name")
        bars.append(
            element("div", label, track, element("span", _with_interval(estimate), class_="value"), class_="row")
        )
    return element(
        "div", element("h3", f"pass@{k}"), *bars, class_="intervals", role="group", aria_label=f"pass@{k}: {words}"
    )


def _with_interval(estimate: Estimate) -> str:
    return f"{percent(estimate.mean)} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})"


def _alarms(run: RunRecord) -> Markup | None:
    """Alarms of the run, and what of its folder could not be read."""
    items = []
    for alarm in alarm_counts(run):
        where = f"round {alarm.first_round + 1:,}"
        if alarm.count > 1:
            where = f"{alarm.count:,} times, rounds {alarm.first_round + 1:,} to {alarm.last_round + 1:,}"
        items.append(
            element(
                "li", element("b", plain_words(alarm.name)), f" · {plain_words(alarm.phase)}, {where}: {alarm.message}"
            )
        )
    notes = [element("li", note) for note in run.notes]
    if not items and not notes:
        return None
    return element(
        "section",
        joined(element("h2", "Alarms"), element("ul", *items, class_="plain card alarms")) if items else None,
        joined(element("h2", "Notes"), element("ul", *notes, class_="plain card")) if notes else None,
    )


def _settings(run: RunRecord) -> Markup:
    known = {name: (default, meaning) for name, default, meaning in keys()}
    rows = []
    for name, value in flat(run.config).items():
        default, meaning = known.get(name, (value, ""))
        usual = json.loads(json.dumps(default, default=str))
        changed = value != usual
        note = element("span", f"default {_written(usual)}", class_="muted") if changed else None
        shown = element("b", _written(value)) if changed else _written(value)
        rows.append(_row(name, joined(shown, " ", note), meaning))
    versions = [_row(name, joined(_written(value)), "") for name, value in flat(run.manifest).items()]
    return element(
        "section",
        element("h2", "Settings"),
        element(
            "details",
            element("summary", "Config, as resolved; what differs from the default is bold"),
            element("table", element("tbody", *rows), class_="settings"),
            class_="card",
        ),
        element(
            "details",
            element("summary", "Environment"),
            element("table", element("tbody", *versions), class_="settings"),
            class_="card",
        ),
        id="settings",
    )


def _row(name: str, value: Markup, meaning: str) -> Markup:
    about = element("span", meaning, class_="meaning") if meaning else None
    return element("tr", element("th", name, about, scope="row"), element("td", value))


def _written(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, default=str)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _glossary(run: RunRecord, of_critic: Mapping[str, str]) -> Markup:
    """A line for each word of the page."""
    seen = {key for phase in run.phases for key in phase.metrics} - {"signal"}
    stages = {key for phase in run.phases for key in phase.seconds}
    outcomes = {name for phase in run.phases for name in phase.outcomes}
    words = TERMS | dict(of_critic)
    words |= {
        metric(key).label: metric(key).meaning for key in [*METRICS, *sorted(seen - METRICS.keys())] if key in seen
    }
    words |= {plain_words(name): meaning for name, meaning in OUTCOMES.items() if name in outcomes}
    words |= {label: meaning for key, (label, meaning) in STAGES.items() if key in stages}
    pairs = [element("div", element("dt", word), element("dd", meaning)) for word, meaning in words.items()]
    return element("section", element("h2", "Glossary"), element("dl", *pairs, class_="card"), id="glossary")
