"""Programs that solve nothing and must fail: the audit of a problem set runs them against its hidden tests."""

from __future__ import annotations

import ast

from envs.extract import parse_program
from envs.problem import Interface, Problem

RETURNED: tuple[object, ...] = (None, 0, 1, -1, True, False, "", [], {}, ())
"""Constants that a lazy function returns; 0 and False are both here, for a test may tell them apart."""
PRINTED = ("", "0", "1", "-1", "YES", "NO", "Yes", "No")
"""Constants that a lazy program prints."""


def cheats(problem: Problem) -> dict[str, str]:
    """Cheating programs for one problem by name: empty, exit 0, constants, and the answers of the example tests."""
    programs = {"empty": "", "exit 0": "import sys\nsys.exit(0)\n"}
    if problem.interface is Interface.STDIO:
        programs |= {f"constant {value!r}": f"print({value!r})\n" for value in PRINTED}
    else:
        programs |= {f"constant {value!r}": _returning(problem, value) for value in RETURNED}
    table = example_answers(problem)
    if table:
        programs["copied examples"] = _copying(problem, table)
    return programs


def example_answers(problem: Problem) -> list[tuple[str, str]]:
    """Inputs and answers of the example tests: texts for stdio, otherwise source of argument tuple and value."""
    if problem.interface is Interface.STDIO:
        return [(str(case.input), str(case.output)) for case in problem.example_tests]
    if problem.interface is Interface.FUNCTION:
        return [(repr(tuple(case.input)), repr(case.output)) for case in problem.example_tests]
    if problem.interface is Interface.ASSERT:
        pairs = (asserted_answer(case.script or "", problem.entry_point or "") for case in problem.example_tests)
        return [pair for pair in pairs if pair is not None]
    return []


def asserted_answer(script: str, entry_point: str) -> tuple[str, str] | None:
    """Argument tuple and value, as source, of the last `assert f(args) == value` of a script."""
    tree = parse_program(script)
    for node in reversed(tree.body if tree is not None else []):
        if not isinstance(node, ast.Assert) or not isinstance(node.test, ast.Compare) or len(node.test.ops) != 1:
            continue
        call, value = node.test.left, node.test.comparators[0]
        is_call = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == entry_point
        if is_call and isinstance(node.test.ops[0], ast.Eq) and isinstance(call, ast.Call) and not call.keywords:
            arguments = "".join(f"{ast.unparse(argument)}, " for argument in call.args)
            return f"({arguments})", ast.unparse(value)
    return None


def _returning(problem: Problem, value: object) -> str:
    return f"def {problem.entry_point}(*args, **kwargs):\n    return {value!r}\n"


def _copying(problem: Problem, table: list[tuple[str, str]]) -> str:
    """A look-up table of the example answers; what is not in it gets the first answer."""
    if problem.interface is Interface.STDIO:
        answers = dict(table)
        return f"import sys\nprint({answers!r}.get(sys.stdin.read(), {table[0][1]!r}), end='')\n"
    pairs = "".join(f"    ({arguments}, {value}),\n" for arguments, value in table)
    return (
        f"TABLE = [\n{pairs}]\n\n\ndef {problem.entry_point}(*args):\n"
        "    return next((value for known, value in TABLE if known == args), TABLE[0][1])\n"
    )
