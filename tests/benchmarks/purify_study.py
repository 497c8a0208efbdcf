"""Study of symbolic distillation's claims (arXiv 2110.07178) on word problems: one comparison, by the real command.

    python -m tests.benchmarks.purify_study --seeds 10,11 --out tests/benchmarks/results/purify.json

What is there already is not run again, so that it can be stopped at any time. Teachers, students and problems are those
of tests/benchmarks/ekt_study.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rl.bootstrap import Scores, difference, over_seeds
from rl.durable import lines_of
from tests.benchmarks.coderl_study import pass_rates, shown
from tests.benchmarks.ekt_study import prepare
from tests.benchmarks.study import study

CONFIG = Path(__file__).with_name("purify_words.toml")
FOLDER = Path("runs/purify_words")
PURER = {"S1 purest > medium": ("purest", "medium"), "S1 medium > none": ("medium", "none")}
"""By claim: whose kept programs are purer than whose."""
BETTER = {
    "S2 purest >= medium": ("purest", "medium"),
    "S2 medium > none": ("medium", "none"),
    "S5 purest > random": ("purest", "random"),
    "not a claim: ekt - purest": ("ekt", "purest"),
}
"""By claim: whose student is better than whose, at pass@1 of the sampled programs."""


def main() -> None:
    """Run what is missing, then write what was found."""
    study("purify_study", __doc__, CONFIG, "10,11,12,13,14", prepare=prepare, find=findings)


def findings(result: dict[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    """Claims about purity and about students, the critics, and what each arm imitated."""
    arms = ("purest", "medium", "none", "random")
    reports = {arm: [json.loads((run(arm, seed) / "corpus.json").read_text()) for seed in seeds] for arm in arms}
    teacher = result["gains"]["teacher, plain"]["pass@1"]
    return {
        "purity": {claim: purer(ours, theirs, seeds) for claim, (ours, theirs) in PURER.items()},
        "students": {claim: better(ours, theirs, seeds) for claim, (ours, theirs) in BETTER.items()}
        | {"S3 purest > teacher": {name: round(value, 4) for name, value in teacher.items()}},
        "critics": [report["critic"] | {"recall": report["threshold"]["recall"]} for report in reports["purest"]],
        "corpora": {
            arm: [report["corpora"]["imitated"] | {"learned_tokens": tokens_of(run(arm, seed))}
                  for report, seed in zip(reports[arm], seeds, strict=True)]
            for arm in arms
        },
    }  # fmt: skip


def run(arm: str, seed: int) -> Path:
    """Run folder of an arm."""
    return FOLDER / f"{arm}-{seed}"


def purer(ours: str, theirs: str, seeds: Sequence[int]) -> dict[str, float]:
    """Difference of the shares of right ones among kept programs, with its 95 % interval over seeds and problems."""
    counts = [np.stack([kept_of(run(arm, seed)) for arm in (ours, theirs)], axis=1) for seed in seeds]
    found = over_seeds(counts, lambda drawn: float(np.mean([gain(counts_P22) for counts_P22 in drawn])))
    values = {name: round(value, 4) for name, value in asdict(found).items()}
    return values | {"seeds that agree": sum(gain(counts_P22) > 0 for counts_P22 in counts)}


def gain(counts_P22: Scores) -> float:
    """Ours minus theirs of two purities, each from (programs kept, right ones among them) by problem."""
    (kept, right), (other_kept, other_right) = counts_P22.sum(axis=0)
    return float(right / kept - other_right / other_kept)


def kept_of(folder: Path) -> Any:
    """(programs kept, right ones among them) of each problem of a run's corpus, in an order that all arms share."""
    counts: dict[str, list[int]] = {}
    for row in map(json.loads, lines_of(folder / "corpus.jsonl")):
        known = row["kept"] and row["right"] is not None
        count = counts.setdefault(row["problem_id"], [0, 0])
        count[0] += known
        count[1] += bool(known and row["right"])
    return np.array([counts[name] for name in sorted(counts)])


def better(ours: str, theirs: str, seeds: Sequence[int]) -> dict[str, float]:
    """Difference of pass@1, with its 95 % interval over seeds and problems."""
    rates = [[pass_rates(run(arm, seed), "compare_sampled") for seed in seeds] for arm in (ours, theirs)]
    names = sorted(set.intersection(*(set(of_seed) for of_arm in rates for of_seed in of_arm)))
    ours_SP, theirs_SP = (np.array([[of_seed[name] for name in names] for of_seed in of_arm]) for of_arm in rates)
    ahead = int((ours_SP.mean(axis=1) > theirs_SP.mean(axis=1)).sum())
    return shown(difference(ours_SP, theirs_SP)) | {"seeds that agree": ahead}


def tokens_of(folder: Path) -> int:
    """Tokens of programs that a student learned, repetitions counted."""
    metrics = map(json.loads, lines_of(folder / "metrics.jsonl"))
    rounds = [row for row in metrics if row["phase"] == "imitate_teacher" and "grad_norm" in row]
    return round(sum(row["tokens"] * row["rollouts"] for row in rounds))


if __name__ == "__main__":
    main()
