"""Study of EKT's claims (arXiv 2211.16740) on word problems: teachers, then one comparison, all by the real command.

    python -m tests.benchmarks.ekt_study --seeds 10,11 --out tests/benchmarks/results/ekt.json

What is there already is not run again, so that it can be stopped at any time. Each seed has its own teacher, student and
corpora; the train, dev and test problems are the same for all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from rl.run import is_finished
from tests.benchmarks.biased_words import write_sets

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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="10,11,12,13,14")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    for seed in seeds:
        prepare(seed)
    words = ["compare", str(CONFIG), "--compare.seeds", f"[{options.seeds}]", "--resume", "--json"]
    result = json.loads(rl_train(words))
    found = {"claims": {claim: judged(result, other) for claim, other in CLAIMS.items()}} | result
    found |= {
        "command": f"python -m tests.benchmarks.ekt_study --seeds {options.seeds}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }
    print(json.dumps(found["claims"], indent=2))
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")


def prepare(seed: int) -> None:
    """Write the problems of a seed, and make its untrained model and its teacher."""
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


def rl_train(words: list[str]) -> str:
    """The command's standard output; what it says else is passed on."""
    done = subprocess.run([sys.executable, "-m", "rl.cli", *words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout


def judged(result: dict[str, Any], other: str) -> dict[str, Any]:
    """EKT minus another row at pass@1, and in how many seeds it is ahead."""
    by_seed = {standing["name"]: standing["by_seed"] for standing in result["standings"]}
    gain = result["gains"][other]["pass@1"]
    ahead = sum(ours > theirs for ours, theirs in zip(by_seed["ekt"], by_seed[other], strict=True))
    return {name: round(value, 4) for name, value in gain.items()} | {"seeds that agree": ahead}


if __name__ == "__main__":
    main()
