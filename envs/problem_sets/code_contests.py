"""CodeContests (arXiv 2203.07814): stdio problems with public, private and generated tests and wrong programs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets.problem_set import ProblemSet, RowError
from envs.problem_sets.reading import as_list, as_texts, json_field, load_rows, read_rows, required_path, shorten, text

ORIGIN = "deepmind/code_contests"
LICENCE = "CC-BY-4.0"
PYTHON3 = (3, "PYTHON3")
"""Value of the language column for Python 3: its number, or its name in some copies."""


def load(
    split: str = "train", path: str | Path | None = None, config: str | None = None, generated_tests: bool = True
) -> ProblemSet:
    """Load one split; `generated_tests` says whether the mutated tests count among the hidden ones."""
    rows = read_rows(required_path(path, "code_contests", ORIGIN), split, (), config)
    return load_rows("code_contests", split, rows, partial(problem, generated_tests=generated_tests), LICENCE)


def problem(row: Mapping[str, Any], generated_tests: bool = True) -> Problem:
    """One row; raises RowError that names the key. Public tests are the example tests."""
    if text(row, "input_file", "") or text(row, "output_file", ""):
        raise RowError("input_file: expected a problem on standard input and output; got one that uses files")
    hidden = _cases(row, "private_tests") + (_cases(row, "generated_tests") if generated_tests else ())
    if not hidden:
        raise RowError("private_tests: expected at least one hidden test; got none")
    return Problem(
        id=f"code_contests/{text(row, 'name')}",
        statement=text(row, "description"),
        interface=Interface.STDIO,
        hidden_tests=HiddenTests(hidden),
        example_tests=ExampleTests(_cases(row, "public_tests")),
        limits=_limits(row),
        solutions=_programs(row, "solutions"),
        source="code_contests",
        licence=LICENCE,
        tags=as_texts(row.get("cf_tags"), "cf_tags"),
        wrong_programs=_programs(row, "incorrect_solutions"),
    )


def _cases(row: Mapping[str, Any], key: str) -> tuple[TestCase, ...]:
    """`{"input": [...], "output": [...]}`."""
    tests = json_field(row, key) or {}
    if not isinstance(tests, Mapping):
        raise RowError(f"{key}: expected an object with input and output; got {shorten(tests)}")
    inputs, outputs = as_texts(tests.get("input"), f"{key}.input"), as_texts(tests.get("output"), f"{key}.output")
    if len(inputs) != len(outputs):
        raise RowError(f"{key}: expected as many outputs as inputs; got {len(inputs)} inputs, {len(outputs)} outputs")
    return tuple(TestCase(given, expected) for given, expected in zip(inputs, outputs, strict=True))


def _programs(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The Python 3 programs of `{"language": [...], "solution": [...]}`."""
    value = json_field(row, key) or {}
    if not isinstance(value, Mapping):
        raise RowError(f"{key}: expected an object with language and solution; got {shorten(value)}")
    languages = as_list(value.get("language") or [], f"{key}.language")
    programs = as_texts(value.get("solution"), f"{key}.solution")
    if len(languages) != len(programs):
        raise RowError(f"{key}: expected one language per solution; got {len(languages)} and {len(programs)}")
    return tuple(program for language, program in zip(languages, programs, strict=True) if language in PYTHON3)


def _limits(row: Mapping[str, Any]) -> Limits:
    """Twice the site's time, which is set for compiled languages, and at least 4 s; its memory, at least 512 MiB."""
    time = row.get("time_limit") or {}
    memory = row.get("memory_limit_bytes") or 0
    if not isinstance(time, Mapping):
        raise RowError(f"time_limit: expected an object with seconds and nanos; got {shorten(time)}")
    parts = (time.get("seconds") or 0, time.get("nanos") or 0, memory)
    if not all(isinstance(part, int) and not isinstance(part, bool) and 0 <= part < 2**62 for part in parts):
        raise RowError(f"time_limit, memory_limit_bytes: expected whole numbers; got {shorten(parts)}")
    seconds, nanos, memory = parts
    return Limits(max(4.0, 2.0 * (seconds + nanos * 1e-9)), max(512, memory // 2**20), 16 * 1024)
