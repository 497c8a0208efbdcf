"""MBPP and its sanitized part (arXiv 2108.07732), and EvalPlus' MBPP+ in the form that holds a runnable `test`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from envs.extract import parse_program
from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets.evalplus import without_numpy
from envs.problem_sets.problem_set import DataError, ProblemSet, RowError
from envs.problem_sets.reading import Row, as_object, load_rows, name, read_rows, required_path, text, texts

ORIGIN = "google-research-datasets/mbpp"
LICENCE = "CC-BY-4.0"
LIMITS = Limits(cpu_s=5.0, memory_mb=512)
FILES = ("mbpp.jsonl", "sanitized-mbpp.json")
SPLITS = {"prompt": (1, 10), "test": (11, 510), "validation": (511, 600), "train": (601, 974), "all": (1, 974)}
"""First and last task id of each split, as the authors divide the set."""


def load(
    split: str = "test",
    path: str | Path | None = None,
    config: str | None = None,
    sanitized: bool = False,
    n_examples: int = 1,
) -> ProblemSet:
    """Load one split by task id; `sanitized` chooses between the two files of a folder or the hub.

    The first `n_examples` asserts of a problem are its example tests and the others are hidden. The published figure
    counts a program as right when it passes both.
    """
    if split not in SPLITS:
        raise DataError(f"mbpp: split: expected one of {', '.join(SPLITS)}; got {split!r}")
    files = FILES[1:] if sanitized else FILES
    form = config or ("sanitized" if sanitized else "full")
    rows = read_rows(required_path(path, "mbpp", ORIGIN), split, files, form)
    chosen = (row for row in rows if _in_split(row, split))
    return load_rows("mbpp", split, chosen, partial(problem, n_examples=n_examples), LICENCE)


def problem(row: Mapping[str, Any], n_examples: int = 1) -> Problem:
    """One row of either file, or of MBPP+ with its `test`; raises RowError that names the key."""
    statement = text(row, "prompt") if "prompt" in row else text(row, "text")
    code = text(row, "code").replace("\r\n", "\n")
    asserts = texts(row, "test_list")
    if len(asserts) <= n_examples:
        raise RowError(f"test_list: expected more than {n_examples} asserts, some to hide; got {len(asserts)}")
    setup = text(row, "test_setup_code", "").replace("\r\n", "\n")
    setup = "\n".join((*texts(row, "test_imports"), *_shared_imports(code, asserts), setup))
    scripts = [f"{setup.strip()}\n{test}".lstrip() for test in asserts]
    hidden = [without_numpy(text(row, "test"))] if row.get("test") else scripts[n_examples:]
    return Problem(
        id=f"Mbpp/{name(row, 'task_id').removeprefix('Mbpp/')}",
        statement=statement,
        interface=Interface.ASSERT,
        hidden_tests=HiddenTests(tuple(TestCase(script=script) for script in hidden)),
        example_tests=ExampleTests(tuple(TestCase(script=script) for script in scripts[:n_examples])),
        entry_point=called_function(code, asserts),
        limits=LIMITS,
        solutions=(code,),
        source="mbpp",
        licence=LICENCE,
    )


def called_function(code: str, asserts: Iterable[str]) -> str:
    """The function of `code` that the first assert calls; raises RowError where there is none."""
    tree = parse_program(code)
    if tree is None:
        raise RowError("code: expected valid Python; got a syntax error")
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for test in asserts:
        test_tree = parse_program(test)
        for node in ast.walk(test_tree) if test_tree is not None else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in defined:
                return node.func.id
    raise RowError(f"test_list: expected a call of a function of the code, one of {sorted(defined)}; got none")


def _shared_imports(code: str, asserts: Iterable[str]) -> list[str]:
    """Imports of the code whose modules the asserts use without importing them: test and program are no longer one."""
    code_tree, test_tree = parse_program(code), parse_program("\n".join(asserts))
    used = {node.id for node in ast.walk(test_tree) if isinstance(node, ast.Name)} if test_tree is not None else set()
    return [
        ast.unparse(node)
        for node in (code_tree.body if code_tree is not None else ())
        if isinstance(node, ast.Import) and any((alias.asname or alias.name) in used for alias in node.names)
    ]


def _in_split(row: Row, split: str) -> bool:
    """Whether a row belongs to the split; a row that cannot be read goes on, to be dropped with its reason."""
    try:
        number = name(as_object(row.value), "task_id").removeprefix("Mbpp/")
    except RowError:
        return True
    if not number.isascii() or not number.isdigit() or len(number) > 9:
        return True
    first, last = SPLITS[split]
    return first <= int(number) <= last
