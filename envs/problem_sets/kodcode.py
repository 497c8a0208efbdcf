"""KodCode (arXiv 2503.02951): questions with a solution and pytest functions as tests."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from envs.extract import parse_program
from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets.problem_set import ProblemSet, RowError
from envs.problem_sets.reading import (
    as_list,
    as_object,
    content_id,
    json_field,
    load_rows,
    read_rows,
    required_path,
    text,
)

ORIGIN = "KodCode/KodCode-V1"
LICENCE = "CC-BY-NC-4.0"
LIMITS = Limits(cpu_s=5.0, memory_mb=512)
SOLUTION_MODULE = "solution"
"""The module from which the tests import the program."""


def load(
    split: str = "train", path: str | Path | None = None, config: str | None = None, n_examples: int = 1
) -> ProblemSet:
    """Load one split; the first `n_examples` test functions are example tests where more than that remain hidden."""
    rows = read_rows(required_path(path, "kodcode", ORIGIN), split, (), config)
    return load_rows("kodcode", split, rows, partial(problem, n_examples=n_examples), LICENCE)


def problem(row: Mapping[str, Any], n_examples: int = 1) -> Problem:
    """One row; raises RowError that names the key."""
    statement, solution = text(row, "question"), text(row, "solution")
    tests = text(row, "test", "") or text(row, "test_code")
    infos = as_list(json_field(row, "test_info") or [], "test_info")
    named = text(row, "test_entry_point", "") or (text(as_object(infos[0]), "function_name", "") if infos else "")
    scripts, imported = pytest_scripts(tests)
    entry_point = named or next(iter(imported), "")
    if not entry_point:
        raise RowError("test: expected `from solution import NAME`, or test_info with function_name; got neither")
    shown = n_examples if len(scripts) > n_examples else 0
    cases = [TestCase(script=script) for script in scripts]
    return Problem(
        id=text(row, "question_id", "") or f"kodcode/{content_id(statement)}",
        statement=statement,
        interface=Interface.ASSERT,
        hidden_tests=HiddenTests(tuple(cases[shown:])),
        example_tests=ExampleTests(tuple(cases[:shown])),
        entry_point=entry_point,
        limits=LIMITS,
        solutions=(solution,),
        source="kodcode",
        licence=LICENCE,
        tags=tuple(tag for tag in (text(row, "subset", ""), text(row, "gpt_difficulty", "")) if tag),
    )


def pytest_scripts(source: str) -> tuple[list[str], list[str]]:
    """Turn a pytest file into one script per test function, and the names it imports from the solution.

    A script is the file without the solution's import and without the other tests, then the call. Tests that need
    pytest itself (fixtures, parameters, `raises`) raise ValueError: there is no pytest in the sandbox.
    """
    tree = parse_program(source)
    if tree is None:
        raise RowError("test: expected valid Python; got a syntax error")
    imported: list[str] = []
    shared: list[ast.stmt] = []
    functions: list[ast.FunctionDef] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == SOLUTION_MODULE:
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            functions.append(node)
        else:
            shared.append(node)
    if any(_needs_pytest(node) for node in tree.body):
        raise RowError("test: expected plain asserts; got tests that need pytest")
    if any(function.args.args or function.decorator_list for function in functions):
        raise RowError("test: expected test functions without arguments or decorators; got fixtures or parameters")
    if not functions:
        raise RowError("test: expected at least one test function; got none")
    head = "".join(f"{ast.unparse(node)}\n" for node in shared)
    return [f"{head}{ast.unparse(function)}\n{function.name}()\n" for function in functions], imported


def _needs_pytest(node: ast.AST) -> bool:
    for part in ast.walk(node):
        if isinstance(part, ast.Import) and any(alias.name.partition(".")[0] == "pytest" for alias in part.names):
            return True
        if isinstance(part, ast.ImportFrom) and (part.module or "").partition(".")[0] == "pytest":
            return True
    return False
