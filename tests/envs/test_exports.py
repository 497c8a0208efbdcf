"""Files for EvalPlus and LiveCodeBench."""

import json
from pathlib import Path

import pytest

from envs.exports import write_evalplus, write_livecodebench


def test_evalplus_lines(tmp_path: Path) -> None:
    write_evalplus([("HumanEval/0", "def f():\n    'é'\n"), ("HumanEval/0", "x")], tmp_path / "samples.jsonl")
    lines = (tmp_path / "samples.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"task_id": "HumanEval/0", "solution": "def f():\n    'é'\n"},
        {"task_id": "HumanEval/0", "solution": "x"},
    ]


def test_livecodebench_list(tmp_path: Path) -> None:
    write_livecodebench({"abc1_a": ["print(1)", "print(2)"]}, tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text()) == [
        {"question_id": "abc1_a", "code_list": ["print(1)", "print(2)"]}
    ]
    with pytest.raises(ValueError, match="same number of programs"):
        write_livecodebench({"a": ["x"], "b": []}, tmp_path / "out.json")
