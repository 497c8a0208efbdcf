"""The same program in other names and with other numbers: its label stays, what it looks like does not.

A critic that is fitted to few labels takes to surface features, such as one name or number that right programs happened
to have. Symbolic knowledge distillation (arXiv 2110.07178) draws other names in each epoch; here the names are those of
variables, and numbers change together with the statement.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import NamedTuple

from critics.programs import CONSTANTS
from envs.extract import parse_program
from envs.problem import Interface, Problem

_WHOLE_NUMBER = re.compile(r"(?<![\w.,])\d{1,6}(?!\w|[.,]\d)")
"""Up to six digits that are neither part of a word nor of a longer number."""
_DRAWS = 20
"""Tries to find another number that stands nowhere yet."""


def with_other_names(program: str, problem: Problem, rng: Random) -> str:
    """The program with the names of its own variables dealt anew among them, which means the same.

    Left alone are names that stand for anything else as well: parameters, functions, attributes, built-ins, whatever
    the starter code holds. A program that does not parse, or has f-strings, comes back as it is.
    """
    tree = parse_program(program)
    # Python 3.11 does not say where in a line a name inside an f-string stands.
    if tree is None or any(isinstance(node, ast.JoinedStr) for node in ast.walk(tree)):
        return program
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    taken = {*_other_identifiers(tree), *re.findall(r"\w+", problem.starter_code), *dir(builtins), problem.entry_point}
    own = sorted({node.id for node in names if isinstance(node.ctx, ast.Store)} - taken)
    dealt = dict(zip(own, rng.sample(own, len(own)), strict=True))
    places = [_Place(node.lineno, node.col_offset, node.id, dealt[node.id]) for node in names if node.id in dealt]
    return _replaced(program, places) or program


def with_other_numbers(program: str, problem: Problem, rng: Random) -> tuple[str, Problem]:
    """The program and its problem with other numbers, changed in both alike.

    A number is changed where it stands once in the statement and once in the program; the new one has as many digits
    and stands nowhere. Only for answers to a question in words: a problem with example tests, or with arguments, says
    its numbers in more than one place. The hidden tests of the changed problem are wrong: it is for reading only.
    """
    tree = parse_program(program)
    if tree is None or problem.interface is not Interface.ANSWER or problem.example_tests:
        return program, problem
    in_text = _WHOLE_NUMBER.findall(problem.statement)
    literals = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is int]
    in_program = [str(node.value) for node in literals]
    present = {*in_text, *in_program, *map(str, CONSTANTS)}
    changed: dict[str, str] = {}
    for text in in_text:
        if in_text.count(text) == in_program.count(text) == 1 and int(text) not in CONSTANTS:
            new = _of_as_many_digits(text, present, rng)
            changed[text] = new
            present.add(new)
    places = [
        _Place(node.lineno, node.col_offset, text, changed[text])
        for node, text in zip(literals, in_program, strict=True)
        if text in changed
    ]
    replaced = _replaced(program, places)
    if replaced is None:
        return program, problem
    statement = _WHOLE_NUMBER.sub(lambda match: changed.get(match[0], match[0]), problem.statement)
    return replaced, replace(problem, statement=statement)


def _of_as_many_digits(text: str, present: set[str], rng: Random) -> str:
    """Another number that stands nowhere yet; the same one where none is found."""
    for _ in range(_DRAWS):
        drawn = str(rng.randrange(10 ** (len(text) - 1), 10 ** len(text)))
        if drawn not in present:
            return drawn
    return text


def _other_identifiers(tree: ast.AST) -> Iterator[str]:
    """Texts within nodes that are no names: identifiers that stand for something else than a plain variable."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name):
            for _, value in ast.iter_fields(node):
                yield from (one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str))


class _Place(NamedTuple):
    """Where a text stands that another one replaces."""

    line: int
    column: int
    old: str
    new: str


def _replaced(program: str, places: list[_Place]) -> str | None:
    """The program with texts replaced, columns counted in bytes; None where one of them is written otherwise."""
    lines = program.encode().splitlines(keepends=True)
    for place in sorted(places, reverse=True):
        before, after = lines[place.line - 1][: place.column], lines[place.line - 1][place.column :]
        old = place.old.encode()
        if not after.startswith(old):
            return None
        lines[place.line - 1] = before + place.new.encode() + after[len(old) :]
    return b"".join(lines).decode()
