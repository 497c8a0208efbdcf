"""Places, reasons and refusals: a bad file or row gives one line that names it, and never another exception."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.problem import Problem
from envs.problem_sets import DataError, detect_format, load_problems
from envs.problem_sets.files import write
from envs.problem_sets.reading import Row, load_rows
from tests.envs.problem_sets import rows
from tests.envs.problem_sets.rows import FORMATS, OWN, SPLIT_OF


def write_lines(file: Path, *lines: str) -> Path:
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def test_bad_rows_are_dropped_with_place_and_reason(tmp_path: Path) -> None:
    good = json.dumps(rows.HUMANEVAL)
    file = write_lines(tmp_path / "a.jsonl", good, "", "{", json.dumps({**rows.HUMANEVAL, "prompt": 3}), good, "[]")
    loaded = load_problems("humaneval", "test", file)
    assert len(loaded) == 1
    assert [(row.line, row.reason.split(":")[0]) for row in loaded.dropped] == [
        (3, "row"),
        (4, "prompt"),
        (6, "row"),
        (5, "id"),
    ]
    assert all(row.file == str(file) for row in loaded.dropped)
    assert "1 problems, 4 rows dropped (first: " in loaded.summary()


def test_own_files_are_strict_unless_told_otherwise(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "a.jsonl", json.dumps(OWN), json.dumps({**OWN, "id": "b", "intreface": "stdio"}))
    with pytest.raises(DataError, match=r"a\.jsonl:2: unknown key 'intreface'"):
        load_problems("files", "train", file)
    assert len(load_problems("files", "train", file, strict=False).dropped) == 1


def test_written_problems_are_read_back_and_keep_their_hash(tmp_path: Path) -> None:
    made = load_problems("word_problems", "train", n=20)
    write(made, tmp_path / "train.jsonl")
    read = load_problems("files", "train", tmp_path)
    assert read.problems == made.problems
    assert read.content_hash == made.content_hash
    changed = load_problems("word_problems", "train", n=20, seed=1)
    assert changed.content_hash != made.content_hash


def test_gzip_and_json_lists_are_read(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as stream:
        stream.write(json.dumps(OWN) + "\n")
    (tmp_path / "b.json").write_text(json.dumps([OWN]))
    assert list(load_problems("files", "train", tmp_path / "a.jsonl.gz")) == list(
        load_problems("files", "train", tmp_path / "b.json")
    )


@pytest.mark.parametrize(
    ("name", "split", "file", "options", "message"),
    [
        ("humaneval", "test", None, {}, "humaneval: expected data.path, a file"),
        ("humaneval", "train", "x.jsonl", {}, "humaneval: split: expected 'test'"),
        ("mbpp", "dev", "x.jsonl", {}, "mbpp: split: expected one of prompt"),
        ("nosuch", "train", None, {}, "data.name: expected one of apps"),
        ("auto", "train", None, {}, "'auto' needs data.path"),
        ("files", "train", "missing.jsonl", {}, r"missing\.jsonl: no such file"),
        ("files", "train", "x.jsonl", {"color": 1}, "data.color: files takes config, strict; got 'color'"),
        ("files", "train", "torn.jsonl.gz", {}, r"torn\.jsonl\.gz: cannot be read"),
        ("files", "train", "object.json", {}, r"object\.json:1: expected a list of rows"),
        ("files", "train", "nonsense.json", {}, r"nonsense\.json: cannot be read: file: expected JSON"),
        ("files", "train", "deep.json", {}, "nested too deeply"),
        ("files", "train", "empty.jsonl", {}, "expected at least one problem; got none .there are no rows"),
        ("files", "train", "bad.parquet", {}, r"bad\.parquet: cannot be read"),
        ("files", "dev", ".", {}, "no file for split 'dev'"),
        ("puzzles", "train", "x.jsonl", {}, r"split\.json: no such file"),
        ("word_problems", "train", "x.jsonl", {}, "word_problems: data.path"),
        ("word_problems", "dev", None, {}, "word_problems: split"),
        ("word_problems", "train", None, {"n": 0}, "word_problems: n: expected at least 1; got 0"),
        ("word_problems", "train", None, {"min_steps": 5}, "word_problems: max_steps"),
        (
            "word_problems",
            "test",
            None,
            {"n": 10**6, "largest": 3, "max_steps": 1},
            "word_problems: n: expected at most",
        ),
    ],
)
def test_a_users_mistake_gets_one_line(
    name: str, split: str, file: str | None, options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_lines(tmp_path / "x.jsonl", json.dumps(OWN))
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(json.dumps(OWN).encode() + b"\n")[:-9])
    (tmp_path / "object.json").write_text("{}")
    (tmp_path / "nonsense.json").write_text("[")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=message) as caught:
        load_problems(name, split, tmp_path / file if file else None, **options)
    assert "\n" not in str(caught.value)


def test_detection_of_unreadable_files_is_one_line(tmp_path: Path) -> None:
    for content in ("", "{", "3", "[]", '{"a": 1}'):
        file = write_lines(tmp_path / "x.jsonl", content)
        with pytest.raises(DataError, match=r"x\.jsonl"):
            detect_format(file)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
odd_values = json_values | st.sampled_from(
    ["", "{}", "[]", "null", "[[]]", '{"inputs": [1], "outputs": [2]}', "####", "#### x", "def f(:", "\x00", "\ud800"]
)


@st.composite
def damaged_rows(draw: st.DrawFn) -> tuple[str, Any]:
    """A good row of some format with some of its values, at any depth, replaced, removed or packed as text."""
    name, row = draw(st.sampled_from(sorted(FORMATS.values(), key=lambda item: item[0])))
    damaged = json.loads(json.dumps(row))
    for _ in range(draw(st.integers(1, 3))):
        place, key = damaged, draw(st.sampled_from(sorted(damaged)))
        while isinstance(place.get(key), dict) and place[key] and draw(st.booleans()):
            place = place[key]
            key = draw(st.sampled_from(sorted(place)))
        if draw(st.booleans()):
            place[key] = draw(odd_values)
        else:
            place.pop(key, None)
        if not damaged:
            break
    return name, damaged


def load_or_refuse(name: str, file: Path) -> tuple[list[Problem], str]:
    """The problems of a file, or the message of its refusal."""
    try:
        return list(load_problems(name, SPLIT_OF.get(name, "train"), file)), ""
    except DataError as error:
        return [], str(error)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged_rows())
def test_no_damaged_row_crashes_a_loader(tmp_path: Path, case: tuple[str, Any]) -> None:
    name, row = case
    file = tmp_path / "x.jsonl"
    file.write_text(json.dumps(row) + "\n")
    problems, message = load_or_refuse(name, file)
    assert all(problem.hidden_tests for problem in problems)
    assert problems or "x.jsonl:1: " in message
    assert "\n" not in message


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted({name for name, _ in FORMATS.values()})), st.binary(max_size=60))
def test_no_bytes_crash_a_loader(tmp_path: Path, name: str, content: bytes) -> None:
    for ending in ("jsonl", "json", "jsonl.gz"):
        file = tmp_path / f"x.{ending}"
        file.write_bytes(content)
        with pytest.raises(DataError):
            load_problems(name, SPLIT_OF.get(name, "train"), file)


def test_a_converter_s_own_fault_is_not_swallowed() -> None:
    def broken(row: object) -> Any:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        load_rows("x", "train", [Row("x", 1, {})], broken)


@pytest.mark.slow
def test_a_hub_name_that_cannot_be_had_is_one_line() -> None:
    script = "from envs.problem_sets import load_problems; load_problems('humaneval', 'test', 'nobody/nothing-7f3a')"
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    run = subprocess.run([sys.executable, "-c", script], env=offline, capture_output=True, text=True, check=False)
    last = run.stderr.strip().splitlines()[-1]
    assert "DataError: nobody/nothing-7f3a: split 'test' cannot be loaded from the hub: " in last
