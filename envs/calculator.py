"""Arithmetic of calculator marks such as `<<3*4=12>>`: an expression in, its value out; nothing is run."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from types import MappingProxyType

from envs.extract import parse_program

MAX_LENGTH = 100
"""Longer expressions are noise."""
DECIMALS = 4
"""Places after the point of a value that is not whole."""
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_OPERATORS: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction | int]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
    }
)


def calculate(expression: str) -> int | float | None:
    """The value of numbers, `+ - * / //` and brackets, worked out in exact fractions.

    None for anything else, for a division by zero, and beyond what a float can hold.
    """
    if len(expression) > MAX_LENGTH:
        return None
    tree = parse_program(_THOUSANDS.sub("", expression.strip()))
    match tree:
        case ast.Module(body=[ast.Expr(value=node)]):
            try:
                value = _worth(node)
                return value.numerator if value.denominator == 1 else float(value)
            except (ValueError, ZeroDivisionError, OverflowError):
                return None
    return None


def number_text(value: int | float) -> str:
    """A number as it is written in a solution: 12, 0.5, 3.3333."""
    text = f"{value:.{DECIMALS}f}" if isinstance(value, float) else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _worth(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Fraction(repr(number))  # 0.1 as it is written, not as a float holds it
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_worth(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return Fraction(_OPERATORS[type(op)](_worth(left), _worth(right)))
    raise ValueError(f"expected arithmetic; got {ast.dump(node)}")
