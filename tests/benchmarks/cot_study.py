"""Study of worked solutions in words (arXiv 2212.10071, 2212.08410): teachers, then one comparison, by the real command.

    python -m tests.benchmarks.cot_study --seeds 10,11,12 --out tests/benchmarks/results/cot.json

What is there already is not run again, so that it can be stopped at any time. Each seed has its own teacher, student and
corpora; the train, dev and test problems are the same for all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rl.bootstrap import difference
from rl.experience import read_rows
from rl.rationale_phases import HARVEST
from rl.run import is_finished
from rl.teacher_phases import TAUGHT
from tests.benchmarks.study import rl_train, study
from tests.benchmarks.worked_words import derives, gold_steps, write_sets

CONFIG = Path(__file__).with_name("cot_words.toml")
FOLDER = Path("runs/cot_words")
FIRST = "cot_8"
DEGREES = {1: "cot_1", 2: "cot_2", 4: "cot_4", 8: FIRST}
"""Arms by the number of rationales per problem."""
TEACHERS = {"not hinted": FIRST, "hinted": "hinted", "hinted and checked": "hinted_checked"}
"""Arms by how their teacher's solutions came about."""
ARMS = (*DEGREES.values(), "answer", "hinted", "hinted_checked")
Row = Mapping[str, Any]


def main() -> None:
    """Run what is missing, then write what was found."""
    study("cot_study", __doc__, CONFIG, "10,11,12", prepare=prepare, find=findings)


def findings(result: Row, seeds: Sequence[int]) -> dict[str, Any]:
    """What the arms and their teachers' solutions say about the claims."""
    return {
        "eight rationales minus": {other: ahead(result, other) for other in ARMS if other != FIRST},
        "by rationales per problem": by_degree(result),
        "of the teacher": {how: harvested(arm, seeds) for how, arm in TEACHERS.items()},
        "hinted minus not hinted": compared_teachers(seeds),
        "wording": {arm: wording(arm, seeds) for arm in ARMS},
    }


def prepare(seeds: Sequence[int]) -> None:
    """Write the problems of each seed and train its teacher, where they are not there."""
    for seed in seeds:
        if not (FOLDER / f"sets-{seed}").exists():
            write_sets(FOLDER / f"sets-{seed}", seed)
        if not is_finished(FOLDER / f"teacher-{seed}"):
            place = ["--data.path", str(FOLDER / f"sets-{seed}"), "--folder", str(FOLDER / f"teacher-{seed}")]
            rl_train(["run", str(CONFIG.with_name("cot_teacher.toml")), *place, "--seed", str(seed), "--resume"])


def ahead(result: Row, other: str) -> dict[str, Any]:
    """How far eight rationales are ahead of another arm at pass@1, and in how many seeds they are."""
    by_seed = {standing["name"]: standing["by_seed"] for standing in result["standings"]}
    agree = sum(ours > theirs for ours, theirs in zip(by_seed[FIRST], by_seed[other], strict=True))
    return rounded(result["gains"][other]["pass@1"]) | {"seeds that agree": agree}


def by_degree(result: Row) -> dict[str, Any]:
    """pass@1 by rationales per problem, the mean over seeds, and whether it never falls."""
    means = {standing["name"]: standing["pass_at"]["pass@1"]["mean"] for standing in result["standings"]}
    rates = [means[name] for name in DEGREES.values()]
    return rounded(dict(zip(map(str, DEGREES), rates, strict=True))) | {"never falls": rates == sorted(rates)}


def harvested(arm: str, seeds: Sequence[int]) -> dict[str, Any]:
    """What the filters left of a teacher's solutions, over all seeds, and what those with the right answer are worth."""
    counts = [json.loads((FOLDER / f"{arm}-{seed}" / HARVEST).read_text()) for seed in seeds]
    total = {name: sum(count[name] for count in counts) for name in counts[0]}
    gold = gold_steps()
    right = [row for seed in seeds for row in taught(arm, seed) if row["outcome"] == "passed"]
    by_gold = sum(derives(row["text"], gold[row["problem_id"]]) for row in right) / len(right)
    return total | rounded(
        {"share right": total["right"] / total["written"], "of the right ones by gold steps": by_gold}
    )


def compared_teachers(seeds: Sequence[int]) -> dict[str, Any]:
    """Shares of right answers and of solutions by the gold steps, of all that was written: with hint minus without."""
    gold = gold_steps()
    measures: dict[str, Callable[[Row], bool]] = {
        "right answers": lambda row: bool(row["outcome"] == "passed"),
        "solutions by the gold steps": lambda row: derives(row["text"], gold[row["problem_id"]]),
    }
    found = {}
    for name, holds in measures.items():
        hinted, plain = (
            [shares_by_problem(taught(TEACHERS[how], seed), holds) for seed in seeds]
            for how in ("hinted", "not hinted")
        )
        both = sorted(set.intersection(*map(set, (*hinted, *plain))))
        scores = (np.array([[of_seed[name] for name in both] for of_seed in shares]) for shares in (hinted, plain))
        found[name] = rounded(asdict(difference(*scores)))
    return found


def shares_by_problem(rows: Sequence[Row], holds: Callable[[Row], bool]) -> dict[str, float]:
    """Share of the rows of each problem for which something holds."""
    flags: dict[str, list[bool]] = {}
    for row in rows:
        flags.setdefault(row["problem_id"], []).append(holds(row))
    return {name: sum(of_problem) / len(of_problem) for name, of_problem in flags.items()}


def taught(arm: str, seed: int) -> list[Row]:
    """What a teacher wrote for the train problems of an arm."""
    return list(read_rows(FOLDER / f"{arm}-{seed}" / "experience", phases=(TAUGHT,)))


def wording(arm: str, seeds: Sequence[int]) -> dict[str, float]:
    """Format compliance and step accuracy of an arm's last policy, the mean over seeds."""
    files = [FOLDER / f"{arm}-{seed}" / "evaluation_final.json" for seed in seeds]
    shares = [json.loads(file.read_text())["wording"] for file in files]
    return rounded({name: float(np.mean([of_seed[name] for of_seed in shares])) for name in shares[0]})


def rounded(values: Mapping[str, float]) -> dict[str, Any]:
    """Four decimals."""
    return {name: round(value, 4) for name, value in values.items()}


if __name__ == "__main__":
    main()
