"""What a program's text tells about how it came to its answer, found from its syntax tree; nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from envs.extract import parse_number, parse_program
from envs.problem import Problem

CONSTANTS = frozenset({0, 1, 2, 100})
"""Numbers that a program may use though no text holds them."""
_WORDS = {
    0.25: "quarter quarters fourth", 0.5: "half halves", 1: "one once single",
    2: "two twice double both couple pair", 3: "three thrice triple third thirds", 4: "four", 5: "five fifth",
    6: "six", 7: "seven week weeks weekly", 8: "eight", 9: "nine", 10: "ten tenth", 11: "eleven",
    12: "twelve dozen dozens year years", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen",
    17: "seventeen", 18: "eighteen", 19: "nineteen", 20: "twenty", 24: "day days", 30: "thirty", 40: "forty",
    50: "fifty", 60: "sixty hour hours minute minutes", 70: "seventy", 80: "eighty", 90: "ninety",
    1000: "thousand kilo kilometer kilogram",
}  # fmt: skip
WORDS = {word: value for value, words in _WORDS.items() for word in words.split()}
"""Numbers that words of a statement stand for."""
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
_NO_EFFECT = frozenset({"abs", "bool", "float", "int", "len", "max", "min", "pow", "round", "sorted", "str", "sum"})
"""Functions whose call does nothing but give a value."""
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)


def canonical(program: str) -> str:
    """The same text for programs that differ in names of variables, comments and layout only."""
    tree = parse_program(program)
    if tree is None:
        return program
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in assigned:
            node.id = names.setdefault(node.id, f"v{len(names)}")
    return ast.dump(tree)


def without_dead_code(program: str, problem: Problem) -> bool:
    """Whether every variable plays a part in what the program gives, and no statement follows a return.

    Assignments that may have effects, by calls of unknown functions, count as needed; so does what does not parse.
    """
    tree = parse_program(program)
    if tree is None:
        return True
    if any(_has_unreachable(block) for node in ast.walk(tree) for block in _blocks(node)):
        return False
    assigned: set[str] = set()
    read_for: dict[str, set[str]] = {}
    removable: set[int] = set()
    for node in ast.walk(tree):
        target = _plain_target(node)
        if target is not None and target != problem.entry_point:
            assigned.add(target)
            read_for.setdefault(target, set()).update(_read(node))
            removable.update(map(id, ast.walk(node)))
    needed = {name for node in ast.walk(tree) if id(node) not in removable for name in _read_here(node)}
    waiting = list(needed)
    while waiting:
        for name in read_for.get(waiting.pop(), set()) - needed:
            needed.add(name)
            waiting.append(name)
    return assigned <= needed


def literals_from_text(program: str, problem: Problem) -> bool:
    """Whether every number in the program stands in the statement, as digits, word or per cent, or is in CONSTANTS."""
    tree = parse_program(program)
    if tree is None:
        return True
    known = CONSTANTS | numbers_of(problem.statement)
    used = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
    }
    return used <= known


def numbers_of(text: str) -> set[int | float]:
    """Numbers that a text holds, as digits, word or per cent."""
    found: set[int | float] = {WORDS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in WORDS}
    for digits in _NUMBER.findall(text):
        value = parse_number(digits)
        if value is not None:
            found |= {value, value / 100}
    return found


def _plain_target(node: ast.AST) -> str | None:
    """The variable that an assignment without other effects sets; None for anything else."""
    if not isinstance(node, _ASSIGNMENTS) or node.value is None or _has_effects(node.value):
        return None
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    several = isinstance(node, ast.Assign) and len(node.targets) > 1
    return target.id if isinstance(target, ast.Name) and not several else None


def _has_effects(value: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr)
        or (isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in _NO_EFFECT))
        for node in ast.walk(value)
    )


def _read(node: ast.AST) -> set[str]:
    """Names that are read anywhere below a node."""
    return {name for inner in ast.walk(node) for name in _read_here(inner)}


def _read_here(node: ast.AST) -> Iterable[str]:
    return (node.id,) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) else ()


def _blocks(node: ast.AST) -> Iterable[list[ast.stmt]]:
    return (block for name in ("body", "orelse", "finalbody") if isinstance(block := getattr(node, name, None), list))


def _has_unreachable(block: list[ast.stmt]) -> bool:
    return any(isinstance(statement, ast.Return | ast.Raise) for statement in block[:-1])
