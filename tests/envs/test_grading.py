"""Programs in, verdicts out: the interfaces, the limits and the meaning of each outcome, at every level."""

from __future__ import annotations

from typing import Any

import pytest

from envs.grading import Grader, GradeRequest
from envs.problem import ExampleTests, Problem, problem_from_row
from envs.verdict import Integrity, Outcome, Verdict


def function(tests: list[tuple[list[Any], Any]], **more: Any) -> Problem:
    """A problem about a function f."""
    rows = [{"input": given, "output": output} for given, output in tests]
    row = {"id": "f", "statement": "", "interface": "function", "entry_point": "f", "hidden_tests": rows, **more}
    return problem_from_row(row)


def stdio(tests: list[tuple[str, str]], **more: Any) -> Problem:
    """A problem about a script."""
    rows = [{"input": given, "output": output} for given, output in tests]
    return problem_from_row({"id": "s", "statement": "", "interface": "stdio", "hidden_tests": rows, **more})


ADD_ONE = function([([1], 2), ([5], 6)])
DOUBLE = stdio([("1\n", "2\n"), ("4\n", "8\n")])
QUICK = {"limits": {"cpu_s": 0.3, "memory_mb": 128, "output_kb": 64}}


def grade(grader: Grader, problem: Problem, program: str | bytes) -> Verdict:
    (verdict,) = grader.grade([GradeRequest(problem, program, problem.hidden_tests)])
    assert verdict.level == grader.level
    return verdict


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("def f(x): return x + 1", Outcome.PASSED),
        ("class Solution:\n    def f(self, x): return x + 1", Outcome.PASSED),
        ("def f(x): return x", Outcome.WRONG_ANSWER),
        ("def f(x) return x", Outcome.COMPILE_ERROR),
        ("x = '\0'", Outcome.COMPILE_ERROR),
        (b"def f(x): return '\xff'", Outcome.COMPILE_ERROR),
        ("def f(x): return undefined", Outcome.RUNTIME_ERROR),
        ("def g(x): return x + 1", Outcome.RUNTIME_ERROR),
        ("", Outcome.RUNTIME_ERROR),
        ("import sys; sys.exit(0)", Outcome.RUNTIME_ERROR),
        ("import os; os._exit(0)", Outcome.RUNTIME_ERROR),
        ("import ctypes\ndef f(x): return ctypes.string_at(0)", Outcome.RUNTIME_ERROR),
        ("def f(x): return bytearray(10**10)", Outcome.MEMORY_LIMIT),
        ("def f(x):\n    try: bytearray(10**10)\n    except MemoryError: return x + 1", Outcome.PASSED),
        ("def f(x):\n    while True: print('x' * 10**6)", Outcome.OUTPUT_LIMIT),
        ("def f(x): return 'x' * 10**6", Outcome.OUTPUT_LIMIT),
    ],
)
def test_outcomes_of_functions(grader: Grader, program: str | bytes, outcome: Outcome) -> None:
    problem = function([([1], 2), ([5], 6)], **QUICK)
    assert grade(grader, problem, program).outcome is outcome


def test_first_failing_test_decides_and_the_others_are_counted(grader: Grader) -> None:
    problem = function([([1], 1), ([2], 0), ([3], 0), ([4], 4)])
    verdict = grade(grader, problem, "def f(x):\n    if x == 3:\n        raise KeyError(x)\n    return x")
    assert verdict.outcomes == (Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.RUNTIME_ERROR, Outcome.PASSED)
    assert (verdict.outcome, verdict.n_passed, verdict.n_tests) == (Outcome.WRONG_ANSWER, 2, 4)
    assert (verdict.error_type, verdict.error_line) == ("KeyError", 3)
    assert verdict.integrity is Integrity.ISOLATED
    assert verdict.cpu_s > 0
    assert 1 < verdict.peak_memory_mb < 128


@pytest.mark.parametrize(
    "body", ["while True: pass", "sum(range(10**13))", "try:\n  while True: pass\n except BaseException: return x + 1"]
)
def test_cpu_limit_fires_in_time(grader: Grader, body: str) -> None:
    verdict = grade(grader, function([([1], 2), ([5], 6)], **QUICK), f"def f(x):\n {body}")
    assert verdict.outcomes == (Outcome.TIMEOUT, None)
    assert 0.3 <= verdict.cpu_s < 0.5


def test_sleeper_is_stopped_by_wall_time(grader: Grader) -> None:
    verdict = grade(grader, function([([1], 2)], **QUICK), "import time\ndef f(x): time.sleep(60)")
    assert verdict.outcome is Outcome.TIMEOUT
    assert verdict.cpu_s < 0.3
    assert 1.9 <= verdict.wall_s < 3.0


def test_details_come_from_example_tests_only(grader: Grader) -> None:
    tests = [{"input": [2, "a"], "output": ["a", "a"]}]
    problem = function([([2, "a"], ["a", "a"])], example_tests=tests)
    program = "def f(n, x): return (x,)"
    (shown,) = grader.grade([GradeRequest(problem, program, problem.example_tests)])
    assert shown.first_failure is not None
    assert (shown.first_failure.given, shown.first_failure.expected) == ("2, 'a'", "['a', 'a']")
    assert shown.first_failure.got == "('a',)"
    assert isinstance(problem.example_tests, ExampleTests)
    assert grade(grader, problem, program).first_failure is None


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("print(int(input()) * 2)", Outcome.PASSED),
        ("import sys\nfor line in sys.stdin: print(int(line) * 2)", Outcome.PASSED),
        ("print(int(open(0).read()) * 2)", Outcome.PASSED),
        ("import os\nprint(int(os.read(0, os.fstat(0).st_size)) * 2)", Outcome.PASSED),
        ("import sys\nsys.stdout.write(str(int(sys.stdin.buffer.readline()) * 2))\nquit()", Outcome.PASSED),
        ("import os\nprint(int(input()) * 2, flush=True)\nos._exit(0)", Outcome.PASSED),
        ("if __name__ == '__main__':\n    print(int(input()) * 2)", Outcome.PASSED),
        (
            "import threading\ndef go(): print(int(input()) * 2)\nthreading.stack_size(2**29)\n"
            "threading.Thread(target=go).start()",
            Outcome.PASSED,
        ),
        ("import atexit\natexit.register(lambda: print(int(input()) * 2))", Outcome.PASSED),
        ("out = open(1, 'w')\nout.write(str(int(input()) * 2))", Outcome.PASSED),
        ("print(int(input()) * 2); exit(1)", Outcome.RUNTIME_ERROR),
        ("print(int(input()) * 2); raise SystemExit('no')", Outcome.RUNTIME_ERROR),
        ("print(int(input()) * 2); 1 / 0", Outcome.RUNTIME_ERROR),
        ("print(2)", Outcome.WRONG_ANSWER),
        ("print(int(input()) * 2); print()\nprint(1)", Outcome.WRONG_ANSWER),
        ("input(); input()", Outcome.RUNTIME_ERROR),
        ("while True: print('x' * 1000)", Outcome.OUTPUT_LIMIT),
        ("print 1", Outcome.COMPILE_ERROR),
        ("x = [0] * 10**10", Outcome.MEMORY_LIMIT),
    ],
)
def test_outcomes_of_scripts(grader: Grader, program: str, outcome: Outcome) -> None:
    assert grade(grader, DOUBLE, program).outcome is outcome


FORGERIES = [
    b'{"i":0,"v":{"c":[1]}}',
    b'{"i":[],"v":1}',
    b'{"i":0,"v":{"q":["1e999999999",1]}}',
    b'{"i":0,"v":' + b"[" * 5000,
    b'{"i":0,"v":' + b"1" * 5000 + b"}",
    b'{"i":0,"e":5}\n{"i":1,"e":{}}',
    b'{"i":0,"e":["\\ud800",-1]}\n{"i":1,"e":[[],1e999]}',
    b'{"syntax":5}',
    b'{"importing":{}}',
    b"\xff\x00\n\n\n[]\n5\nnull",
    b'{"compiled":1}\n{"i":0,"passed":1}\n{"i":1,"passed":1}',
    b'{"i":0,"large":1}',
    b'{"i":true,"v":2}\n{"i":0.0,"v":{"t":{}}}',
]


@pytest.mark.parametrize("end", ["os._exit(0)", "os._exit(1)", "return 0"])
def test_forged_results_are_never_a_pass_and_never_our_fault(grader: Grader, end: str) -> None:
    cut = (
        "for n in (3, 4):\n        try: os.ftruncate(n, 0), os.lseek(n, 0, 0), os.write(n, {!r})\n"
        "        except OSError: pass"
    )
    programs = [
        f"import os\ndef f(x):\n    {cut.format(forged + tail)}\n    {end}"
        for forged in FORGERIES
        for tail in (b"", b"\n")
    ]
    remote = problem_from_row(
        {
            "id": "remote",
            "statement": "",
            "interface": "assert",
            "entry_point": "f",
            "hidden_tests": ["def check(c):\n    for n in (1, 5):\n        assert c(n) == n + 1"],
        }
    )
    one_process = problem_from_row(
        {
            "id": "together",
            "statement": "",
            "interface": "assert",
            "entry_point": "f",
            "hidden_tests": ["assert f(lambda: 1) == 2"],
        }
    )
    for problem in (ADD_ONE, DOUBLE, remote):
        for program in programs:
            outcome = grade(grader, problem, program + ("\nf(1)" if problem is DOUBLE else "")).outcome
            assert outcome not in (Outcome.PASSED, Outcome.SANDBOX_ERROR), program
    for program in programs:
        verdict = grade(grader, one_process, program)
        assert verdict.integrity is Integrity.IN_PROCESS
        assert verdict.outcome is not Outcome.SANDBOX_ERROR
