"""How answers are checked: by value (`envs.compare`), or as the paper of explicit knowledge transfer did."""

from __future__ import annotations

from dataclasses import replace

from envs.problem import HiddenTests, Interface, Problem, TestCase

PAPER_TOLERANCE = 0.01
_PAPER_CHECK = """\
def sat(answer):
    return type(answer) is float and abs(answer - {expected!r}) / max({expected!r}, 1e-5) < {tolerance}
"""


def checked_as_in_paper(problem: Problem) -> Problem:
    """The same question, accepted by |answer - y| / max(y, 1e-5) < 0.01 where the answer is a float (arXiv 2211.16740).

    It is kept for comparisons with the paper: it refuses integers, takes 100.9 for 100, and allows hardly any error
    where y is negative. Raises ValueError for a problem that is not answered by a number.
    """
    outputs = [case.output for case in problem.hidden_tests]
    numbers = [value for value in outputs if isinstance(value, int | float) and not isinstance(value, bool)]
    if problem.interface is not Interface.ANSWER or len(numbers) < len(outputs):
        raise ValueError(f"{problem.id}: the paper's check needs a number for an answer; the problem has {outputs!r}")
    tests = [
        TestCase(script=_PAPER_CHECK.format(expected=float(value), tolerance=PAPER_TOLERANCE)) for value in numbers
    ]
    return replace(problem, interface=Interface.PUZZLE, hidden_tests=HiddenTests(tuple(tests)))
