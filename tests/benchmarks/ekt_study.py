"""Study of EKT's claims (arXiv 2211.16740) on word problems: teachers, then one comparison, all by the real command.

    python -m tests.benchmarks.ekt_study --seeds 10,11 --out tests/benchmarks/results/ekt.json

What is there already is not run again, so that it can be stopped at any time. Each seed has its own teacher, student and
corpora; the train, dev and test problems are the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rl.run import is_finished
from tests.benchmarks.biased_words import write_sets
from tests.benchmarks.study import rl_train, study

CONFIG = Path(__file__).with_name("ekt_words.toml")
FOLDER = Path("runs/ekt_words")
UNTRAINED = ["--warm_start.rounds", "0", "--data.test_size", "1", "--data.dev_size", "1"]
CLAIMS = {
    "EKT > expert iteration": "expert_iteration",
    "EKT > unfiltered sequence distillation": "seqkd",
    "EKT > distillation of distributions": "kd",
    "student > teacher at k = 1": "teacher, plain",
}
"""By claim: what EKT is compared with, at pass@1 of the sampled programs."""


def main() -> None:
    """Run what is missing, then write what was found."""
    study("ekt_study", __doc__, CONFIG, "10,11,12,13,14", prepare=prepare, find=claims)


def claims(result: dict[str, Any], _: Sequence[int]) -> dict[str, Any]:
    """What EKT is ahead of."""
    return {"claims": {claim: judged(result, other) for claim, other in CLAIMS.items()}}


def prepare(seeds: Sequence[int]) -> None:
    """Write the problems of each seed, and make its untrained model and its teacher."""
    for seed in seeds:
        if not (FOLDER / f"sets-{seed}").exists():
            write_sets(FOLDER / f"sets-{seed}", seed)
        train_teacher(seed, FOLDER / f"base-{seed}", UNTRAINED)
        train_teacher(seed, FOLDER / f"teacher-{seed}", [])


def train_teacher(seed: int, folder: Path, words: list[str]) -> None:
    """Imitate the teacher's corpus; with no rounds, only make the model and the tokenizer that all begin with."""
    if not is_finished(folder):
        config = CONFIG.with_name("ekt_teacher.toml")
        place = ["--data.path", str(FOLDER / f"sets-{seed}"), "--folder", str(folder), "--seed", str(seed)]
        rl_train(["run", str(config), *place, *words, "--resume"])


def judged(result: dict[str, Any], other: str) -> dict[str, Any]:
    """EKT minus another row at pass@1, and in how many seeds it is ahead."""
    by_seed = {standing["name"]: standing["by_seed"] for standing in result["standings"]}
    gain = result["gains"][other]["pass@1"]
    ahead = sum(ours > theirs for ours, theirs in zip(by_seed["ekt"], by_seed[other], strict=True))
    return {name: round(value, 4) for name, value in gain.items()} | {"seeds that agree": ahead}


if __name__ == "__main__":
    main()
