"""APPS (arXiv 2105.09938): folders as published by its authors, or JSONL rows; call-based and stdio problems."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets.leetcode import starter_with_imports, whole_program
from envs.problem_sets.problem_set import DataError, ProblemSet, RowError
from envs.problem_sets.reading import (
    Row,
    as_list,
    as_object,
    as_texts,
    json_field,
    load_rows,
    name,
    read_rows,
    required_path,
    shorten,
    text,
)
from envs.problem_sets.statement_examples import argument_examples, stdio_examples

ORIGIN = "codeparrot/apps"
LICENCE = "MIT"
LIMITS = Limits(cpu_s=4.0, memory_mb=1024, output_kb=16 * 1024)
EXAMPLE_FILE = "{split}_example_tests.jsonl"


def load(
    split: str = "train", path: str | Path | None = None, config: str | None = None, examples: str | Path | None = None
) -> ProblemSet:
    """Load one split from a folder of problem folders, a JSONL or Parquet file, or the hub.

    `examples` names a JSONL file of example tests by problem id, such as `test_example_tests.jsonl`; one that lies
    beside the data is found. Without it examples come from the statement.
    """
    location = required_path(path, "apps", ORIGIN)
    folders = problem_folders(Path(location), split)
    rows = map(_folder_row, folders) if folders else read_rows(location, split, (), config)
    beside = Path(location) / EXAMPLE_FILE.format(split=split)
    known = read_examples(examples or beside) if examples or beside.is_file() else {}
    return load_rows("apps", split, rows, partial(problem, split=split, known_examples=known), LICENCE)


def problem(
    row: Mapping[str, Any],
    split: str = "train",
    known_examples: Mapping[int, Mapping[str, Any]] | None = None,
    source: str = "apps",
) -> Problem:
    """One row with `question`, `input_output` and `solutions` as JSON text; raises RowError that names the key.

    TACO has the same columns and reads them here.
    """
    problem_id = name(row, "problem_id")
    metadata = as_object(json_field(row, "metadata") or row)
    statement, url = text(row, "question"), text(metadata, "url", "")
    tests = json_field(row, "input_output")
    if not isinstance(tests, Mapping):
        raise RowError(f"input_output: expected an object with inputs and outputs; got {shorten(tests)}")
    entry_point = text(tests, "fn_name", "") or None
    cases = read_cases(tests, "input_output", wrapped_outputs_at=url)
    if not cases:
        raise RowError("input_output: expected at least one test; got none")
    starter = starter_with_imports(text(row, "starter_code", "")) if entry_point else ""
    known = known_examples.get(_number(problem_id)) if known_examples else None
    if known:
        examples = read_cases({**known, "fn_name": entry_point}, "example_input_output", wrapped_outputs_at=url)
    else:
        examples = argument_examples(statement) if entry_point else stdio_examples(statement)
    return Problem(
        id=f"{source}/{split}/{problem_id}",
        statement=statement,
        interface=Interface.FUNCTION if entry_point else Interface.STDIO,
        hidden_tests=HiddenTests(cases),
        example_tests=ExampleTests(examples),
        entry_point=entry_point,
        starter_code=starter,
        limits=LIMITS,
        solutions=tuple(
            whole_program(code, starter) for code in as_texts(json_field(row, "solutions") or (), "solutions")
        ),
        source=url or source,
        licence=LICENCE,
        tags=tuple(tag for tag in (text(metadata, "difficulty", ""),) if tag),
        wrong_programs=tuple(whole_program(code, starter) for code in _wrong_programs(row)),
    )


def read_cases(tests: Mapping[str, Any], key: str, wrapped_outputs_at: str = "") -> tuple[TestCase, ...]:
    """Cases of `{"inputs": [...], "outputs": [...], "fn_name": ...}`; raises RowError that names `key`.

    Texts of stdio problems may be given as lists of lines. Function outputs taken from Codewars are wrapped in a list
    of one; they are unwrapped where every output is, unless the problem is from LeetCode, which does not wrap.
    """
    inputs = as_list(tests.get("inputs"), f"{key}.inputs")
    outputs = as_list(tests.get("outputs"), f"{key}.outputs")
    if len(inputs) != len(outputs):
        raise RowError(f"{key}: expected as many outputs as inputs; got {len(inputs)} inputs, {len(outputs)} outputs")
    if tests.get("fn_name") is None:
        return tuple(
            TestCase(_lines(given, f"{key}.inputs[{i}]"), _lines(expected, f"{key}.outputs[{i}]"))
            for i, (given, expected) in enumerate(zip(inputs, outputs, strict=True))
        )
    if "leetcode" not in wrapped_outputs_at and all(isinstance(value, list) and len(value) == 1 for value in outputs):
        outputs = [value[0] for value in outputs]
    arguments = [as_list(given, f"{key}.inputs[{i}]") for i, given in enumerate(inputs)]
    return tuple(TestCase(given, expected) for given, expected in zip(arguments, outputs, strict=True))


def problem_folders(root: Path, split: str) -> list[Path]:
    """The folders that hold a `question.txt`: of `root/split`, of `root`, or `root` itself."""
    for folder in (root / split, root):
        if folders := sorted(file.parent for file in folder.glob("*/question.txt")):
            return folders
    return [root] if (root / "question.txt").is_file() else []


def read_examples(file: str | Path) -> dict[int, Mapping[str, Any]]:
    """Example tests by problem number, from rows `{"problem_id", "example_input_output": {...} or null}`."""
    found: dict[int, Mapping[str, Any]] = {}
    for row in read_rows(file, ""):
        try:
            values = as_object(row.value)
            examples = values.get("example_input_output")
            if examples is not None:
                found[_number(name(values, "problem_id"))] = as_object(examples)
        except RowError as error:
            raise DataError(f"{row.file}:{row.line}: {error}") from error
    return found


def _folder_row(folder: Path) -> Row:
    """The files of one problem folder as the row of the JSONL form; JSON is parsed where the row is converted."""
    files = {
        "question": "question.txt",
        "input_output": "input_output.json",
        "solutions": "solutions.json",
        "starter_code": "starter_code.py",
        "metadata": "metadata.json",
        "gen_solutions": "gen_solutions.json",
    }
    values: dict[str, Any] = {"problem_id": folder.name}
    for key, file in files.items():
        if (folder / file).is_file():
            values[key] = (folder / file).read_text(encoding="utf-8", errors="replace")
    return Row(str(folder), 1, values)


def _wrong_programs(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Sampled programs of CodeRL's copy that its own grader refused."""
    sampled = json_field(row, "gen_solutions")
    if sampled is None:
        return ()
    return tuple(
        text(as_object(sample), "code")
        for sample in as_list(sampled, "gen_solutions")
        if as_object(sample).get("result") is not True
    )


def _lines(value: Any, key: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    raise RowError(f"{key}: expected text or a list of lines; got {shorten(value)}")


def _number(problem_id: str) -> int:
    try:
        return int(problem_id)
    except ValueError:
        raise RowError(f"problem_id: expected a number; got {problem_id!r}") from None
