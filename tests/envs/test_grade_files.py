"""`grade_files`: rows in, verdicts out in the same order, one line for every mistake."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from envs.errors import UserError
from envs.grade_files import grade_files
from envs.problem import problem_from_row
from envs.verdict import Outcome

ROW = {"id": "add", "statement": "", "entry_point": "f", "hidden_tests": [{"input": [1], "output": 2}]}
PROBLEMS = [problem_from_row(ROW), problem_from_row({**ROW, "id": "other"})]


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_rows_come_back_in_order_with_the_outcome_at_the_top(tmp_path: Path) -> None:
    right, wrong = "def f(x): return x + 1", "def f(x): return x"
    rows = [
        {"problem_id": "add", "program": "import time\ntime.sleep(0.2)\n" + right, "note": 7},
        {"problem_id": "add", "completion": f"Here it is:\n```python\n{right}\n```\nDone."},
        {"problem_id": "add", "program_base64": base64.b64encode(b"# \xff\n" + right.encode()).decode()},
        {"problem_id": "other", "program": wrong},
    ]
    summary = grade_files(PROBLEMS, lines(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl", workers=2)
    graded = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in graded] == ["passed", "passed", "compile_error", "wrong_answer"]
    assert [row["problem_id"] for row in graded] == ["add", "add", "add", "other"]
    assert graded[0]["note"] == 7
    assert {"n_passed", "n_tests", "outcomes", "cpu_s", "level", "integrity"} <= set(graded[0])
    assert (summary.n_programs, summary.outcomes[Outcome.PASSED]) == (4, 2)
    assert (summary.problems_solved, summary.problems_tried) == (1, 2)
    assert "passed" in summary.table()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "in.jsonl:2: expected one JSON object a line"),
        ("[]", "in.jsonl:2: expected a JSON object; got list"),
        ({"problem_id": "none", "program": ""}, "in.jsonl:2: problem_id: 'none' is none of the 2 problems"),
        ({"problem_id": "add"}, "in.jsonl:2: expected one of program, completion, program_base64; got none"),
        ({"problem_id": "add", "program": "", "completion": ""}, "got program, completion"),
        ({"problem_id": "add", "program": 5}, "in.jsonl:2: program: expected text; got int"),
        ({"problem_id": "add", "program_base64": "?"}, "in.jsonl:2: program_base64: not base64"),
    ],
)
def test_a_bad_row_is_told_by_file_and_line_before_anything_runs(tmp_path: Path, row: Any, message: str) -> None:
    path = lines(tmp_path / "in.jsonl", [{"problem_id": "add", "program": "x"}, row])
    with pytest.raises(UserError) as told:
        grade_files(PROBLEMS, path, tmp_path / "out.jsonl")
    assert message in str(told.value)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "out.jsonl").exists()


def test_files_that_cannot_be_read_or_written_are_one_line(tmp_path: Path) -> None:
    good = lines(tmp_path / "in.jsonl", [{"problem_id": "add", "program": "x"}])
    with pytest.raises(UserError, match=r"missing\.jsonl: cannot be read: No such file"):
        grade_files(PROBLEMS, tmp_path / "missing.jsonl", tmp_path / "out.jsonl")
    with pytest.raises(UserError, match="cannot be written: No such file"):
        grade_files(PROBLEMS, good, tmp_path / "none" / "out.jsonl")


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    good = lines(tmp_path / "in.jsonl", [{"problem_id": "add", "program": "x"}])
    out = tmp_path / "out.jsonl"
    out.with_name("out.jsonl.partial").symlink_to("/dev/full")
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        grade_files(PROBLEMS, good, out)
    assert not out.exists()
