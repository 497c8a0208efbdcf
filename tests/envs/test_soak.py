"""Many mixed programs: no wrong verdict, nothing left behind, memory flat, the same under a crowded machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from envs.grading import Grader, GradeRequest
from envs.problem import Problem, problem_from_row
from envs.verdict import Outcome
from tests.envs.conftest import LEVELS
from tests.processes import descendants


def problem(interface: str, tests: list[object], cpu_s: float = 1.0) -> Problem:
    row = {"id": interface, "statement": "", "interface": interface, "hidden_tests": tests}
    return problem_from_row({**row, "entry_point": "f", "limits": {"cpu_s": cpu_s, "memory_mb": 128}})


FUNCTION = problem("function", [{"input": [n], "output": n + 1} for n in (1, 5)])
HASTY = problem("function", [{"input": [1], "output": 2}], cpu_s=0.05)
SCRIPT = problem("stdio", [{"input": "1\n", "output": "2\n"}])
REMOTE = problem("assert", ["def check(c):\n    for n in (1, 2): assert c(n) == n + 1"])

MIXED = [
    (FUNCTION, "def f(x): return x + 1", Outcome.PASSED),
    (FUNCTION, "def f(x): return x", Outcome.WRONG_ANSWER),
    (SCRIPT, "print(int(input()) + 1)", Outcome.PASSED),
    (SCRIPT, "print(int(input()))", Outcome.WRONG_ANSWER),
    (REMOTE, "def f(x): return x + 1", Outcome.PASSED),
    (REMOTE, "def f(x): return [x + 1]", Outcome.WRONG_ANSWER),
    (FUNCTION, "def f(x): return {}[x]", Outcome.RUNTIME_ERROR),
    (FUNCTION, "def f(x) return", Outcome.COMPILE_ERROR),
    (FUNCTION, "def f(x): return [0] * 10**9", Outcome.MEMORY_LIMIT),
    (FUNCTION, "import ctypes\ndef f(x): return ctypes.string_at(0)", Outcome.RUNTIME_ERROR),
    (FUNCTION, "import os\nos._exit(0)", Outcome.RUNTIME_ERROR),
    (FUNCTION, "import os\ndef f(x):\n    os.fork()\n    return x + 1", Outcome.RUNTIME_ERROR),
    (SCRIPT, "while True: print('x' * 10**5)", Outcome.OUTPUT_LIMIT),
    (HASTY, "def f(x):\n    while True: pass", Outcome.TIMEOUT),
    (
        FUNCTION,
        "import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()\ndef f(x): return x + 1",
        Outcome.PASSED,
    ),
]


def requests(n: int) -> Iterator[tuple[GradeRequest, Outcome]]:
    for index in range(n):
        of, program, outcome = MIXED[index % len(MIXED)]
        yield GradeRequest(of, f"{program}\n# {index}", of.hidden_tests), outcome


def wrong_verdicts(grader: Grader, n: int) -> list[str]:
    pairs = list(requests(n))
    verdicts = grader.grade(request for request, _ in pairs)
    return [
        f"{request.program!r}: {verdict}"
        for (request, outcome), verdict in zip(pairs, verdicts, strict=True)
        if verdict.outcome is not outcome
    ]


def footprint(pids: list[int]) -> tuple[int, int]:
    """Resident pages and open descriptors of processes, once they have come to rest."""
    time.sleep(0.2)
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages, sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def soak(level: str, n: int) -> None:
    others = descendants(os.getpid())
    with Grader(2, isolation=level, cache_size=64) as grader:
        assert wrong_verdicts(grader, 10 * len(MIXED)) == []
        pids = descendants(os.getpid(), but=others)
        pages, descriptors = footprint(pids)
        assert wrong_verdicts(grader, n) == []
        assert descendants(os.getpid(), but=others) == pids
        pages_after, descriptors_after = footprint(pids)
    assert descriptors_after == descriptors
    assert pages_after < pages + 1024 * len(pids) / 4  # a MiB of pages per process
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.slow
@pytest.mark.parametrize("level", [level for level in LEVELS if level != "L1"])
def test_two_thousand_mixed_programs(level: str) -> None:
    soak(level, 1000)


@pytest.mark.soak
@pytest.mark.parametrize("level", [level for level in LEVELS if level != "L1"])
def test_twenty_thousand_mixed_programs(level: str) -> None:
    soak(level, 20_000)


@pytest.mark.slow
def test_verdicts_are_the_same_on_a_crowded_machine() -> None:
    """Four busy processes per core take most of the time: right programs near their limits still pass."""
    near = problem("function", [{"input": [1], "output": 2}], cpu_s=0.6)
    loops = "import time\ndef f(x):\n    while time.process_time() < 0.25: pass\n    return x + 1"
    sleeps = "import time\ndef f(x):\n    time.sleep(0.3)\n    return x + 1"
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 * len(os.sched_getaffinity(0)))
    ]
    try:
        with Grader() as grader:
            programs = [
                GradeRequest(near, f"{text}  # {n}", near.hidden_tests) for n in range(4) for text in (loops, sleeps)
            ]
            assert {verdict.outcome for verdict in grader.grade(programs)} == {Outcome.PASSED}
            assert wrong_verdicts(grader, 3 * len(MIXED)) == []
    finally:
        for process in busy:
            process.kill()
            process.wait()
