"""HumanEval (arXiv 2107.03374), and EvalPlus' harder tests for it (arXiv 2305.01210)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets.problem_set import DataError, ProblemSet, RowError
from envs.problem_sets.reading import as_list, load_rows, name, read_rows, required_path, shorten, text
from envs.problem_sets.statement_examples import call_examples

ORIGIN = "openai/openai_humaneval"
LICENCE = "MIT"
LIMITS = Limits(cpu_s=5.0, memory_mb=512)
FILES = ("HumanEval.jsonl.gz", "HumanEval.jsonl", "HumanEvalPlus*.jsonl.gz", "HumanEvalPlus*.jsonl")


def load(split: str = "test", path: str | Path | None = None, config: str | None = None) -> ProblemSet:
    """Load the 164 problems; `path` is a file, a folder, or a hub name. There is one split, `test`."""
    if split != "test":
        raise DataError(f"humaneval: split: expected 'test', the only one; got {split!r}")
    rows = read_rows(required_path(path, "humaneval", ORIGIN), split, FILES, config)
    return load_rows("humaneval", split, rows, problem, LICENCE)


def problem(row: Mapping[str, Any]) -> Problem:
    """One row of HumanEval or of EvalPlus; raises RowError that names the key.

    The prompt is both statement and starter code. `test` holds `def check(candidate)`; a row of EvalPlus without
    it holds inputs, which are checked against the reference inside the test.
    """
    prompt, entry_point = text(row, "prompt"), text(row, "entry_point")
    reference = prompt + text(row, "canonical_solution")
    check = text(row, "test", "")
    if not check.strip():
        check = _check_against_reference(row, entry_point, reference)
    return Problem(
        id=name(row, "task_id"),
        statement=prompt,
        interface=Interface.ASSERT,
        hidden_tests=HiddenTests((TestCase(script=check),)),
        example_tests=ExampleTests(tuple(TestCase(script=script) for script in call_examples(prompt, entry_point))),
        entry_point=entry_point,
        starter_code=prompt,
        limits=LIMITS,
        solutions=(reference,),
        source="humaneval",
        licence=LICENCE,
    )


_PLUS_TEST = """\
_reference_module = {{}}
exec({reference!r}, _reference_module)
_reference = _reference_module[{entry_point!r}]
_inputs = {inputs!r}


def _close(got, expected, tolerance):
    if isinstance(expected, float) and isinstance(got, (int, float)):
        return got == expected or abs(got - expected) <= max(tolerance, 1e-6) * max(1.0, abs(expected))
    if isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)) and len(got) == len(expected):
        return all(_close(*pair, tolerance) for pair in zip(got, expected))
    return got == expected


def check(candidate):
    from copy import deepcopy

    for arguments in _inputs:
        got = candidate(*deepcopy(arguments))
        {verify}
"""
_VERIFY = "assert _close(got, _reference(*deepcopy(arguments)), {tolerance!r})"
_VERIFY_ROOT = "assert abs(_reference_module['poly'](*deepcopy(arguments), got)) <= 1e-4"
"""HumanEval/32 asks for any root of a polynomial, so the value itself is checked."""


def _check_against_reference(row: Mapping[str, Any], entry_point: str, reference: str) -> str:
    """A test script that runs the reference beside the program; it has a module of its own, for both share names."""
    if "base_input" not in row:
        raise RowError("test: expected `def check(candidate)`, or base_input and plus_input of EvalPlus; got neither")
    inputs = as_list(row["base_input"], "base_input") + as_list(row.get("plus_input") or [], "plus_input")
    if not inputs or not all(isinstance(arguments, list) for arguments in inputs):
        raise RowError(f"base_input: expected lists of arguments, at least one; got {shorten(inputs)}")
    tolerance = row.get("atol") or 0
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float):
        raise RowError(f"atol: expected a number; got {shorten(tolerance)}")
    verify = _VERIFY_ROOT if entry_point == "find_zero" else _VERIFY.format(tolerance=tolerance)
    return _PLUS_TEST.format(reference=reference, entry_point=entry_point, inputs=inputs, verify=verify)
