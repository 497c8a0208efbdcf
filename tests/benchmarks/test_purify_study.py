"""The study of purification compares what it says, and counts as by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rl.config_compare import load_comparison
from tests.benchmarks import purify_study
from tests.benchmarks.purify_study import BETTER, CONFIG, PURER, purer


def test_the_arms_differ_only_in_what_they_keep() -> None:
    arms = {arm.name: arm.config for arm in load_comparison(CONFIG, []).arms(10)}
    assert {name for pair in (*PURER.values(), *BETTER.values()) for name in pair} <= set(arms)
    shared = [
        config.model_dump(exclude={"folder": True, "recipe": True, "purify": {"keep", "recall"}})
        for config in arms.values()
    ]
    assert shared == shared[:1] * len(shared)
    assert {config.purify.problems * config.teacher.n for config in arms.values()} == {480}
    assert {config.ekt.programs_per_problem for config in arms.values()} == {1}


def test_purity_is_of_kept_programs_that_could_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purify_study, "FOLDER", tmp_path)
    rows = {
        "purest": [("a", True, True), ("a", False, True), ("b", True, True), ("b", False, False), ("b", True, None)],
        "none": [("a", True, True), ("a", True, False), ("b", True, True), ("b", True, False), ("b", True, None)],
    }
    for arm, of_arm in rows.items():
        for seed in (0, 1):
            folder = tmp_path / f"{arm}-{seed}"
            folder.mkdir()
            lines = (json.dumps({"problem_id": name, "kept": kept, "right": right}) for name, kept, right in of_arm)
            (folder / "corpus.jsonl").write_text("".join(line + "\n" for line in lines))
    assert purer("purest", "none", [0, 1]) == {"mean": 0.5, "low": 0.5, "high": 0.5, "seeds that agree": 2}
