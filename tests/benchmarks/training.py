"""What a training round costs, stage by stage, beside transformers and TRL on the same model, prompts and samples.

    OMP_WAIT_POLICY=PASSIVE python -m tests.benchmarks.training [--rounds 5] [--quick] [--json results.json]

The policy is `scratch:tiny` after a short imitation of reference solutions. Variants run in turn in one process and each
ratio is taken within its turn, so that a busy machine distorts all alike. CPU seconds, of this process and of the
children that it has waited for, come first. Completions are "full" (no row ends before the limit, so that every side
writes and learns the same number of tokens) or "natural" (rows end where the policy ends them).

A round is one collection and one optimizer step. "TRL as it comes" leaves GRPOConfig at its defaults but for what fixes
the round; "TRL tuned" is the fastest of its batch sizes without activation checkpointing, found before the measurement.
Continuous batching takes the fastest of a few cache sizes in the same way.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Before torch loads: as the command line does, and because TRL and Ray would otherwise write to the terminal.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("DS_ACCELERATOR", "cpu")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import transformers

from envs.problem import Problem
from envs.problem_sets import load_problems
from envs.prompts import plain
from rl.batch import collate
from rl.collect import collect
from rl.credit import imitate
from rl.learner import policy_learner
from rl.losses import cross_entropy
from rl.models import Policy, load_policy
from rl.write import by_reference
from tests.benchmarks.training_stages import (
    Case,
    Cost,
    Variant,
    a_batch,
    continuous,
    generate,
    gradient_difference,
    learning,
    our_round,
    our_sampling,
    sharing_bound,
    trl_batch,
    trl_round,
)

WARM_UP = 1000
"""Number of a turn that is not measured."""
TARGETS = {
    "sampling, full: generate": 1.4,
    "sampling, natural: generate": 1.4,
    "sampling, full: continuous batching, tuned": 1.0,
    "learning, full: prompts not shared": 1.7,
    "learning, natural: prompts not shared": 1.7,
    "round, full: TRL as it comes": 2.5,
    "round, full: TRL tuned": 1.3,
    "round, natural: TRL as it comes": 2.5,
    "round, natural: TRL tuned": 1.3,
    "round with programs run, natural: TRL as it comes, subprocess reward": 3.0,
}


# ---- limits of the machine


def machine_limits() -> dict[str, float]:
    """Fastest multiplication of matrices (GFLOP/s) and fastest reading of memory (GB/s) seen here, by torch."""
    a, long = torch.randn(1024, 1024), torch.randn(32 * 2**20)

    def best(run: Callable[[], object]) -> float:
        times = []
        for _ in range(8):
            began = time.perf_counter()
            run()
            times.append(time.perf_counter() - began)
        return min(times)

    return {"gflops": 2 * 1024**3 / best(lambda: a @ a) / 1e9, "gb_per_s": 4 * long.numel() / best(long.sum) / 1e9}


def sampling_floor(case: Case, limits: dict[str, float]) -> dict[str, float]:
    """Wall seconds that the matrices, and reading the cache once, cost at these limits; for "full" completions."""
    model = case.policy.model
    config, n_rows = model.config, len(case.problems) * case.n
    prompt, new = max(map(len, case.prompts)), case.max_new_tokens
    places = sum(prompt + t for t in range(new))
    wide = config.num_hidden_layers * config.hidden_size
    flops = n_rows * (2 * model.num_parameters() * new + 4 * wide * places)
    heads = config.num_key_value_heads * config.head_dim
    cache_bytes = n_rows * 4 * 2 * config.num_hidden_layers * heads * places
    return {
        "matrices_s": flops / limits["gflops"] / 1e9,
        "cache_s": cache_bytes / limits["gb_per_s"] / 1e9,
        "gflop": flops / 1e9,
        "cache_gb": cache_bytes / 1e9,
    }


# ---- the measurement


def warm_policy(steps: int) -> tuple[Policy, tuple[Problem, ...]]:
    """`scratch:tiny` after `steps` steps of imitation, and the problems to train on."""
    labelled = load_problems("basics", "labelled", None).problems
    policy = load_policy("scratch:tiny", (plain(p).text + s for p in labelled for s in p.solutions), seed=0)
    learner = policy_learner(policy.model, learning_rate=3e-3, warmup_steps=10)
    write = by_reference(policy, ask=plain)
    for step in range(steps):
        drawn = [labelled[(64 * step + i) % len(labelled)] for i in range(64)]
        groups = list(collect(drawn, write, None))
        batch = collate(groups)
        learner.step(batch.with_advantages(imitate(groups, batch)), (cross_entropy(),), 1.0)
    return policy, load_problems("basics", "train", None).problems


def fastest(variants: dict[str, Variant]) -> tuple[str, Variant, dict[str, float]]:
    """The variant that costs least CPU per token in one turn; and what each cost."""
    costs = {}
    for name, run in variants.items():
        cost = run(WARM_UP)
        costs[name] = 1e6 * cost.cpu_s / cost.tokens
    best = min(costs, key=costs.__getitem__)
    return best, variants[best], costs


def compare(variants: dict[str, Variant], turns: int, *, warm_up_all: bool = True) -> dict[str, dict[str, Any]]:
    """Run the variants in turn; the first is ours, and each ratio is another's cost per token over ours.

    TRL's rounds need no warm-up turn: each leaves out its own first step.
    """
    for run in list(variants.values())[: None if warm_up_all else 1]:
        run(WARM_UP)
    costs: dict[str, list[Cost]] = {name: [] for name in variants}
    for turn in range(turns):
        for name, run in variants.items():
            costs[name].append(run(turn))
    ours = next(iter(costs.values()))
    print(f"measured beside ours: {', '.join(list(variants)[1:])}", file=sys.stderr, flush=True)
    return {name: _summary(theirs, ours) for name, theirs in costs.items()}


def _summary(theirs: Sequence[Cost], ours: Sequence[Cost]) -> dict[str, Any]:
    pairs = list(zip(theirs, ours, strict=True))
    cpu = [(a.cpu_s / a.tokens) / (b.cpu_s / b.tokens) for a, b in pairs]
    wall = [(a.wall_s / a.tokens) / (b.wall_s / b.tokens) for a, b in pairs]
    return {
        "cpu_s": statistics.median(cost.cpu_s for cost in theirs),
        "wall_s": statistics.median(cost.wall_s for cost in theirs),
        "tokens": statistics.median(cost.tokens for cost in theirs),
        "tokens_per_cpu_s": statistics.median(cost.tokens / cost.cpu_s for cost in theirs),
        "cpu_ratio": statistics.median(cpu),
        "cpu_ratio_range": [min(cpu), max(cpu)],
        "wall_ratio": statistics.median(wall),
        "turns": [dataclasses.asdict(cost) for cost in theirs],
    }


def measure(turns: int, *, quick: bool) -> dict[str, Any]:
    """Run every stage; returns stages, what tuning chose, differences of gradients, and limits."""
    policy, problems = warm_policy(20 if quick else 150)
    n_problems, n, longest = (4, 4, 16) if quick else (32, 8, 96)
    natural = Case(policy, problems[:n_problems], n, longest)
    full = natural.without_end()
    n_rows = n_problems * n
    stages: dict[str, Any] = {}
    tuned: dict[str, Any] = {}

    in_flight = [n_rows] if quick else [16, 32, 64]
    name, batching, tuned["continuous batching, CPU us per token by rows in flight"] = fastest(
        {str(rows): continuous(full, rows) for rows in in_flight}
    )
    stages["sampling, full"] = compare(
        {"ours": our_sampling(full), "generate": generate(full), "continuous batching, tuned": batching}, turns
    )
    stages["sampling, natural"] = compare({"ours": our_sampling(natural), "generate": generate(natural)}, turns)

    differences, bounds = {}, {}
    for length, case in (("full", full), ("natural", natural)):
        batch = a_batch(case)
        (shared, a), (apart, b) = (
            learning(case, batch, share_prompts=share, micro_batch_tokens=2048) for share in (True, False)
        )
        stages[f"learning, {length}"] = compare({"ours": shared, "prompts not shared": apart}, turns)
        differences[length], bounds[length] = gradient_difference(a, b), sharing_bound(case, batch)

    sizes = [n_rows] if quick else [rows for rows in (32, 128, 256) if rows <= n_rows]
    plainly: dict[str, Any] = {"activation_checkpointing": False, "gradient_checkpointing": False}
    candidates = {str(rows): trl_round(full, **trl_batch(full, rows), **plainly) for rows in sizes}
    name, _, tuned["TRL, CPU us per token by rows of a micro-batch"] = fastest(candidates)
    best, default = trl_batch(full, int(name)), trl_batch(full, min(8, n_rows))
    for length, case in (("full", full), ("natural", natural)):
        stages[f"round, {length}"] = compare(
            {
                "ours": our_round(case, run_programs=False),
                "TRL as it comes": trl_round(case, **default),
                "TRL tuned": trl_round(case, **best, **plainly),
            },
            turns,
            warm_up_all=False,
        )
    stages["round with programs run, natural"] = compare(
        {
            "ours": our_round(natural, run_programs=True),
            "TRL as it comes, subprocess reward": trl_round(natural, run_programs=True, **default),
            "TRL tuned, subprocess reward": trl_round(natural, run_programs=True, **best, **plainly),
        },
        turns,
        warm_up_all=False,
    )
    limits = machine_limits()
    return {
        "shape": {
            "problems": n_problems,
            "n": n,
            "max_new_tokens": longest,
            "parameters": policy.model.num_parameters(),
        },
        "stages": stages,
        "targets": TARGETS,
        "tuned": tuned,
        "gradient_difference": differences,
        "sharing_bound": bounds,
        "limits": limits,
        "sampling_floor": sampling_floor(full, limits),
    }


def table(results: dict[str, Any]) -> str:
    """The results as text; a ratio is theirs over ours, per completion token."""
    lines = [f"{'':72} {'CPU s':>7} {'wall s':>7} {'tokens':>7} {'CPU x':>6} {'range':>13} {'wall x':>6}  target"]
    for stage, variants in results["stages"].items():
        for name, row in variants.items():
            label = f"{stage}: {name}"
            low, high = row["cpu_ratio_range"]
            target = TARGETS.get(label)
            verdict = "" if target is None else f"{target} {'met' if row['cpu_ratio'] >= target else 'MISSED'}"
            lines.append(
                f"{label:72} {row['cpu_s']:7.2f} {row['wall_s']:7.2f} {row['tokens']:7.0f} {row['cpu_ratio']:6.2f} "
                f"{f'{low:.2f}..{high:.2f}':>13} {row['wall_ratio']:6.2f}  {verdict}"
            )
    floor = results["sampling_floor"]
    lines += [
        f"gradients, shared and not, relative difference: {results['gradient_difference']}",
        *(
            f"learning, {length}: sharing prompts can save at most {bound['tokens']:.2f}x the tokens and "
            f"{bound['multiplications']:.2f}x the multiplications"
            for length, bound in results["sharing_bound"].items()
        ),
        f"limits here: {results['limits']['gflops']:.0f} GFLOP/s, {results['limits']['gb_per_s']:.1f} GB/s; at these the "
        f"matrices of 'sampling, full' take {floor['matrices_s']:.2f} s and its cache {floor['cache_s']:.2f} s of wall time",
        *(
            f"{what}: { {size: round(value, 1) for size, value in costs.items()} }"
            for what, costs in results["tuned"].items()
        ),
    ]
    return "\n".join(lines)


def about() -> dict[str, Any]:
    """Machine, versions and commit."""
    import trl

    root = Path(__file__).resolve().parents[2]
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True)
    return {
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "trl": trl.__version__,
        "machine": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ["OMP_WAIT_POLICY"],
        "commit": commit.stdout.strip(),
        "command": " ".join(["python", "-m", "tests.benchmarks.training", *sys.argv[1:]]),
        "load_before": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="turns per stage (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="small shapes and one turn: does it run?")
    parser.add_argument("--json", type=Path, help="also write everything here")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    results = {"about": about()} | measure(1 if options.quick else options.rounds, quick=options.quick)
    print(table(results))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
