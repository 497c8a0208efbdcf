"""Start checks: the run's own grader on programs whose verdicts are known, before anything is trained.

A grader that fails right programs, or passes empty ones, teaches nothing and shows it by nothing but a flat curve.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from envs.cheats import cheats
from envs.errors import UserError
from envs.grading import GradeRequest
from envs.problem import HiddenTests, Interface, Problem, TestCase
from envs.verdict import Outcome, Verdict

Grade = Callable[[Iterable[GradeRequest]], Sequence[Verdict]]
"""Grades many requests, verdicts in order: `Grader.grade`."""

KNOWN = Problem(
    id="known",
    statement="Add two numbers.",
    interface=Interface.FUNCTION,
    entry_point="add",
    hidden_tests=HiddenTests((TestCase([1, 2], 3), TestCase([-1, 5], 4))),
    solutions=("def add(a, b):\n    return a + b\n",),
    wrong_programs=("def add(a, b):\n    return a - b\n",),
)
"""A problem that a grader cannot get wrong unless something is wrong with it."""
TRIED = 3
"""Problems of the run's own set that are tried."""
TRIED_MORE = 24
"""References that are asked before all are called wrong: in published sets up to four of ten are."""
SOLVE_NOTHING = ("empty", "exit 0")
"""Programs of `cheats` that no test may let pass."""


def check_start(grade: Grade, train: Sequence[Problem], labelled: Sequence[Problem]) -> list[str]:
    """What is to be said of the grader and of the problems, one line each; the first sums up, others warn.

    References are those of `train`, or where it has none those of `labelled`. Raises UserError where the grader
    misjudges the built-in programs, where a program that does nothing passes, and where no reference passes.
    """
    _check_known(grade)
    solved = [problem for problem in train if problem.solutions] or [p for p in labelled if p.solutions]
    references = _spread(solved, TRIED)
    problems = list({id(problem): problem for problem in (*references, *_spread(train, TRIED))}.values())
    _check_nothing_passes(grade, problems)
    said = [f"grader checked: it tells right from wrong; {len(problems)} problems refuse programs that do nothing"]
    if not references:
        return said
    failures = _failures(grade, references)
    if len(failures) == len(references):
        _check_some_passes(grade, solved)
    said[0] += f"; {len(references) - len(failures)} of {len(references)} references pass"
    if failures:
        said.append(
            f"warning: the reference of {failures[0]}; expected passed; `rl-train audit problems` finds all that fail"
        )
    return said


def _check_known(grade: Grade) -> None:
    """Raise UserError unless the right program passes and the wrong one gets a wrong answer."""
    programs = {Outcome.PASSED: KNOWN.solutions[0], Outcome.WRONG_ANSWER: KNOWN.wrong_programs[0]}
    verdicts = grade([GradeRequest(KNOWN, program, KNOWN.hidden_tests) for program in programs.values()])
    for expected, verdict in zip(programs, verdicts, strict=True):
        if verdict.outcome is not expected:
            kind = "right" if expected is Outcome.PASSED else "wrong"
            raise UserError(
                f"graders: a program known to be {kind} got {_describe(verdict)}; expected {expected}; no verdict of "
                f"this grader can be trusted: see `rl-train doctor`"
            )


def _check_nothing_passes(grade: Grade, problems: Sequence[Problem]) -> None:
    """Raise UserError for the first problem that a program which does nothing passes."""
    pairs = [(problem, name) for problem in problems for name in SOLVE_NOTHING]
    verdicts = grade([GradeRequest(problem, cheats(problem)[name], problem.hidden_tests) for problem, name in pairs])
    for (problem, name), verdict in zip(pairs, verdicts, strict=True):
        if verdict.passed:
            raise UserError(
                f"data: problem {problem.id}: the program {name!r}, which does nothing, passes all "
                f"{verdict.n_tests} hidden tests; expected it to fail; `rl-train audit problems` finds such problems "
                f"and --fix leaves them out"
            )


def _check_some_passes(grade: Grade, solved: Sequence[Problem]) -> None:
    """Raise UserError unless at least one of more references passes."""
    more = _spread(solved, TRIED_MORE)
    failures = _failures(grade, more)
    if len(failures) == len(more):
        raise UserError(
            f"data: none of {len(more)} reference solutions passes the hidden tests: that of {failures[0]}; expected "
            f"passed; see `rl-train audit problems`"
        )


def _failures(grade: Grade, problems: Sequence[Problem]) -> list[str]:
    """`problem id got outcome` of every first reference that does not pass."""
    verdicts = grade([GradeRequest(problem, problem.solutions[0], problem.hidden_tests) for problem in problems])
    return [
        f"{problem.id} got {_describe(verdict)}"
        for problem, verdict in zip(problems, verdicts, strict=True)
        if not verdict.passed
    ]


def _spread(problems: Sequence[Problem], count: int) -> list[Problem]:
    """`count` problems at equal distances, or all where there are fewer."""
    count = min(count, len(problems))
    return [problems[place * len(problems) // count] for place in range(count)]


def _describe(verdict: Verdict) -> str:
    why = verdict.reason or verdict.error_type
    return f"{verdict.outcome} ({why})" if why else str(verdict.outcome)
