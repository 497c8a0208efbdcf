"""What the study of rationales counts, on a store that is written here by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from envs.forms import CUE, Form, question
from envs.problem_sets.word_problems import load
from envs.rollout import Group
from envs.verdict import Outcome, Verdict
from rl.experience import Experience
from tests.benchmarks import cot_study
from tests.benchmarks.biased_words import MAX_STEPS
from tests.benchmarks.worked_words import LARGEST
from tests.builders import a_rollout

PROBLEMS = load("train", max_steps=MAX_STEPS, largest=LARGEST).problems[:4]


def write_run(folder: Path, right: int, derived: int) -> None:
    """A teacher's two solutions of each problem: of the first problems right, of fewer by the gold steps."""
    store = Experience(folder / "experience", PROBLEMS)
    groups = []
    for place, problem in enumerate(PROBLEMS):
        rationale = problem.rationale if place < derived else "It is so."
        text = f" {rationale}{CUE} {problem.steps[-1].value}."
        rollout = replace(a_rollout(), prompt=question(problem, Form.NATURAL), text=text)
        verdict = Verdict(Outcome.PASSED if place < right else Outcome.WRONG_ANSWER, 1, 1)
        groups.append(Group(problem, (rollout, rollout), (verdict, verdict)))
    store.append(cot_study.TAUGHT, 0, groups)
    counts = {"problems": 4, "written": 8, "right": 2 * right, "distinct": right}
    (folder / cot_study.HARVEST).write_text(json.dumps(counts))
    (folder / "evaluation_final.json").write_text(json.dumps({"wording": {"in_form": right / 4}}))


def test_teachers_are_compared_by_answers_and_by_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cot_study, "FOLDER", tmp_path)
    for seed in (0, 1):
        write_run(tmp_path / f"cot_8-{seed}", right=2, derived=2)
        write_run(tmp_path / f"hinted-{seed}", right=4, derived=1)
    assert cot_study.harvested("hinted", [0, 1]) == {
        "problems": 8, "written": 16, "right": 16, "distinct": 8, "share right": 1.0,
        "of the right ones by gold steps": 0.25,
    }  # fmt: skip
    found = cot_study.compared_teachers([0, 1])
    assert found["right answers"]["mean"] == pytest.approx(0.5)
    assert found["solutions by the gold steps"]["mean"] == pytest.approx(-0.25)
    assert cot_study.wording("cot_8", [0, 1]) == {"in_form": 0.5}


def test_more_rationales_are_put_in_order() -> None:
    rates = {"cot_1": 0.2, "cot_2": 0.3, "cot_4": 0.3, "cot_8": 0.5}
    standings = [
        {"name": name, "pass_at": {"pass@1": {"mean": rate}}, "by_seed": [rate, 0.25]} for name, rate in rates.items()
    ]
    gain = {"mean": 0.3, "low": 0.1, "high": 0.4}
    result = {"standings": standings, "gains": {"cot_1": {"pass@1": gain}}}
    assert cot_study.by_degree(result) == {"1": 0.2, "2": 0.3, "4": 0.3, "8": 0.5, "never falls": True}
    assert cot_study.ahead(result, "cot_1") == gain | {"seeds that agree": 1}
    standings[0]["pass_at"] = {"pass@1": {"mean": 0.4}}
    assert cot_study.by_degree(result)["never falls"] is False
