"""Own problems in JSONL, JSON or Parquet, one row per problem as `envs.problem` writes them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from envs.problem import Problem, problem_from_row, problem_to_row
from envs.problem_sets.problem_set import ProblemSet, RowError
from envs.problem_sets.reading import load_rows, read_rows, required_path


def load(
    split: str = "train", path: str | Path | None = None, config: str | None = None, strict: bool = True
) -> ProblemSet:
    """Load a file, or `split.jsonl` and its like in a folder; a bad row is an error unless `strict` is off."""
    rows = read_rows(required_path(path, "files", "rows that envs.problem writes"), split, (), config)
    return load_rows("files", split, rows, problem, strict=strict)


def problem(row: Mapping[str, Any]) -> Problem:
    """One row; raises RowError that names the key."""
    try:
        return problem_from_row(row)
    except ValueError as error:
        raise RowError(str(error)) from error


def write(problems: Iterable[Problem], path: str | Path) -> None:
    """Write problems as JSONL that `load` reads back; the file appears whole or not at all."""
    target = Path(path)
    partial = target.with_name(f"{target.name}.partial")
    with partial.open("w", encoding="utf-8") as stream:
        for problem in problems:
            stream.write(json.dumps(problem_to_row(problem)) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(target)
