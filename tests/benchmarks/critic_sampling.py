"""What critic sampling buys: plain sampling, best of n, refine, repair and both, at equal generated tokens.

    python -m tests.benchmarks.critic_sampling --policy RUN --critic CRITIC [--repair MODEL] [--budgets 384,768,1536]

Every way draws its first programs with the same random numbers. Intervals are a bootstrap over problems; `more than
plain` is paired by problem. Tokens that are only read, by the critic or as a prompt or seed, are not generated.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers

from critics.sampling import Cut, Drop, SamplingSettings
from envs.grading import Grader
from envs.problem_sets import load_problems
from rl.budget import compare_ways, load_searchers


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """One comparison per budget, printed as soon as it is there."""
    problems = load_problems(options.problems, options.split, options.data_path).problems[: options.size]
    write, critic, write_repair = load_searchers(options.policy, options.critic, options.repair, options.temperature)
    settings = SamplingSettings(
        budget=max(options.budgets),
        max_new_tokens=options.max_new_tokens,
        n=options.n,
        keep=options.keep,
        cut=Cut(options.cut),
        drop=Drop(options.drop),
        seed=options.seed,
    )
    found = {}
    with Grader(options.workers) as grader:
        for budget in options.budgets:
            started = time.perf_counter()
            comparison = compare_ways(
                problems,
                replace(settings, budget=budget),
                options.ks,
                write=write,
                critic=critic,
                grade=grader.grade,
                write_repair=write_repair,
            )
            found[budget] = comparison.as_dict() | {"wall_s": time.perf_counter() - started}
            print(comparison.table() + "\n", flush=True)
    return found


def about() -> dict[str, Any]:
    """Machine, versions, commit and command."""
    root = Path(__file__).resolve().parents[2]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True)
    return {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "commit": commit.stdout.strip(),
        "command": " ".join(["python", "-m", "tests.benchmarks.critic_sampling", *sys.argv[1:]]),
    }


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers between commas."""
    return tuple(int(part) for part in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="run folder, model folder, hub name")
    parser.add_argument("--critic", type=Path, required=True, help="folder of a critic that reads the policy's ids")
    parser.add_argument("--repair", type=Path, help="repair model (default: the ways that repair are left out)")
    parser.add_argument("--problems", default="basics", help="problem set (default: %(default)s)")
    parser.add_argument("--data-path", type=Path, help="its file or folder")
    parser.add_argument("--split", default="test", help="its split (default: %(default)s)")
    parser.add_argument("--size", type=int, default=100, help="first problems of it (default: %(default)s)")
    parser.add_argument("--budgets", type=numbers, default=(384, 768, 1536), help="tokens (default: 384,768,1536)")
    parser.add_argument("--ks", type=numbers, default=(1, 4), help="k of pass@k and k@all (default: 1,4)")
    parser.add_argument("--n", type=int, default=16, help="programs per round (default: %(default)s)")
    parser.add_argument("--max-new-tokens", type=int, default=96, help="longest completion (default: %(default)s)")
    parser.add_argument("--temperature", type=float, default=1.0, help="default: %(default)s")
    parser.add_argument("--keep", type=int, default=1, help="programs repaired a round (default: %(default)s)")
    parser.add_argument("--cut", choices=list(Cut), default=Cut.ARGMAX, help="default: %(default)s")
    parser.add_argument("--drop", choices=list(Drop), default=Drop.BELOW_FIRST, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--workers", type=int, help="grader processes (default: one per core)")
    parser.add_argument("--json", type=Path, help="also write everything here")
    options = parser.parse_args()
    results = {"about": about(), "budgets": measure(options)}
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
