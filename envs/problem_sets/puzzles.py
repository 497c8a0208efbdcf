"""Python Programming Puzzles, P3 (arXiv 2106.05784): find an answer that makes `sat` true."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envs.problem import HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets.problem_set import DataError, ProblemSet, RowError
from envs.problem_sets.reading import (
    Row,
    as_object,
    as_texts,
    load_rows,
    name,
    parse_json,
    read_rows,
    required_path,
    text,
    texts,
)

ORIGIN = "github.com/microsoft/PythonProgrammingPuzzles"
LICENCE = "MIT"
LIMITS = Limits(cpu_s=10.0, memory_mb=1024, output_kb=16 * 1024)
FILES = ("puzzles.json",)
IMPORTS = "from typing import List\n\n"
"""What the set takes for granted in `sat` and in solutions."""


def load(
    split: str = "train",
    path: str | Path | None = None,
    config: str | None = None,
    split_file: str | Path | None = None,
) -> ProblemSet:
    """Load the puzzles whose class is in `split` of `split_file` (found beside the data); `all` takes every puzzle."""
    location = Path(required_path(path, "puzzles", ORIGIN))
    rows = read_rows(location, split, FILES, config)
    if split != "all":
        beside = (location if location.is_dir() else location.parent) / "split.json"
        classes = split_classes(Path(split_file or beside), split)
        rows = (row for row in rows if _in_classes(row, classes))
    return load_rows("puzzles", split, rows, problem, LICENCE)


def problem(row: Mapping[str, Any]) -> Problem:
    """One row; raises RowError that names the key. The predicate is the statement: nothing about it is secret."""
    predicate, header = text(row, "sat"), text(row, "sol_header")
    docstring = text(row, "sol_docstring", "")
    starter = IMPORTS + "".join(f"{part}\n" for part in (header, docstring) if part)
    return Problem(
        id=name(row, "name"),
        statement=predicate,
        interface=Interface.PUZZLE,
        hidden_tests=HiddenTests((TestCase(script=IMPORTS + predicate),)),
        entry_point="sol",
        starter_code=starter,
        limits=LIMITS,
        solutions=tuple(f"{starter}{body}\n" for body in texts(row, "sol_bodies")),
        source="puzzles",
        licence=LICENCE,
        tags=tuple(tag for tag in (text(row, "module", ""), text(row, "ans_type", "")) if tag),
    )


def split_classes(file: Path, split: str) -> frozenset[str]:
    """Names of the puzzle classes of a split: the part of a puzzle's name before the colon."""
    if not file.is_file():
        raise DataError(f"{file}: no such file; it divides the puzzles, or load split 'all'")
    try:
        splits = as_object(parse_json(file.read_bytes(), "split"))
        if split not in splits:
            raise RowError(f"split: expected one of {', '.join((*splits, 'all'))}; got {split!r}")
        return frozenset(as_texts(splits[split], split))
    except RowError as error:
        raise DataError(f"{file}:1: {error}") from error


def _in_classes(row: Row, classes: frozenset[str]) -> bool:
    """Whether a row is of these classes; a row that cannot be read goes on, to be dropped with its reason."""
    try:
        return name(as_object(row.value), "name").partition(":")[0] in classes
    except RowError:
        return True
