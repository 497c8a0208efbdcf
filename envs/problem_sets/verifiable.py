"""Collections of verifiable coding problems: PrimeIntellect, open-r1, DeepCoder, AceCode, and rows in verl's form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets import apps
from envs.problem_sets.leetcode import starter_with_imports, whole_program
from envs.problem_sets.problem_set import ProblemSet, RowError
from envs.problem_sets.reading import (
    as_list,
    as_object,
    as_texts,
    content_id,
    json_field,
    load_rows,
    parse_json,
    read_rows,
    required_path,
    shorten,
    text,
    texts,
)
from envs.problem_sets.statement_examples import argument_examples, stdio_examples

ORIGIN = "open-r1/verifiable-coding-problems-python"
LIMITS = Limits(cpu_s=5.0, memory_mb=1024, output_kb=16 * 1024)
_FENCED = re.compile(r"```(?:python|py)?[^\n]*\n(.*?)```", re.DOTALL)
_CALLED = re.compile(r"assert\s+(?:not\s+)?\(*\s*(?:[a-z]+\()*?([A-Za-z_]\w*)\(")


def load(
    split: str = "train", path: str | Path | None = None, config: str | None = None, n_examples: int = 1
) -> ProblemSet:
    """Load one split of any of the schemas; each row is read by the keys it has.

    Where neither the set nor the statement gives examples, the first `n_examples` tests are shown, if more remain.
    """
    rows = read_rows(required_path(path, "verifiable", ORIGIN), split, (), config)
    return load_rows("verifiable", split, rows, partial(problem, n_examples=n_examples))


def problem(row: Mapping[str, Any], n_examples: int = 1) -> Problem:
    """One row of a schema told by its keys; raises RowError that names the key."""
    for key, convert in _BY_KEY.items():
        if key in row:
            return convert(row, n_examples)
    raise RowError(f"row: expected one of the keys {', '.join(_BY_KEY)}; got {', '.join(map(str, row))[:200]}")


def _from_verification_info(row: Mapping[str, Any], n_examples: int) -> Problem:
    """PrimeIntellect and SYNTHETIC-1 (`prompt`, JSON texts) and open-r1 (`problem_statement`, structures)."""
    info = as_object(json_field(row, "verification_info"))
    language = text(info, "language", "python")
    if language.lower() not in ("python", "python3"):
        raise RowError(f"verification_info.language: expected python; got {language}")
    key = "verification_info.test_cases"
    cases, entry_point = _typed_cases(info.get("test_cases"), key)
    statement = text(row, "problem_statement", "") or text(row, "prompt")
    gold = _unfenced(text(row, "gold_standard_solution", ""))
    named = text(row, "problem_id", "") or f"verifiable/{content_id(statement)}"
    return _problem(
        named, statement, cases, entry_point, "", (gold,) if gold else (), text(row, "source", ""), n_examples
    )


def _from_deepcoder(row: Mapping[str, Any], n_examples: int) -> Problem:
    """DeepCoder-Preview: `tests` is JSON text of a list of tests or of lists of inputs and outputs."""
    tests = json_field(row, "tests")
    statement = text(row, "problem")
    entry_point: str | None
    if isinstance(tests, Mapping):
        entry_point = text(tests, "fn_name", "") or None
        cases = apps.read_cases(tests, "tests")
    else:
        cases, entry_point = _typed_cases(tests, "tests")
        metadata = as_object(json_field(row, "metadata") or {})
        entry_point = entry_point or text(metadata, "func_name", "") or None
    solutions = row.get("solutions")
    programs = (solutions,) if isinstance(solutions, str) else as_texts(solutions, "solutions")
    starter = text(row, "starter_code", "")
    references = tuple(_unfenced(program) for program in programs if program.strip())
    named = f"deepcoder/{content_id(statement)}"
    return _problem(named, statement, cases, entry_point, starter, references, "deepcoder", n_examples)


def _from_acecode(row: Mapping[str, Any], n_examples: int) -> Problem:
    """AceCode: a question and a list of asserts."""
    statement, asserts = text(row, "question"), texts(row, "test_cases")
    called = _CALLED.search(asserts[0]) if asserts else None
    if called is None:
        raise RowError(f"test_cases: expected asserts that call a function; got {shorten(asserts)}")
    shown = n_examples if len(asserts) > n_examples else 0
    cases = [TestCase(script=script) for script in asserts]
    return Problem(
        id=text(row, "id", "") or f"acecode/{content_id(statement)}",
        statement=statement,
        interface=Interface.ASSERT,
        hidden_tests=HiddenTests(tuple(cases[shown:])),
        example_tests=ExampleTests(tuple(cases[:shown])),
        entry_point=called[1],
        limits=LIMITS,
        source=text(row, "source", "") or "acecode",
    )


def _from_verl(row: Mapping[str, Any], n_examples: int) -> Problem:
    """Eurus-2-RL and its like: chat messages, and `reward_model.ground_truth` as JSON text of inputs and outputs."""
    model = as_object(json_field(row, "reward_model"))
    truth = as_object(json_field(model, "ground_truth"))
    if "inputs" not in truth:
        raise RowError(f"reward_model.ground_truth: expected inputs and outputs; got {shorten(list(truth))}")
    messages = [as_object(message) for message in as_list(row.get("prompt"), "prompt")]
    asked = [text(message, "content") for message in messages if message.get("role") == "user"]
    if not asked:
        raise RowError("prompt: expected a message of the user; got none")
    entry_point = text(truth, "fn_name", "") or None
    cases = apps.read_cases(truth, "reward_model.ground_truth")
    named, source = f"verl/{content_id(asked[-1])}", text(row, "data_source", "") or "verl"
    return _problem(named, asked[-1], cases, entry_point, "", (), source, n_examples)


_BY_KEY = {
    "verification_info": _from_verification_info,
    "tests": _from_deepcoder,
    "test_cases": _from_acecode,
    "reward_model": _from_verl,
}
"""How to read a row, by the first of these keys that it has."""


def _problem(
    problem_id: str,
    statement: str,
    cases: tuple[TestCase, ...],
    entry_point: str | None,
    starter: str,
    solutions: tuple[str, ...],
    source: str,
    n_examples: int,
) -> Problem:
    if not cases:
        raise RowError("tests: expected at least one test; got none")
    starter = starter_with_imports(starter) if entry_point else ""
    examples = argument_examples(statement) if entry_point else stdio_examples(statement)
    if not examples and len(cases) > n_examples:
        examples, cases = cases[:n_examples], cases[n_examples:]
    return Problem(
        id=problem_id,
        statement=statement,
        interface=Interface.FUNCTION if entry_point else Interface.STDIO,
        hidden_tests=HiddenTests(cases),
        example_tests=ExampleTests(examples),
        entry_point=entry_point,
        starter_code=starter,
        limits=LIMITS,
        solutions=tuple(whole_program(code, starter) for code in solutions),
        source=source,
    )


def _typed_cases(tests: Any, key: str) -> tuple[tuple[TestCase, ...], str | None]:
    """Cases of `[{"type" or "testtype", "input", "output", "fn_name"}]` and the function they call, if any."""
    cases, functions = [], set()
    for index, item in enumerate(as_list(tests, key)):
        where = f"{key}[{index}]"
        test = as_object(item)
        kind = test.get("type") or test.get("testtype")
        if kind in ("function_call", "functional"):
            cases.append(TestCase(_arguments(test.get("input"), f"{where}.input"), _result(test, f"{where}.output")))
            functions.add(text(test, "fn_name", "") or text(as_object(test.get("metadata") or {}), "func_name", ""))
        elif kind in ("stdin_stdout", "stdin"):
            cases.append(TestCase(text(test, "input"), text(test, "output")))
        else:
            raise RowError(f"{where}.type: expected stdin_stdout or function_call; got {shorten(kind)}")
    if len(functions) > 1 or (functions and any(isinstance(case.input, str) for case in cases)):
        raise RowError(f"{key}: expected tests of one kind, of one function; got a mixture")
    return tuple(cases), next(iter(functions), "") or None


def _arguments(value: Any, where: str) -> list[Any]:
    """A list of arguments, or text with one JSON value per line."""
    if isinstance(value, str):
        return [parse_json(line, where) for line in value.split("\n") if line.strip()]
    return as_list(value, where)


def _result(test: Mapping[str, Any], where: str) -> Any:
    """A value, JSON text of one, or a list of one as APPS wraps it beside a list of arguments."""
    value = test.get("output")
    if isinstance(test.get("input"), str):
        return parse_json(value, where) if isinstance(value, str) else value
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _unfenced(program: str) -> str:
    fenced = _FENCED.search(program)
    return (fenced[1] if fenced else program).strip()
