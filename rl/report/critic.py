"""The part of a report on a critic: how far it can be trusted, and programs coloured by what it says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from critics.calibration import Calibration, Scores
from rl.critic_tokens import ReadProgram, Token
from rl.report.critic_charts import course, reliability_chart, told, trace_chart
from rl.report.critic_record import CriticRecord
from rl.report.markup import Markup, element, joined, shortened
from rl.report.programs import LONGEST_PROMPT
from rl.report.words import plain_words

MOST_TOKENS = 600
"""Tokens of a program that are shown."""
STEPS = 10
"""Steps of the colour scale between 0 and 1."""
CLASS_COLOURS = MappingProxyType(
    {"passed": "teal", "failed": "gold", "failed_test": "gold", "compile_error": "indigo", "runtime_error": "rose"}
)
CRITIC_TERMS = MappingProxyType(
    {
        "p(passed)": "What the critic holds to be the chance that a program passes every hidden test, having read it "
        "up to a token.",
        "macro-F1": "F1 of an outcome is 2 × hits / (guesses + occurrences); this is the mean over outcomes.",
        "ECE": "Expected calibration error: how far the critic's confidence is from how often it is right, on average.",
        "pass AUC": "Chance that a program that passes has a higher p(passed) than one that fails; 0.5 is guessing.",
        "majority class": "The judge that always guesses the most frequent outcome, and reads no program.",
        "same problem": "The judge that guesses by how the other programs for the same problem ended.",
    }
)
"""Words of this part, for the glossary."""


def critic_section(record: CriticRecord | None) -> Markup | None:
    """Calibration and programs of a critic; nothing where the run has none or nothing of it can be read."""
    if record is None or (record.calibration is None and record.programs is None):
        return None
    return element(
        "section",
        element("h2", "Critic"),
        _calibration(record.calibration) if record.calibration is not None else None,
        _programs(record.programs) if record.programs is not None else None,
        id="critic",
    )


def _calibration(calibration: Calibration) -> Markup:
    facts = (
        f"Judged before reinforcement, on {calibration.n_programs:,} programs of the policy for "
        f"{calibration.n_problems:,} problems that this run did not fit it to."
    )
    reliability = element(
        "figure",
        element("figcaption", "Does what it says come true?"),
        element(
            "p", "Dots: programs with about the same p(passed), their number beside. Dashed: ideal.", class_="note"
        ),
        reliability_chart(calibration.reliability),
        class_="card",
    )
    cards = (_scores(calibration), _f1(calibration), reliability)
    return joined(
        element("p", facts, class_="facts"),
        element("div", *cards, class_="charts"),
        element("p", _verdict(calibration.better_inside()), class_="remark"),
    )


def _verdict(better: Mapping[str, bool]) -> str:
    """What the critic knows that the judges who read nothing do not."""
    known, unknown = ([plain_words(name) for name, wins in better.items() if wins == value] for value in (True, False))
    words = (
        f"Having read half of a program, the critic guesses {_listed(known) or 'no outcome'} better than both judges "
    )
    words += "that read none"
    return f"{words}, but not {_listed(unknown)}." if known and unknown else f"{words}."


def _listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)


def _scores(calibration: Calibration) -> Markup:
    judges = [(f"critic at {fraction:.0%}", scores) for fraction, scores in calibration.critic.items()]
    judges += [("majority class", calibration.majority), ("same problem", calibration.problem)]
    rows = []
    for name, scores in judges:
        # Its AUC is too low by construction for the judge that leaves a program out, and 0.5 for the other.
        auc = scores.auc[-1] if name.startswith("critic") else None
        values = (scores.accuracy, scores.macro_f1, scores.calibration_error, auc)
        cells = [element("td", _score(value)) for value in values]
        rows.append(element("tr", element("th", name, scope="row"), *cells))
    return _table(
        "How well it guesses",
        ("", "accuracy", "macro-F1", "ECE", "pass AUC"),
        rows,
        "%: share of a program's tokens that the critic has read.",
    )


def _f1(calibration: Calibration) -> Markup:
    judges: tuple[Scores, ...] = (
        calibration.critic[0.5],
        calibration.critic[1.0],
        calibration.majority,
        calibration.problem,
    )
    rows = []
    for place, (name, share) in enumerate(zip(calibration.classes, calibration.shares, strict=True)):
        values = [scores.f1[place] for scores in judges]
        best = max((value for value in values if value is not None), default=None)
        cells = [
            element("td", element("b", _score(value)) if value is not None and value == best else _score(value))
            for value in values
        ]
        rows.append(element("tr", element("th", plain_words(name), scope="row"), element("td", f"{share:.0%}"), *cells))
    heads = ("", "share", "critic 50%", "critic 100%", "majority class", "same problem")
    return _table("F1 per outcome", heads, rows, "Bold: the best of a row. Share: of the programs that ended so.")


def _table(title: str, heads: Sequence[str], rows: Sequence[Markup], note: str) -> Markup:
    head = element("thead", element("tr", *(element("th", word, scope="col") for word in heads)))
    table = element("table", element("caption", note), head, element("tbody", *rows), class_="tight")
    return element("figure", element("figcaption", title), table, class_="card")


def _programs(programs: Sequence[ReadProgram]) -> Markup:
    title = element("h3", "What it says, token by token")
    if not programs:
        words = "No problem that it was calibrated on has a program that passed and one that failed."
        return joined(title, element("p", words, class_="facts"))
    words = (
        "Programs of the policy for problems that this run did not fit the critic to: of each a long program that "
        "passed and a long one that failed. A token's colour is p(passed) once the critic has read it, by the state at "
        "that token alone; it can be read in the chart too, and in the margin for the end of each line."
    )
    by_problem: dict[str, list[ReadProgram]] = {}
    for program in programs:
        by_problem.setdefault(program.problem_id, []).append(program)
    cards = [_card(problem_id, both) for problem_id, both in by_problem.items()]
    return joined(title, element("p", words, class_="facts"), _scale(), *cards)


def _scale() -> Markup:
    """The colour scale with its ends in words."""
    steps = [element("i", class_=f"v{step}") for step in range(STEPS + 1)]
    return element(
        "p",
        element("span", "p(passed) 0%"),
        element("span", *steps, class_="scale", role="img", aria_label="from orange over grey to blue"),
        element("span", "100%"),
        element("span", element("span", class_="end-mark"), " end of text", class_="muted"),
        class_="scale-line",
    )


def _card(problem_id: str, programs: Sequence[ReadProgram]) -> Markup:
    return element(
        "article",
        element("h4", "Problem ", element("span", problem_id, class_="muted")),
        element("pre", shortened(programs[0].prompt, LONGEST_PROMPT), class_="prompt", tabindex="0"),
        element("div", *(_program(program) for program in programs), class_="pair"),
        class_="card judged",
    )


def _program(program: ReadProgram) -> Markup | None:
    tokens, outcome = program.tokens, plain_words(program.outcome)
    if not tokens:
        return None
    colour = CLASS_COLOURS.get(program.outcome, "slate")
    keys = [element("li", element("i", class_="key teal"), "p(passed)")]
    if program.outcome != "passed":
        keys.append(element("li", element("i", class_=f"key dashed {colour}"), f"p({outcome}), what happened"))
    left = len(tokens) - MOST_TOKENS
    return element(
        "div",
        element("h4", element("span", outcome, class_=f"pill {colour}")),
        element("ul", *keys, class_="legend"),
        trace_chart(tokens, program.outcome, colour),
        element(
            "pre",
            element("code", *(_line(line, program.outcome) for line in lines(tokens[:MOST_TOKENS]))),
            element("span", f"… {left:,} more tokens", class_="muted") if left > 0 else None,
            class_="tokens",
            tabindex="0",
            role="group",
            aria_label=f"Program, {outcome}. p(passed): {course(tokens)}",
        ),
    )


def lines(tokens: Sequence[Token]) -> list[list[tuple[str, Token]]]:
    """The lines of a program as (text, token): a token that runs over a line end is part of several lines.

    A last token without text, the end of text, stays; others without text are left out.
    """
    found: list[list[tuple[str, Token]]] = [[]]
    for token in tokens:
        for part in token.text.splitlines(keepends=True):
            found[-1].append((part, token))
            if part.endswith("\n"):
                found.append([])
    if tokens and not tokens[-1].text:
        found[-1].append(("", tokens[-1]))
    return found if found[-1] else found[:-1]


def _line(line: Sequence[tuple[str, Token]], outcome: str) -> Markup:
    """A line with p(passed) after its last token in the margin."""
    marks = []
    for text, token in line:
        kind = "end-mark " if not text else "line-end " if text.endswith("\n") else ""
        colour = f"v{round(STEPS * token.pass_prob)}"
        marks.append(element("span", text.removesuffix("\n"), class_=kind + colour, title=told(token, outcome)))
    return element("span", *marks, "\n", class_="code-line", data_said=f"{line[-1][1].pass_prob:.0%}")


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
