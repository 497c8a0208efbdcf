"""Which format is a file in? The detector answers with a name of the registry and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from envs.problem_sets import humaneval, livecodebench, mbpp, puzzles
from envs.problem_sets.apps import problem_folders
from envs.problem_sets.problem_set import DataError, RowError
from envs.problem_sets.reading import as_object, read_rows


@dataclass(frozen=True, slots=True)
class Detection:
    """What a file was taken for."""

    name: str
    """Name of the set in the registry."""
    why: str
    """The evidence, for the log."""


@dataclass(frozen=True, slots=True)
class _Schema:
    name: str
    keys: tuple[str, ...]
    """Keys that every row has."""
    test: Callable[[Mapping[str, Any]], bool] = lambda row: True
    """A look at the values, where keys alone leave it open."""
    remark: str = ""
    """What that look found."""


def _answer_ends_in_number(row: Mapping[str, Any]) -> bool:
    return "####" in str(row["answer"])


_SCHEMAS = (
    _Schema("files", ("id", "statement", "interface", "hidden_tests")),
    _Schema("humaneval", ("task_id", "prompt", "entry_point", "canonical_solution", "test")),
    _Schema("humaneval", ("task_id", "prompt", "entry_point", "canonical_solution", "base_input")),
    _Schema("mbpp", ("task_id", "text", "code", "test_list")),
    _Schema("mbpp", ("task_id", "prompt", "code", "test_list")),
    _Schema("livecodebench", ("question_id", "question_content", "public_test_cases", "private_test_cases")),
    _Schema("code_contests", ("name", "description", "public_tests", "private_tests")),
    _Schema("puzzles", ("name", "sat", "sol_header")),
    _Schema("verifiable", ("verification_info",)),
    _Schema("verifiable", ("data_source", "prompt", "reward_model")),
    _Schema("apps", ("problem_id", "question", "input_output")),
    _Schema("taco", ("question", "input_output")),
    _Schema("kodcode", ("question", "solution", "test")),
    _Schema("kodcode", ("question", "solution", "test_code")),
    _Schema("verifiable", ("problem", "tests")),
    _Schema("verifiable", ("question", "test_cases")),
    _Schema("gsm8k", ("question", "answer"), _answer_ends_in_number, "the answer has '####'"),
)
"""Formats in order: the first whose keys are all there is it, so longer lists of keys stand first."""


def detect_format(path: str | Path, split: str = "train") -> Detection:
    """Look at the first rows of a file or at the folders of `path`; raises DataError that says what is missing."""
    location = Path(path)
    if location.is_dir() and (folders := problem_folders(location, split)):
        return Detection("apps", f"{folders[0]} holds question.txt")
    known_files = (f"{split}.jsonl", *humaneval.FILES, *mbpp.FILES, *puzzles.FILES, *livecodebench.FILES)
    for row in islice(read_rows(path, split, known_files if location.is_dir() else ()), 1):
        try:
            return detect_row(as_object(row.value), f"{row.file}:{row.line}")
        except RowError as error:
            raise DataError(f"{row.file}:{row.line}: {error}") from error
    raise DataError(f"{path}: expected at least one row; got none")


def detect_row(row: Mapping[str, Any], place: str) -> Detection:
    """Name the format of one row; raises DataError that names the nearest format and the keys it lacks."""
    for schema in _SCHEMAS:
        if all(key in row for key in schema.keys) and schema.test(row):
            remark = f", and {schema.remark}" if schema.remark else ""
            return Detection(schema.name, f"{place} has the keys {', '.join(schema.keys)}{remark}")
    nearest = max(_SCHEMAS, key=lambda schema: sum(key in row for key in schema.keys) / len(schema.keys))
    missing = ", ".join(key for key in nearest.keys if key not in row) or nearest.remark
    found = ", ".join(str(key) for key in row)[:200] or "no keys"
    raise DataError(f"{place}: no known format; nearest is {nearest.name}, which lacks {missing}; got {found}")
