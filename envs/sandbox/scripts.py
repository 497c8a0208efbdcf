"""Test scripts read as syntax: which of them are calls with expected values, and what the others need."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Check(StrEnum):
    """What a returned value must be."""

    EQUAL = "equal"
    """Equal to the expected value."""
    SAME = "same"
    """The very constant None, True or False."""
    TRUE = "true"
    """True as a condition."""
    FALSE = "false"
    """False as a condition."""
    ANY = "any"
    """Any plain value: something else judges it."""
    NEAR = "near"
    """A number that differs from the expected one by less than `margin`."""


@dataclass(frozen=True)
class ScriptCall:
    """One assertion as a call whose value is compared outside."""

    entry: str
    """The function that is called."""
    arguments: list[Any]
    keywords: dict[str, Any]
    check: Check
    expected: Any = None
    margin: float = 0.0


class _NotConvertibleError(Exception):
    pass


def script_calls(script: str, entry_point: str | None) -> list[ScriptCall] | None:
    """Read a script as calls with literal arguments and expectations, in order; None where it is more than that."""
    try:
        body = ast.parse(script).body
        calls = list(_calls_of(body, {"candidate": entry_point} if entry_point else {}, entry_point))
    except (SyntaxError, ValueError, RecursionError, MemoryError, _NotConvertibleError):
        return None
    return calls or None


def _calls_of(body: list[ast.stmt], aliases: dict[str, str], entry_point: str | None) -> Iterator[ScriptCall]:
    """Yield the calls of statements; `aliases` are other names of the program's functions."""
    for statement in body:
        match statement:
            case ast.Assert(test=test):
                yield _call_of(test, aliases, entry_point)
            case ast.FunctionDef(name="check", args=ast.arguments(args=[ast.arg(arg=name)]), body=inner):
                if entry_point is None:
                    raise _NotConvertibleError
                yield from _calls_of(inner, {name: entry_point}, entry_point)
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case ast.Assign(targets=[ast.Name(id="METADATA")]):
                pass
            case ast.Expr(value=ast.Call(func=ast.Name(id="check"), args=[ast.Name(id=name)])) if name == entry_point:
                pass
            case _:
                raise _NotConvertibleError


def _call_of(test: ast.expr, aliases: dict[str, str], entry_point: str | None) -> ScriptCall:
    match test:
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            if isinstance(left, ast.Call):
                return _make(left, Check.EQUAL, aliases, entry_point, _literal(right))
            return _make(right, Check.EQUAL, aliases, entry_point, _literal(left))
        case ast.Compare(left=left, ops=[ast.Is()], comparators=[ast.Constant(value=None | True | False as right)]):
            return _make(left, Check.SAME, aliases, entry_point, right)
        case ast.Compare(
            left=ast.Call(func=ast.Name(id="abs"), args=[ast.BinOp(left=left, op=ast.Sub(), right=right)]),
            ops=[ast.Lt()],
            comparators=[margin],
        ):
            return _make(left, Check.NEAR, aliases, entry_point, _literal(right), float(_literal(margin)))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _make(operand, Check.FALSE, aliases, entry_point)
        case _:
            return _make(test, Check.TRUE, aliases, entry_point)


def _make(
    node: ast.expr,
    check: Check,
    aliases: dict[str, str],
    entry_point: str | None,
    expected: Any = None,
    margin: float = 0.0,
) -> ScriptCall:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise _NotConvertibleError
    entry = aliases.get(node.func.id, node.func.id)
    if entry != entry_point and (entry_point is not None or hasattr(builtins, entry)):
        raise _NotConvertibleError
    keywords = {keyword.arg: _literal(keyword.value) for keyword in node.keywords if keyword.arg is not None}
    if len(keywords) != len(node.keywords):
        raise _NotConvertibleError
    return ScriptCall(entry, [_literal(argument) for argument in node.args], keywords, check, expected, margin)


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        raise _NotConvertibleError from None


def free_names(script: str, given: str) -> list[str]:
    """Names that a script uses and neither it, `given` nor Python defines: those of the program."""
    tree, known = ast.parse(script), {"candidate", *vars(builtins)}
    defined = {name for part in (script, given) for name in _defined(_parse(part))}
    used = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    return sorted({name for name in used if name not in known and name not in defined})


def given_source(starter_code: str) -> str:
    """The starter code as a whole module, completed by `pass` where it ends in an open function; else nothing."""
    for text in (starter_code, f"{starter_code.rstrip()}\n    pass\n"):
        if _parse(text) is not None:
            return text
    return ""


def needs_one_process(script: str, names: list[str]) -> bool:
    """Whether a script hands functions to the program, or uses its classes as classes: no values could cross."""
    tree = ast.parse(script)
    local = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    program = {"candidate", *names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(_mentions(base, program) for base in node.bases):
            return True
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "issubclass"):
            if any(_mentions(argument, program) for argument in node.args[1:]):
                return True
        elif _mentions(node.func, program) and any(
            isinstance(part, ast.Lambda) or (isinstance(part, ast.Name) and part.id in local)
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]
            for part in ast.walk(argument)
        ):
            return True
    return False


def _mentions(node: ast.AST, names: set[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in names for part in ast.walk(node))


def predicate_name(script: str) -> str:
    """Name of a puzzle's predicate: the last function that the script defines."""
    tree = _parse(script)
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)] if tree else []
    return names[-1] if names else "sat"


def parses(text: str) -> bool:
    """Whether a text is Python at all."""
    return _parse(text) is not None


def _parse(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return None


def _defined(tree: ast.Module | None) -> Iterator[str]:
    for node in ast.walk(tree) if tree is not None else ():
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.alias(name=name, asname=asname):
                yield asname or name.partition(".")[0]
