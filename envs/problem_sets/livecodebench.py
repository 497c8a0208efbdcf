"""LiveCodeBench (arXiv 2403.07974): dated contest problems, with private tests that are compressed in most releases."""

from __future__ import annotations

import base64
import binascii
import pickletools
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envs.problem import ExampleTests, HiddenTests, Interface, Limits, Problem, TestCase
from envs.problem_sets.leetcode import starter_with_imports
from envs.problem_sets.problem_set import ProblemSet, RowError
from envs.problem_sets.reading import (
    as_list,
    as_object,
    json_field,
    load_rows,
    name,
    parse_json,
    read_rows,
    required_path,
    shorten,
    text,
)

ORIGIN = "livecodebench/code_generation_lite"
LICENCE = "CC"
LIMITS = Limits(cpu_s=6.0, memory_mb=1024, output_kb=16 * 1024)
FILES = ("test*.jsonl",)
MAX_TEST_BYTES = 512 * 2**20
"""Decompressed size beyond which the tests of a problem are refused."""
_TEXT_OPCODES = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_IDLE_OPCODES = {"PROTO", "FRAME", "MEMOIZE", "BINPUT", "LONG_BINPUT", "STOP"}


def load(
    split: str = "test",
    path: str | Path | None = None,
    config: str | None = None,
    first_date: str = "",
    last_date: str = "9999",
) -> ProblemSet:
    """Load one file; dates such as `2024-08-01` bound the contests, for a model must not have seen them."""
    rows = read_rows(required_path(path, "livecodebench", ORIGIN), split, FILES, config)

    def convert(row: Mapping[str, Any]) -> Problem:
        date = text(row, "contest_date", "")
        if not first_date <= date[:10] <= last_date:
            raise RowError(f"contest_date: expected {first_date or 'any'} to {last_date}; got {date}")
        return problem(row)

    return load_rows("livecodebench", split, rows, convert, LICENCE)


def problem(row: Mapping[str, Any]) -> Problem:
    """One row; raises RowError that names the key. Public tests are the example tests."""
    metadata = as_object(json_field(row, "metadata") or {})
    entry_point = text(metadata, "func_name", "") or None
    public = read_cases(json_field(row, "public_test_cases"), "public_test_cases")
    private = read_cases(private_tests(text(row, "private_test_cases")), "private_test_cases")
    if not private:
        raise RowError("private_test_cases: expected at least one test; got none")
    starter = text(row, "starter_code", "")
    date = text(row, "contest_date", "")
    labels = (text(row, "platform", ""), text(row, "difficulty", ""), f"date:{date[:10]}" if date else "")
    return Problem(
        id=name(row, "question_id"),
        statement=text(row, "question_content"),
        interface=Interface.FUNCTION if entry_point else Interface.STDIO,
        hidden_tests=HiddenTests(private),
        example_tests=ExampleTests(public),
        entry_point=entry_point,
        starter_code=starter_with_imports(starter) if entry_point else starter,
        limits=LIMITS,
        source="livecodebench",
        licence=LICENCE,
        tags=tuple(label for label in labels if label),
    )


def read_cases(tests: Any, key: str) -> tuple[TestCase, ...]:
    """Cases of `[{"input", "output", "testtype": "stdin" | "functional"}]`; raises RowError that names `key`."""
    cases = []
    for index, item in enumerate(as_list(tests, key)):
        where = f"{key}[{index}]"
        test = as_object(item)
        given, expected = text(test, "input"), text(test, "output")
        if test.get("testtype") == "functional":
            arguments = [parse_json(line, f"{where}.input") for line in given.split("\n") if line.strip()]
            cases.append(TestCase(arguments, parse_json(expected, f"{where}.output")))
        elif test.get("testtype") in ("stdin", "stdin_stdout"):
            cases.append(TestCase(given, expected))
        else:
            raise RowError(f"{where}.testtype: expected stdin or functional; got {shorten(test.get('testtype'))}")
    return tuple(cases)


def private_tests(packed: str) -> Any:
    """Tests given as JSON, or as base64 of zlib of a pickled JSON text; raises RowError."""
    key = "private_test_cases"
    if packed.lstrip().startswith(("[", "{")):
        return parse_json(packed, key)
    try:
        decompressor = zlib.decompressobj()
        content = decompressor.decompress(base64.b64decode(packed, validate=True), MAX_TEST_BYTES)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise RowError(f"{key}: expected JSON, or base64 of zlib data; got {shorten(packed)} ({error})") from None
    if not decompressor.eof:
        raise RowError(f"{key}: expected at most {MAX_TEST_BYTES} bytes of tests, complete; got more, or a part")
    return parse_json(pickled_text(content), key)


def pickled_text(content: bytes) -> str:
    """The one text that a pickle holds. Opcodes are listed, never run: anything but a single text is refused."""
    found: str | None = None
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in _TEXT_OPCODES and found is None and isinstance(argument, str):
                found = argument
            elif opcode.name not in _IDLE_OPCODES:
                raise RowError(f"opcode {opcode.name}")
    except (
        Exception
    ) as error:  # genops raises whatever its readers raise on torn bytes: ValueError, IndexError, struct.error
        raise RowError(f"private_test_cases: expected the pickle of one text; got {error}") from None
    if found is None:
        raise RowError("private_test_cases: expected the pickle of one text; got none")
    return found
