"""Comparison of what a program gave with what was expected, on plain builtins and outside the program's process."""

from __future__ import annotations

import math
from typing import Any


def same_value(expected: Any, got: Any, *, tolerance: float | None = None, strict: bool = False) -> bool:
    """Tell whether `got` is the expected value, by Python's `==` on plain builtins; NaN equals nothing.

    `tolerance` is the allowed |got - expected| / max(1, |expected|) where a float is expected; integers are always
    exact. `strict` keeps lists and tuples apart; otherwise one may stand for the other, as JSON has no tuples.
    """
    if isinstance(expected, list | tuple):
        if not isinstance(got, list | tuple) or len(expected) != len(got):
            return False
        if strict and isinstance(expected, tuple) is not isinstance(got, tuple):
            return False
        pairs = zip(expected, got, strict=True)
        return all(same_value(left, right, tolerance=tolerance, strict=strict) for left, right in pairs)
    if isinstance(expected, dict):
        if not isinstance(got, dict) or len(expected) != len(got):
            return False
        return all(
            key in got and same_value(value, got[key], tolerance=tolerance, strict=strict)
            for key, value in expected.items()
        )
    if tolerance is not None and isinstance(expected, float):
        return _close(expected, got, tolerance)
    return bool(expected == got)


def _close(expected: float, got: Any, tolerance: float) -> bool:
    if isinstance(got, bool) or not isinstance(got, int | float):
        return False
    try:
        number = float(got)
    except OverflowError:
        return False
    if not (math.isfinite(expected) and math.isfinite(number)):
        return expected == number
    return abs(number - expected) <= tolerance * max(1.0, abs(expected))


def same_text(expected: str, got: str, *, tolerance: float | None = None) -> bool:
    """Tell whether two printed texts agree line by line: white space at the ends of lines and of the text is ignored.

    With a `tolerance`, words that differ may be numbers that are close, unless the expected one is an integer.
    """
    expected_lines, got_lines = _lines(expected), _lines(got)
    if len(expected_lines) != len(got_lines):
        return False
    return all(
        left == right or (tolerance is not None and _same_words(left.split(), right.split(), tolerance))
        for left, right in zip(expected_lines, got_lines, strict=True)
    )


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _same_words(expected: list[str], got: list[str], tolerance: float) -> bool:
    return len(expected) == len(got) and all(
        left == right or _same_number(left, right, tolerance) for left, right in zip(expected, got, strict=True)
    )


def _same_number(expected: str, got: str, tolerance: float) -> bool:
    if expected.lstrip("+-").isdigit():
        return False
    try:
        return _close(float(expected), float(got), tolerance)
    except ValueError:
        return False
