"""The corpora of the EKT study are wrong where they say, and hold no problem that is asked."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from envs.problem_sets.files import load as load_file
from envs.problem_sets.word_problems import load
from tests.benchmarks import biased_words
from tests.benchmarks.biased_words import KINDS, MAX_STEPS, with_random_error, with_systematic_error, write_sets


def test_errors_are_of_one_operation() -> None:
    for problem in load("train", n=60, max_steps=MAX_STEPS).problems:
        [right] = problem.solutions
        wrong = with_systematic_error(right)
        changed = [(a, b) for a, b in zip(right.splitlines(), wrong.splitlines(), strict=True) if a != b]
        assert len(changed) == 1
        assert re.sub(r" [-+*/]+ ", " ? ", changed[0][0]) == re.sub(r" [-+*/]+ ", " ? ", changed[0][1])
        drawn = with_random_error(right, Random(problem.id))
        assert sum(a != b for a, b in zip(right.splitlines(), drawn.splitlines(), strict=True)) == 1
        compile(drawn, "", "exec")


def test_shares_are_as_said_and_no_question_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(biased_words, "TEACHER_SIZE", 600)
    monkeypatch.setattr(biased_words, "STUDENT_SIZE", 400)
    for seed in (0, 1):
        write_sets(tmp_path / str(seed), seed)
    sets = {name: load_file(name, tmp_path / "0").problems for name in ("train", "dev", "test", "teacher", "student")}
    asked = {problem.statement for name in ("train", "dev", "test") for problem in sets[name]}
    assert len(asked) == 800 + 100 + 150
    assert not asked & {problem.statement for name in ("teacher", "student") for problem in sets[name]}
    right = {p.statement: p.solutions for p in load("train", n=600, seed=1, max_steps=MAX_STEPS).problems}
    for biased, expected in ((0, 0.25), (1, 0.6)):
        told = [p for p in sets["teacher"] if KINDS.index(p.tags[0].removeprefix("family:")) % 2 == biased]
        assert sum(p.solutions == right[p.statement] for p in told) / len(told) == pytest.approx(expected, abs=0.08)
    for name in ("train", "dev", "test"):
        assert (tmp_path / f"0/{name}.jsonl").read_bytes() == (tmp_path / f"1/{name}.jsonl").read_bytes()
    assert (tmp_path / "0/teacher.jsonl").read_bytes() != (tmp_path / "1/teacher.jsonl").read_bytes()
