"""EvalPlus' test scripts (arXiv 2305.01210): written from its inputs and the reference, or freed of numpy."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from envs.extract import parse_program
from envs.problem_sets.problem_set import RowError
from envs.problem_sets.reading import as_list, shorten

_PLUS_TEST = """\
_reference_module = {{}}
exec({reference!r}, _reference_module)
_reference = _reference_module[{entry_point!r}]
inf, nan = float("inf"), float("nan")
_inputs = {inputs!r}


def _close(got, expected, tolerance):
    if isinstance(expected, float) and isinstance(got, (int, float)):
        return got == expected or abs(got - expected) <= max(tolerance, 1e-6) * max(1.0, abs(expected))
    if isinstance(expected, (list, tuple)) and type(got) is type(expected) and len(got) == len(expected):
        return all(_close(*pair, tolerance) for pair in zip(got, expected))
    return got == expected


def check(candidate):
    from copy import deepcopy

    for arguments in _inputs:
        got = candidate(*deepcopy(arguments))
        {verify}
"""
_VERIFY = "assert _close(got, _reference(*deepcopy(arguments)), {tolerance!r})"
_VERIFY_ROOT = "assert abs(_reference_module['poly'](*deepcopy(arguments), got)) <= 1e-4"
"""HumanEval/32 asks for any root of a polynomial, so the value itself is checked."""


def check_against_reference(row: Mapping[str, Any], entry_point: str, reference: str) -> str:
    """A test script that runs the reference beside the program; it has a module of its own, for both share names."""
    if "base_input" not in row:
        raise RowError("test: expected `def check(candidate)`, or base_input and plus_input of EvalPlus; got neither")
    inputs = as_list(row["base_input"], "base_input") + as_list(row.get("plus_input") or [], "plus_input")
    if not inputs or not all(isinstance(arguments, list) for arguments in inputs):
        raise RowError(f"base_input: expected lists of arguments, at least one; got {shorten(inputs)}")
    tolerance = row.get("atol") or 0
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float):
        raise RowError(f"atol: expected a number; got {shorten(tolerance)}")
    verify = _VERIFY_ROOT if entry_point == "find_zero" else _VERIFY.format(tolerance=tolerance)
    return _PLUS_TEST.format(reference=reference, entry_point=entry_point, inputs=inputs, verify=verify)


_NUMPY_NAMES = {"allclose", "ndarray", "float32", "float64", "testing"}
_NUMPY = """\
class np:
    class ndarray:
        pass

    float32 = float64 = float

    @staticmethod
    def allclose(got, expected, rtol=1e-05, atol=1e-08):
        if isinstance(expected, (list, tuple)):
            same_form = isinstance(got, (list, tuple)) and len(got) == len(expected)
            return same_form and all(np.allclose(*pair, rtol, atol) for pair in zip(got, expected))
        return got == expected or abs(got - expected) <= atol + rtol * abs(expected)

    class testing:
        @staticmethod
        def assert_allclose(got, expected, rtol=1e-07, atol=0):
            assert np.allclose(got, expected, rtol, atol)
"""
"""The part of numpy that published tests use, for there is none in the jail."""


def without_numpy(script: str) -> str:
    """The script with a stand-in for `import numpy as np` where it uses no more than closeness of plain numbers."""
    tree = parse_program(script)
    used = {
        node.attr
        for node in (ast.walk(tree) if tree is not None else ())
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"
    }
    if not used or not used <= _NUMPY_NAMES:
        return script
    return re.sub(r"^import numpy as np[ \t]*\n", lambda _: _NUMPY, script, flags=re.MULTILINE)
