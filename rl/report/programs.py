"""The part of a report that shows programs: the problem as the model saw it, the program, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from rl.report.markup import Markup, element, joined, shortened
from rl.report.phases import OUTCOME_COLOURS
from rl.report.samples import Sample
from rl.report.words import plain_words

LONGEST_PROMPT, LONGEST_PROGRAM = 4000, 8000
"""Characters that are shown."""


def programs_section(samples: Sequence[Sample]) -> Markup | None:
    """Programs of the last rounds, then of the first; nothing where the store holds none."""
    if not samples:
        return None
    parts = []
    for title, early in (("At the end", False), ("In the first round", True)):
        cards = [
            _card(sample, opened=not early and place == 0)
            for place, sample in enumerate(samples)
            if sample.early == early
        ]
        if cards:
            parts.append(joined(element("h3", title), *cards))
    remark = (
        "Chosen from the stored rounds: the hardest pass, and of every way to fail the program that came nearest. The "
        "problem stands as the model saw it, with its example tests; hidden tests are never shown."
    )
    return element("section", element("h2", "Programs"), element("p", remark, class_="facts"), *parts, id="programs")


def _card(sample: Sample, opened: bool) -> Markup:
    colour = OUTCOME_COLOURS[sample.outcome]
    head = element(
        "summary",
        element("span", plain_words(sample.outcome), class_=f"pill {colour}"),
        element("span", sample.why, class_="why"),
    )
    facts = [f"{sample.n_passed} of {sample.n_tests} hidden tests passed"]
    if sample.error_type is not None:
        facts.append(sample.error_type + (f" in line {sample.error_line}" if sample.error_line else ""))
    if sample.reason is not None:
        facts.append(sample.reason)
    facts += [f"completion ended by {plain_words(sample.stop)}", f"stored as {sample.address}"]
    problem = element(
        "div",
        element("h4", "Problem ", element("span", sample.problem_id, class_="muted")),
        element("pre", shortened(sample.prompt, LONGEST_PROMPT), class_="prompt", tabindex="0"),
    )
    program = element("div", element("h4", "Program"), _listing(sample))
    body = element("div", problem, program, class_="pair")
    return element(
        "details", head, element("p", " · ".join(facts), class_="facts"), body, class_="card program", open=opened
    )


def _listing(sample: Sample) -> Markup:
    """The program with numbered lines, the line of its error marked."""
    lines = shortened(sample.program, LONGEST_PROGRAM).split("\n")
    if lines[-1] == "" and len(lines) > 1:
        lines.pop()
    marked = [
        element("span", f"{line}\n", class_="fault" if number == sample.error_line else None)
        for number, line in enumerate(lines, start=1)
    ]
    return element("pre", element("code", *marked), class_="listing", tabindex="0")
