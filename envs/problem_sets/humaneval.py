"""HumanEval (arXiv 2107.03374), and EvalPlus' harder tests for it (arXiv 2305.01210)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets.evalplus import check_against_reference, without_numpy
from envs.problem_sets.problem_set import DataError, ProblemSet
from envs.problem_sets.reading import load_rows, name, read_rows, required_path, text
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
        check = check_against_reference(row, entry_point, reference)
    return Problem(
        id=name(row, "task_id"),
        statement=prompt,
        interface=Interface.ASSERT,
        hidden_tests=HiddenTests((TestCase(script=without_numpy(check)),)),
        example_tests=ExampleTests(tuple(TestCase(script=script) for script in call_examples(prompt, entry_point))),
        entry_point=entry_point,
        starter_code=prompt,
        limits=LIMITS,
        solutions=(reference,),
        source="humaneval",
        licence=LICENCE,
    )
