"""Study of Socratic chains (arXiv 2212.00193) on word problems of at least two operations, all by the real command.

    python -m tests.benchmarks.socratic_study --seeds 10,11,12 --out tests/benchmarks/results/socratic.json

What is there already is not run again, arm by arm, so that it can be stopped at any time. The problems are the same for
all seeds, which differ in the models, the draws and the samples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open

from envs.problem_sets import files
from envs.problem_sets.word_problems import load
from tests.benchmarks.study import study

CONFIG = Path(__file__).with_name("socratic_words.toml")
FOLDER = Path("runs/socratic_words")
SIZES = {"train": ("train", 1500), "dev": ("validation", 60), "test": ("test", 300)}
CLAIMS = (
    ("pair", "chain_of_thought"),
    ("pair", "unified"),
    ("pair", "answer_only"),
    ("chain_of_thought", "answer_only"),
    ("pair", "pair_all_at_once"),
)
"""Arms of which the first shall be at least as good as the second."""
PARTS = {"own questions": "final", "oracle's questions": "oracle_questions", "no calculator": "without_calculator"}
"""Evaluations of a run, by what is left to the models."""


def main() -> None:
    """Run what is missing, then write what was found."""
    study("socratic_study", __doc__, CONFIG, "10,11,12", prepare=write_sets, find=findings)


def write_sets(_: Sequence[int]) -> None:
    """Write the problems, which are the same for all seeds."""
    (FOLDER / "sets").mkdir(parents=True, exist_ok=True)
    for name, (split, n) in SIZES.items():
        files.write(list(load(split, n=n, min_steps=2).problems), FOLDER / "sets" / f"{name}.jsonl")


def findings(result: dict[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    """The claims, each model's part in them, and how large the models are."""
    by_seed = {standing["name"]: standing["by_seed"] for standing in result["standings"]}
    arms = [name for name in by_seed if name != "warm_start"]
    return {
        "claims": {f"{first} >= {second}": judged(by_seed[first], by_seed[second]) for first, second in CLAIMS},
        "parts": {arm: {part: figures(arm, seeds, name) for part, name in PARTS.items()} for arm in arms},
        "parameters": {arm: parameters(FOLDER / f"{arm}-{seeds[0]}") for arm in arms},
    }


def judged(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Difference of pass@1, the mean over seeds and its extremes, and in how many seeds it is not negative.

    Intervals over problems as well, of the first arm against each other, are the `gains` of the comparison.
    """
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    mean = sum(differences) / len(differences)
    agree = sum(difference >= 0 for difference in differences)
    return {"mean": mean, "least": min(differences), "most": max(differences), "seeds that agree": agree}


def figures(arm: str, seeds: Sequence[int], evaluation: str) -> dict[str, float]:
    """Means over seeds of what a run says about its chains; empty where it has no such evaluation."""
    paths = [FOLDER / f"{arm}-{seed}" / f"steps_{evaluation}.json" for seed in seeds]
    found: list[dict[str, float]] = [json.loads(path.read_text()) for path in paths if path.exists()]
    return {key: sum(each[key] for each in found) / len(found) for key in (found[0] if found else {})}


def parameters(run: Path) -> dict[str, Any]:
    """Parameters of each model of a run; tied weights are stored, and counted, once."""
    counts = {}
    for name in ("final", "final_decomposer"):
        if (run / "checkpoints" / name).is_dir():
            with safe_open(run / "checkpoints" / name / "model.safetensors", "pt") as tensors:
                counts[name] = sum(tensors.get_tensor(key).numel() for key in tensors.keys())  # noqa: SIM118
    return counts | {"together": sum(counts.values())}


if __name__ == "__main__":
    main()
