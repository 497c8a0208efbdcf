"""Scripts, puzzles and answers: what is compared outside, what is called from afar, and the published sets."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from envs.grading import Grader, GradeRequest
from envs.problem import Problem, problem_from_row
from envs.problem_sets import humaneval
from envs.problem_sets.problem_set import ProblemSet
from envs.sandbox.scripts import Check, ScriptCall, script_calls
from envs.verdict import Integrity, Outcome, Verdict


def scripted(*scripts: str, interface: str = "assert", entry: str | None = "f", **more: Any) -> Problem:
    row = {"id": "p", "statement": "", "interface": interface, "entry_point": entry, "hidden_tests": list(scripts)}
    return problem_from_row({**row, **more})


def grade(grader: Grader, problem: Problem, program: str) -> Verdict:
    (verdict,) = grader.grade([GradeRequest(problem, program, problem.hidden_tests)])
    return verdict


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("assert f(1, 'a') == [1, (2,)]", ScriptCall("f", [1, "a"], {}, Check.EQUAL, [1, (2,)])),
        ("import math\nassert 3 == f(x=-1), 'why'", ScriptCall("f", [], {"x": -1}, Check.EQUAL, 3)),
        ("assert f({1}) is None", ScriptCall("f", [{1}], {}, Check.SAME, None)),
        ("assert not f(0)", ScriptCall("f", [0], {}, Check.FALSE)),
        ("assert candidate(0)", ScriptCall("f", [0], {}, Check.TRUE)),
        ("assert abs(f(2) - 0.5) < 1e-6", ScriptCall("f", [2], {}, Check.NEAR, 0.5, 1e-6)),
        ("def check(g):\n    'doc'\n    assert g(0)\n\ncheck(f)", ScriptCall("f", [0], {}, Check.TRUE)),
    ],
)
def test_assertions_become_calls(script: str, expected: ScriptCall) -> None:
    assert script_calls(script, "f") == [expected]


@pytest.mark.parametrize(
    "script",
    [
        "assert set(f(1)) == {1}",
        "assert f(f(1)) == 1",
        "assert f(x) == 1",
        "assert f(1) == 1 == f(1)",
        "x = 1\nassert f(1) == 1",
        "for i in range(3): assert f(i) == i",
        "assert f(*[1]) == 1",
        "assert len([1]) == 1",
        "assert f(1) is 5",
        "import (",
        "",
    ],
)
def test_other_scripts_do_not(script: str) -> None:
    assert script_calls(script, "f") is None


@pytest.mark.parametrize(
    ("script", "program", "outcome", "integrity"),
    [
        ("assert f(1) == 2", "def f(x): return x + 1", Outcome.PASSED, Integrity.ISOLATED),
        ("assert f('a')", "import re\ndef f(x): return re.match('a', x)", Outcome.PASSED, Integrity.ISOLATED),
        ("assert not f('a')", "import re\ndef f(x): return re.match('a', x)", Outcome.WRONG_ANSWER, Integrity.ISOLATED),
        (
            "assert f('a') and f('a')",
            "import re\ndef f(x): return re.match('a', x)",
            Outcome.PASSED,
            Integrity.REMOTE_CALL,
        ),
        ("assert f(1) == (1, 2)", "def f(x): return [1, 2]", Outcome.WRONG_ANSWER, Integrity.ISOLATED),
        ("assert abs(f(1) - 0.5) < 1e-6", "def f(x): return 10**400", Outcome.WRONG_ANSWER, Integrity.ISOLATED),
        ("assert sum([f(1)]) == 2", "def f(x): return x + 1", Outcome.PASSED, Integrity.REMOTE_CALL),
        ("assert sum([f(1)]) == 2", "def f(x): return x", Outcome.WRONG_ANSWER, Integrity.REMOTE_CALL),
        ("assert sum([f(1)]) == 2", "def f(x): return {}[x]", Outcome.RUNTIME_ERROR, Integrity.REMOTE_CALL),
        ("assert sum([f(1)]) == 2", "def f(x) return", Outcome.COMPILE_ERROR, Integrity.REMOTE_CALL),
        ("assert sum([f(1)]) == 2", "def f(x):\n    while True: pass", Outcome.TIMEOUT, Integrity.REMOTE_CALL),
        ("assert sum([f(1)]) == 2", "def f(x): return [0] * 10**10", Outcome.MEMORY_LIMIT, Integrity.REMOTE_CALL),
        ("assert sum([f(1)]) == 2", "import os\ndef f(x): os._exit(0)", Outcome.RUNTIME_ERROR, Integrity.REMOTE_CALL),
        ("a = [2, 1]\nf(a)\nassert a == [1, 2]", "def f(x): x.sort()", Outcome.PASSED, Integrity.REMOTE_CALL),
        (
            "try:\n    f(0)\nexcept ZeroDivisionError:\n    pass\nelse:\n    raise AssertionError",
            "def f(x): return 1 / x",
            Outcome.PASSED,
            Integrity.REMOTE_CALL,
        ),
        (
            "s = Stack()\ns.push(3)\ns.top = 4\nassert s.pop() == 3 and s.top == 4",
            "class Stack:\n    def __init__(self): self.a = []\n    def push(self, x): self.a.append(x)\n"
            "    def pop(self): return self.a.pop()\n",
            Outcome.PASSED,
            Integrity.REMOTE_CALL,
        ),
        (
            "assert sum([f(1)]) == 2 or f(1) == 9",
            "class E:\n    __eq__ = lambda s, o: True\n    __bool__ = lambda s: True\n"
            "    __add__ = __radd__ = lambda s, o: s\n"
            "def f(x): return E()",
            Outcome.WRONG_ANSWER,
            Integrity.REMOTE_CALL,
        ),
        ("assert f(lambda x: x + 1) == 2", "def f(g): return g(1)", Outcome.PASSED, Integrity.IN_PROCESS),
        ("assert f(lambda x: x + 1) == 2", "def f(g): return g(2)", Outcome.WRONG_ANSWER, Integrity.IN_PROCESS),
    ],
)
def test_scripts(grader: Grader, script: str, program: str, outcome: Outcome, integrity: Integrity) -> None:
    entry = None if "Stack" in script else "f"
    verdict = grade(grader, scripted(script, entry=entry, limits={"cpu_s": 0.3}), program)
    assert (verdict.outcome, verdict.integrity) == (outcome, integrity), verdict


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        pytest.param("def sol(): return [0] * 1_500_000 + [3, 4]", Outcome.PASSED, marks=pytest.mark.slow),
        ("def sol(): return [1 << 8_000_000]", Outcome.WRONG_ANSWER),
        ("def sol(): return [3, 4]", Outcome.PASSED),
        ("def sol(n=2): return list(range(3, 3 + n))", Outcome.PASSED),
        ("def sol(): return [4, 3]", Outcome.WRONG_ANSWER),
        ("def sol(): return (3, 4)", Outcome.WRONG_ANSWER),
        ("def sol(): return [3, True]", Outcome.WRONG_ANSWER),
        ("def sol(): return None", Outcome.WRONG_ANSWER),
        ("def sol(): return type('E', (list,), {'__eq__': lambda s, o: True})()", Outcome.WRONG_ANSWER),
        ("def sol(): return object()", Outcome.WRONG_ANSWER),
        ("def sol(): return 1 / 0", Outcome.RUNTIME_ERROR),
        ("import sys\nsys.modules['__main__'].sat = lambda x: True\ndef sol(): return [1]", Outcome.WRONG_ANSWER),
    ],
)
def test_puzzles(grader: Grader, program: str, outcome: Outcome) -> None:
    problem = scripted("def sat(x: List[int], n=2):\n    return x == sorted(x) and sum(x) == 7", interface="puzzle")
    problem = problem_from_row(
        {
            "id": "p",
            "statement": "",
            "interface": "puzzle",
            "entry_point": "sol",
            "hidden_tests": [case.script for case in problem.hidden_tests],
            "limits": {"cpu_s": 5, "output_kb": 8192},
        }
    )
    assert grade(grader, problem, program).outcome is outcome


@pytest.mark.parametrize(
    ("output", "tolerance", "value", "outcome"),
    [
        (18, 1e-3, "18", Outcome.PASSED),
        (18, 1e-3, "18.0", Outcome.PASSED),
        (18, 1e-3, "18.0001", Outcome.WRONG_ANSWER),
        (0.5, 1e-3, "0.5001", Outcome.PASSED),
        (0.5, None, "0.5001", Outcome.WRONG_ANSWER),
        (18, None, "'18'", Outcome.WRONG_ANSWER),
        (18, None, "print(18)", Outcome.WRONG_ANSWER),
    ],
)
def test_answers(grader: Grader, output: float, tolerance: float | None, value: str, outcome: Outcome) -> None:
    row = {"id": "a", "statement": "", "interface": "answer", "entry_point": "f", "tolerance": tolerance}
    problem = problem_from_row({**row, "hidden_tests": [{"output": output}]})
    assert grade(grader, problem, f"def f(): return {value}").outcome is outcome


def published(folder: str) -> Path:
    root = os.environ.get("RL_TRAIN_DATA")
    if root is None:
        pytest.skip("RL_TRAIN_DATA names no folder of published problem sets")
    return Path(root, folder)


def outcomes_of_solutions(problems: ProblemSet) -> Counter[Outcome]:
    with Grader() as grader:
        requests = [GradeRequest(p, p.solutions[0], p.hidden_tests) for p in problems if p.solutions]
        return Counter(verdict.outcome for verdict in grader.grade(requests))


@pytest.mark.slow
def test_humaneval_solutions_pass_and_their_mutants_fail() -> None:
    problems = humaneval.load(path=published("humaneval"))
    assert outcomes_of_solutions(problems) == {Outcome.PASSED: 164}
    with Grader() as grader:
        mutants = [
            GradeRequest(
                p,
                f"{p.solutions[0]}\n\n_right = {p.entry_point}\ndef {p.entry_point}(*a): return [_right(*a)]",
                p.hidden_tests,
            )
            for p in problems
        ]
        assert [verdict.passed for verdict in grader.grade(mutants)].count(True) == 0
