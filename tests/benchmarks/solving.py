"""What /v1/solve buys beside plain sampling at equal generated tokens, both through HTTP, judged by hidden tests.

    python -m tests.benchmarks.solving --policy RUN [--repair MODEL] [--size 150] [--budget 768] [--seeds 0,1] [--json OUT]

Plain sampling asks /v1/completions for one program after the other, until the budget of tokens is spent: a program is
cut off where it ends. `first` is whether the program that is handed in first is right: of plain sampling that is its
first one, of solve the one ranked first; `solved` is whether any program is. Hidden tests never reach the server.
Intervals are a bootstrap over problems, of means over seeds, and of paired differences.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envs.extract import extract_program
from envs.grading import Grader, GradeRequest
from envs.problem import Problem, problem_to_row
from envs.problem_sets import load_problems
from envs.prompts import plain
from rl.evaluate import estimate
from tests.command import serving
from tests.rl.serve.running import ask


def main() -> None:
    """Search and sample, grade, and print what was found."""
    options = _options()
    problems = load_problems("basics", "test").problems[: options.size]
    words = ["--policy", str(options.policy), "--critic", "--name", "it"]
    words += ["--repair", str(options.repair)] if options.repair else []
    found: dict[str, list[list[dict[str, float]]]] = {"plain": [], "solve": []}
    with serving(*words) as served, Grader() as grader, ThreadPoolExecutor(16) as clients:
        for seed in options.seeds:
            for name, way in (("plain", _sampled), ("solve", _solved)):
                written = list(clients.map(lambda problem: way(served.url, problem, seed, options), problems))  # noqa: B023
                found[name].append([_judged(grader, one, at) for one, at in zip(problems, written, strict=True)])
    values = {
        way: {m: [sum(seed[i][m] for seed in seeds) / len(seeds) for i in range(len(problems))] for m in seeds[0][0]}
        for way, seeds in found.items()
    }
    result: dict[str, Any] = {
        "command": " ".join(["python -m tests.benchmarks.solving", *sys.argv[1:]]),
        "problems": len(problems),
        "budget": options.budget,
        "cores": len(os.sched_getaffinity(0)),
    }
    result |= {way: {m: asdict(estimate(of)) for m, of in metrics.items()} for way, metrics in values.items()}
    result["solve - plain"] = {
        m: asdict(estimate([a - b for a, b in zip(values["solve"][m], values["plain"][m], strict=True)]))
        for m in ("first", "solved")
    }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _sampled(url: str, problem: Problem, seed: int, options: argparse.Namespace) -> tuple[list[str], int]:
    """Programs of plain sampling, and the tokens that were generated."""
    programs: list[str] = []
    left = options.budget
    while left > 0:
        body = {
            "model": "it",
            "prompt": plain(problem).text,
            "max_tokens": min(options.max_tokens, left),
            "temperature": options.temperature,
            "seed": 1000 * seed + len(programs),
        }
        reply = ask(f"{url}/v1/completions", body)
        assert reply.status == 200, reply.body
        programs.append(extract_program(reply.json["choices"][0]["text"], problem))
        left -= max(1, reply.json["usage"]["completion_tokens"])
    return programs, options.budget - left


def _solved(url: str, problem: Problem, seed: int, options: argparse.Namespace) -> tuple[list[str], int]:
    """Programs of a search, the best first, and the tokens that were generated."""
    row = problem_to_row(problem)
    body = {name: row[name] for name in ("entry_point", "starter_code", "example_tests", "interface", "limits")}
    del body["limits"]["output_kb"]
    body |= {"problem": problem.statement, "budget": options.budget, "max_tokens": options.max_tokens, "n": options.n}
    reply = ask(f"{url}/v1/solve", body | {"temperature": options.temperature, "seed": seed})
    assert reply.status == 200, reply.body
    return [program["program"] for program in reply.json["programs"]], reply.json["usage"]["completion_tokens"]


def _judged(grader: Grader, problem: Problem, written: tuple[Sequence[str], int]) -> dict[str, float]:
    programs, tokens = written
    verdicts = grader.grade([GradeRequest(problem, program, problem.hidden_tests) for program in programs])
    passed = [verdict.passed for verdict in verdicts]
    return {"first": float(passed[0]), "solved": float(any(passed)), "tokens": float(tokens)}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="run folder, with its critic")
    parser.add_argument("--repair", type=Path, help="repair model")
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--budget", type=int, default=768)
    parser.add_argument("--n", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=96)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--seeds", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
