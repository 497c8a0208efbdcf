"""What critic sampling buys at equal generated tokens (CR-5), and whether repair uses its evidence (CR-6).

    python -m tests.benchmarks.critic_sampling --policy RUN --critic CRITIC [--repair MODEL] [--json OUT] [--svg OUT]

Plain sampling, best of n, refine, repair and both search with the largest budget and are looked at as they were when
they had generated so many tokens. All draw their first programs with the same random numbers. Intervals are a bootstrap
over seeds and problems; differences are paired by both. Tokens that are only read, by the critic or as a prompt or
seed, are not generated. `{seed}` in a folder's name stands for the seed, so that each has models of its own.

For the evidence, programs that fail an example test are written again once: by the repair model, shown what was found
of them or what was found of another program, and by the policy from the plain prompt.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from critics.candidates import Rank
from critics.model import OutcomeCritic
from critics.sampling import Cut, Drop, Request, SamplingSettings, Writer
from envs.feedback import by_examples
from envs.grading import Grader
from envs.problem import ExampleTests, Problem
from envs.problem_sets import load_problems
from envs.prompts import plain, repair
from envs.rollout import Group, Prompt, Rollout
from envs.verdict import Feedback
from rl.bootstrap import Scores, difference, mean_over_seeds, over_seeds
from rl.budget import Judged, Way, judge_ways, load_searchers, values_of
from rl.collect import collect
from rl.evaluate import Estimate
from rl.run import manifest
from rl.turns import Again, afresh, in_turns, later_turns
from rl.write import from_experience, ungraded
from tests.benchmarks.budget_chart import chart

TRUE = "repair, true evidence"
NOT_OF_THE_SEARCH = ("seeds", "workers", "keep_seeds", "json", "svg")
"""Options that leave what a seed finds as it is."""
FIRST_PROGRAMS = 4
"""Programs per problem of which those that fail are written again."""
Values = Mapping[str, Sequence[float | None]]
"""Metric -> one value per problem."""


@dataclass(frozen=True, slots=True)
class Searchers:
    """Who writes, judges and repairs."""

    write: Writer
    critic: OutcomeCritic
    repair: Writer | None
    grader: Grader


def search(
    searchers: Searchers,
    problems: Sequence[Problem],
    settings: SamplingSettings,
    budgets: Sequence[int],
    ks: Sequence[int],
) -> tuple[dict[str, dict[str, Values]], dict[str, Any]]:
    """The metrics of every way at every budget, problem by problem; and what its moves led to."""
    grade = searchers.grader.grade
    judged = judge_ways(problems, settings, searchers.write, searchers.critic, grade, searchers.repair)
    found = {str(budget): {way.name: values_of(of, ks, budget) for way, of in judged.items()} for budget in budgets}
    return found, moves({way: of for way, of in judged.items() if way.rank is Rank.EXAMPLES_CRITIC})


def compared(by_seed: Sequence[Mapping[str, Mapping[str, Values]]]) -> dict[str, Any]:
    """Means over seeds and problems by budget, way and metric, and differences from plain sampling."""
    found: dict[str, Any] = {}
    for budget, ways in by_seed[0].items():
        plain_name = next(iter(ways))
        found[budget] = {way: {"metrics": {}, "more than plain": {}} for way in ways}
        for way, metrics in ways.items():
            for metric in metrics:
                ours, base = ([seed[budget][name][metric] for seed in by_seed] for name in (way, plain_name))
                ours_SP, base_SP = known_in_all(ours, base)
                found[budget][way]["metrics"][metric] = shown(mean_over_seeds(ours_SP))
                found[budget][way]["more than plain"][metric] = shown(difference(ours_SP, base_SP))
    return found


def known_in_all(*values_SP: Sequence[Sequence[float | None]]) -> list[Scores]:
    """Each of some tables with the problems that are known in all seeds of all tables."""
    columns = [
        [value for row in rows for value in row]
        for rows in zip(*(zip(*v, strict=True) for v in values_SP), strict=True)
    ]
    known = [place for place, column in enumerate(columns) if None not in column]
    return [np.array([[row[place] for place in known] for row in table], dtype=np.float64) for table in values_SP]


def moves(judged: Mapping[Way, Sequence[Judged]]) -> dict[str, dict[str, dict[str, float]]]:
    """By way and move: programs, tokens each, shares that pass example tests, are right, repeat an earlier program."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for way, of_problems in judged.items():
        rows: dict[str, list[tuple[int, bool, bool, bool]]] = {}
        for one in of_problems:
            seen: set[str] = set()
            for candidate in sorted(one.result.candidates, key=lambda candidate: candidate.index):
                program = candidate.rollout.program
                right = one.passed[candidate.index] is True
                row = (candidate.n_generated, candidate.passed is True, right, program in seen)
                rows.setdefault(str(candidate.move), []).append(row)
                seen.add(program)
        names = ("tokens", "pass examples", "right", "repeated")
        found[way.name] = {
            move: {"programs": len(of_move)}
            | {
                name: round(sum(column) / len(of_move), 4)
                for name, column in zip(names, zip(*of_move, strict=True), strict=True)
            }
            for move, of_move in rows.items()
        }
    return found


def evidence(
    searchers: Searchers, problems: Sequence[Problem], seed: int, longest: int
) -> dict[str, list[float | None]]:
    """Share of a problem's failed programs that are mended, by how they are written again; None where none failed."""
    assert searchers.repair is not None
    seeds = tuple(seed * 1_000_003 + i for i in range(FIRST_PROGRAMS * len(problems)))
    requests = [
        (problem, plain(problem), seeds[i * FIRST_PROGRAMS : (i + 1) * FIRST_PROGRAMS])
        for i, problem in enumerate(problems)
    ]
    failed, told = _failed(searchers, requests, longest, seed)
    ways: dict[str, tuple[Writer, Again]] = {
        TRUE: (searchers.repair, repair),
        "repair, another program's evidence": (searchers.repair, told),
        "the policy again": (searchers.write, afresh),
    }
    found = {}
    for name, (writer, ask) in ways.items():
        write = in_turns(
            from_experience(failed), writer, turns=2, grade=searchers.grader.grade, max_new_tokens=longest, ask=ask,
            keep=later_turns,
        )  # fmt: skip
        groups = collect([group.problem for group in failed.values()], write, searchers.grader.submit)
        shares = {
            group.problem.id: sum(verdict is not None and verdict.passed for verdict in group.verdicts)
            / len(group.verdicts)
            for group in groups
        }
        found[name] = [shares.get(problem.id) for problem in problems]
    return found


def mended_more(by_seed: Sequence[Mapping[str, Sequence[float | None]]]) -> dict[str, Any]:
    """Mean shares over seeds and their failed problems, and how much more true evidence mends than the others."""
    ways = [{way: np.array([v for v in values if v is not None]) for way, values in seed.items()} for seed in by_seed]

    def mean(drawn: Sequence[Scores]) -> float:
        return float(np.concatenate(drawn).mean())

    found: dict[str, Any] = {way: shown(over_seeds([seed[way] for seed in ways], mean)) for way in ways[0]}
    for way in list(found)[1:]:
        gains = [seed[TRUE] - seed[way] for seed in ways]
        found[f"{TRUE}, minus {way}"] = shown(over_seeds(gains, mean)) | {
            "seeds that agree": sum(float(gain_P.mean()) > 0 for gain_P in gains)
        }
    return found


def _failed(
    searchers: Searchers, requests: Sequence[tuple[Problem, Prompt, tuple[int, ...]]], longest: int, seed: int
) -> tuple[dict[str, Group], Again]:
    """Programs of the policy that fail an example test, and a prompt that shows what was found of another one."""
    written = searchers.write([Request(*request) for request in requests], longest)
    tried = [(request[0], rollout) for request, group in zip(requests, written, strict=True) for rollout in group]
    feedbacks = by_examples([(problem, rollout.program) for problem, rollout in tried], searchers.grader.grade)
    known: list[tuple[Problem, Rollout, Feedback]] = [
        (problem, rollout, feedback)
        for (problem, rollout), feedback in zip(tried, feedbacks, strict=True)
        if feedback is not None and feedback.passed is False
    ]
    order = list(range(len(known)))
    random.Random(f"evidence {seed}").shuffle(order)
    other = {known[i][1].program: known[j][2] for i, j in zip(order, order[1:] + order[:1], strict=True)}

    def told(problem: Problem, program: str, feedback: Feedback) -> Prompt:
        return repair(problem, program, other[program])

    groups: dict[str, list[Rollout]] = {}
    for problem, rollout, _ in known:
        groups.setdefault(problem.id, []).append(rollout)
    by_id = {problem.id: problem for problem, _, _ in known}
    return {name: ungraded(by_id[name], rollouts) for name, rollouts in groups.items()}, told


def shown(e: Estimate) -> dict[str, float]:
    """Mean and interval, rounded."""
    return {name: round(value, 4) for name, value in asdict(e).items()}


def table(by_budget: Mapping[str, Any]) -> str:
    """The metrics as lines of text for a person."""
    lines = []
    for budget, ways in by_budget.items():
        metrics = list(next(iter(ways.values()))["metrics"])
        lines.append(f"{budget} tokens".ljust(20) + "".join(f"{name:>30}" for name in metrics))
        for way, found in ways.items():
            cells = (found["metrics"][m] | {"more": found["more than plain"][m]["mean"]} for m in metrics)
            lines.append(
                f"{way:20}" + "".join(f"{c['mean']:>10.1%} ({c['more']:+.1%} than plain)"[:30].rjust(30) for c in cells)
            )
    return "\n".join(lines)


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers between commas."""
    return tuple(int(part) for part in text.split(","))


def options_of(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", required=True, help="run folder, model folder, hub name; {seed} is filled in")
    parser.add_argument("--critic", required=True, help="folder of a critic that reads the policy's ids; as --policy")
    parser.add_argument("--repair", help="repair model; as --policy (default: the ways that repair are left out)")
    parser.add_argument("--problems", default="basics", help="problem set (default: %(default)s)")
    parser.add_argument("--data-path", type=Path, help="its file or folder")
    parser.add_argument("--split", default="test", help="its split (default: %(default)s)")
    parser.add_argument("--size", type=int, default=150, help="problems of it (default: %(default)s)")
    parser.add_argument("--skip", type=int, default=0, help="problems before them (default: %(default)s)")
    parser.add_argument("--examples", type=int, help="most example tests of a problem (default: all)")
    parser.add_argument("--budgets", type=numbers, default=(384, 768, 1536), help="tokens (default: 384,768,1536)")
    parser.add_argument("--ks", type=numbers, default=(1, 4), help="k of pass@k and k@all (default: 1,4)")
    parser.add_argument("--n", type=int, default=8, help="programs per round (default: %(default)s)")
    parser.add_argument("--max-new-tokens", type=int, default=96, help="longest completion (default: %(default)s)")
    parser.add_argument("--temperature", type=float, default=1.0, help="default: %(default)s")
    parser.add_argument("--keep", type=int, default=1, help="programs repaired a round (default: %(default)s)")
    parser.add_argument("--cut", choices=list(Cut), default=Cut.ARGMAX, help="default: %(default)s")
    parser.add_argument("--drop", choices=list(Drop), default=Drop.BELOW_FIRST, help="default: %(default)s")
    parser.add_argument("--seeds", type=numbers, default=(0,), help="default: 0")
    parser.add_argument("--workers", type=int, help="grader processes (default: one per core)")
    parser.add_argument(
        "--keep-seeds", type=Path, help="keep here what each seed found, and search only what is not kept"
    )
    parser.add_argument("--json", type=Path, help="also write everything here")
    parser.add_argument("--svg", type=Path, help="also draw pass rates against budgets here")
    return parser.parse_args(words)


def seed_found(options: argparse.Namespace, seed: int, problems: Sequence[Problem], grader: Grader) -> dict[str, Any]:
    """What the search with a seed found: read where it is kept, else searched and kept."""
    asked = {name: str(value) for name, value in vars(options).items() if name not in NOT_OF_THE_SEARCH}
    kept = options.keep_seeds / f"{seed}.json" if options.keep_seeds else None
    if kept is not None and kept.exists():
        record: dict[str, Any] = json.loads(kept.read_text())
        if record["asked"] != asked:
            raise SystemExit(f"{kept}: searched with other options: {record['asked']}; give another folder")
        return record
    policy, critic = (Path(name.format(seed=seed)) for name in (options.policy, options.critic))
    mender = Path(options.repair.format(seed=seed)) if options.repair else None
    searchers = Searchers(*load_searchers(policy, critic, mender, options.temperature), grader)
    settings = SamplingSettings(
        max(options.budgets), options.max_new_tokens, options.n, None, True, options.keep,
        Cut(options.cut), Drop(options.drop), seed,
    )  # fmt: skip
    values, led_to = search(searchers, problems, settings, options.budgets, options.ks)
    mended = evidence(searchers, problems, seed, options.max_new_tokens) if mender else None
    record = {"asked": asked, "values": values, "moves": led_to, "mended": mended}
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(record))
    return record


def main() -> None:
    """Search with every seed, then compare; print, and write where asked."""
    options = options_of()
    started = time.perf_counter()
    problems = load_problems(options.problems, options.split, options.data_path).problems
    problems = problems[options.skip : options.skip + options.size]
    if options.examples is not None:
        problems = [
            replace(problem, example_tests=ExampleTests(problem.example_tests.cases[: options.examples]))
            for problem in problems
        ]
    with Grader(options.workers) as grader:
        by_seed = [seed_found(options, seed, problems, grader) for seed in options.seeds]
    by_budget = compared([of_seed["values"] for of_seed in by_seed])
    shares = mended_more([of_seed["mended"] for of_seed in by_seed]) if options.repair else {}
    seconds = round(time.perf_counter() - started)
    print(f"{len(problems)} problems, seeds {options.seeds}, {seconds} s\n{table(by_budget)}")
    lines = (f"mended: {name}: {s['mean']:.1%} ({s['low']:.1%} to {s['high']:.1%})" for name, s in shares.items())
    print("\n".join(lines), flush=True)
    about = manifest() | {"cores": len(os.sched_getaffinity(0)), "seconds": seconds, "problems": len(problems)}
    about |= {"command": " ".join(["python -m tests.benchmarks.critic_sampling", *sys.argv[1:]])}
    if options.json:
        result = {
            "about": about,
            "budgets": by_budget,
            "mended": shares,
            "moves": [of_seed["moves"] for of_seed in by_seed],
        }
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.svg:
        options.svg.write_text(chart(by_budget, ("solved", "1@all")))


if __name__ == "__main__":
    main()
