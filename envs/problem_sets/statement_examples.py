"""Example tests found in the text of a statement: calls in a docstring, and Input/Output pairs in APPS style."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

from envs.problem import TestCase

_CONNECTOR = re.compile(r"\s*(?:\n\s*)?(?:==|=>|->|➞|=|\breturns?\b|\bshould\s+return\b|\n)\s*")
_HEADER = re.compile(r"^-{3,}\s*(?P<title>[^-\n]+?)\s*-{3,}[ \t]*$", re.MULTILINE)
_LEETCODE = re.compile(
    r"^\s*Input:[ \t]*(?P<given>.+?)\n\s*Output:[ \t]*(?P<expected>[^\n]+)", re.MULTILINE | re.DOTALL
)
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_MAX_EXAMPLES = 10


def call_examples(statement: str, entry_point: str) -> tuple[str, ...]:
    """Assertions `assert f(args) == value` for the calls with a value that a docstring shows."""
    scripts: dict[str, None] = {}
    for match in re.finditer(rf"\b{re.escape(entry_point)}\s*\(", statement):
        call_end = _closing(statement, match.end() - 1)
        connector = _CONNECTOR.match(statement, call_end) if call_end else None
        if not connector or _literal_call(call := statement[match.start() : call_end]) is None:
            continue
        expected = _leading_literal(statement[connector.end() :])
        if expected is not None:
            scripts[f"assert {' '.join(call.split())} == {expected}"] = None
    return tuple(scripts)[:_MAX_EXAMPLES]


def stdio_examples(statement: str) -> tuple[TestCase, ...]:
    """Input and output texts under the Example or Sample headings of a statement in APPS style."""
    sections = _sections(statement)
    cases: list[TestCase] = []
    for title, body in sections:
        if title.lower() in ("example", "examples"):
            cases += _pairs(body)
    inputs = [body for title, body in sections if re.fullmatch(r"sample input( \d+)?", title, re.IGNORECASE)]
    outputs = [body for title, body in sections if re.fullmatch(r"sample output( \d+)?", title, re.IGNORECASE)]
    if len(inputs) == len(outputs):
        # after a sample output the prose goes on under the same heading, parted by an empty line
        cases += [
            TestCase(f"{given.strip()}\n", f"{_EMPTY_LINE.split(expected.strip())[0].strip()}\n")
            for given, expected in zip(inputs, outputs, strict=True)
        ]
    return tuple(case for case in cases if case.input.strip() and case.output.strip())[:_MAX_EXAMPLES]


def argument_examples(statement: str) -> tuple[TestCase, ...]:
    """Arguments and values of `Input: a = 1, b = [2]` followed by `Output: 3`, as LeetCode writes them."""
    cases = []
    for match in _LEETCODE.finditer(statement):
        arguments, expected = _keyword_values(match["given"]), _json_or_literal(match["expected"].strip())
        if arguments is not None and expected is not _NOTHING:
            cases.append(TestCase(arguments, expected))
    return tuple(cases)[:_MAX_EXAMPLES]


def _sections(statement: str) -> list[tuple[str, str]]:
    headers = list(_HEADER.finditer(statement))
    ends = [*(header.start() for header in headers[1:]), len(statement)]
    return [(header["title"], statement[header.end() : end]) for header, end in zip(headers, ends, strict=False)]


def _pairs(body: str) -> list[TestCase]:
    """Input/Output pairs where each word stands on a line of its own."""
    parts = re.split(r"^(Input|Output)[ \t]*:?[ \t]*$", body, flags=re.MULTILINE)
    labelled = list(zip(parts[1::2], parts[2::2], strict=False))
    pairs = zip(labelled[::2], labelled[1::2], strict=False)
    return [
        TestCase(f"{given.strip()}\n", f"{expected.strip()}\n")
        for (first, given), (second, expected) in pairs
        if (first, second) == ("Input", "Output")
    ]


def _closing(source: str, opening: int) -> int | None:
    """Index after the parenthesis that closes the one at `opening`; quotes are skipped over."""
    depth, quote = 0, ""
    for index in range(opening, min(len(source), opening + 2000)):
        character = source[index]
        if quote:
            quote = "" if character == quote and source[index - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
            if depth == 0:
                return index + 1
    return None


def _literal_call(source: str) -> ast.Call | None:
    """The call, where all its arguments are literals."""
    try:
        node = _parse_expression(" ".join(source.split()))
        if not isinstance(node, ast.Call):
            return None
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            ast.literal_eval(argument)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return node


def _leading_literal(source: str) -> str | None:
    """The literal that the first line begins with, as source text; a remark may follow it, an operator may not."""
    line = source.split("\n", 1)[0][:500].rstrip().removesuffix(".")
    for end in range(len(line), 0, -1):
        candidate, rest = line[:end].rstrip(), line[end:].lstrip()
        if rest and rest[0] not in "#.,;()":
            continue
        try:
            node = _JsonNames().visit(_parse_expression(candidate))
            value = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
        return None if value is Ellipsis else ast.unparse(node)
    return None


def _keyword_values(source: str) -> list[Any] | None:
    try:
        node = _parse_expression(f"_({' '.join(source.split())})")
        if not isinstance(node, ast.Call) or node.args or not node.keywords:
            return None
        return [_literal_value(keyword.value) for keyword in node.keywords]
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


_NOTHING = object()


def _json_or_literal(source: str) -> Any:
    try:
        return _literal_value(_parse_expression(source))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return _NOTHING


class _JsonNames(ast.NodeTransformer):
    """true, false and null as Python's constants."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        constants = {"true": True, "false": False, "null": None}
        return ast.Constant(constants[node.id]) if node.id in constants else node


def _literal_value(node: ast.expr) -> Any:
    return ast.literal_eval(_JsonNames().visit(node))


def _parse_expression(source: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source, mode="eval").body
