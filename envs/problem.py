"""Problems with their tests: frozen records, and the JSON row that each one is read from and written to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Interface(StrEnum):
    """How a program is called and how its answer is read."""

    FUNCTION = "function"
    """`entry_point(*input)` returns the answer."""
    STDIO = "stdio"
    """The program reads text from standard input and prints text."""
    ASSERT = "assert"
    """Test scripts call the program: `assert f(1) == 2`, or `def check(candidate): ...`."""
    PUZZLE = "puzzle"
    """The test is a predicate `sat(answer)`; the program computes an answer that makes it true."""
    ANSWER = "answer"
    """`entry_point()` takes nothing and returns one value, compared as an answer."""


@dataclass(frozen=True, slots=True)
class TestCase:
    """One check of a program: an input with its expected output, or a script."""

    __test__ = False  # pytest must not collect this class

    input: Any = None
    """function: the list of arguments; stdio: the text of standard input; otherwise unused."""
    output: Any = None
    """The expected return value or the expected text; unused where `script` is given."""
    script: str | None = None
    """Source of an assertion, of a `check(candidate)` function, or of a puzzle's `sat`."""


@dataclass(frozen=True, slots=True)
class _Tests:
    cases: tuple[TestCase, ...] = ()

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[TestCase]:
        return iter(self.cases)


class ExampleTests(_Tests):
    """Tests that a solver may see: prompts, repair feedback and critic sampling accept only these."""

    __slots__ = ()


class HiddenTests(_Tests):
    """Tests that only rewards and evaluation may use; they never reach a model."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run of a program may use. CPU time is the main limit; wall time is a generous second."""

    cpu_s: float = 2.0
    """CPU seconds for all tests of a function, or for one stdio test."""
    memory_mb: int = 256
    """Address space, in MiB."""
    output_kb: int = 1024
    """Printed text and returned values together, in KiB."""

    @property
    def wall_s(self) -> float:
        """Wall-clock seconds after which a sleeping program is stopped."""
        return 3.0 * self.cpu_s + 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a worked solution: a sub-question and its answer."""

    question: str
    """What this step asks; empty where the source gives none."""
    text: str
    """The answer in words."""
    expression: str = ""
    """Its arithmetic, such as `3 * 4`; empty where the source gives none."""
    value: int | float | None = None
    """What the expression comes to."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One programming task: what to solve, how it is checked, and what is known about it."""

    id: str
    """Unique within its problem set."""
    statement: str
    """The task in words, as a solver reads it."""
    interface: Interface
    """How the program is called."""
    hidden_tests: HiddenTests
    """Tests for rewards and evaluation."""
    example_tests: ExampleTests = ExampleTests()
    """Tests that the statement shows."""
    entry_point: str | None = None
    """Name of the function that the tests call; None for stdio."""
    starter_code: str = ""
    """Code that the solver continues from: a signature, imports."""
    limits: Limits = Limits()
    """Time, memory and output of one run."""
    tolerance: float | None = None
    """Allowed error |a - b| / max(1, |b|) of float answers; None compares exactly. Never applied to integers."""
    solutions: tuple[str, ...] = ()
    """Reference solutions: whole programs known to be right."""
    source: str = ""
    """Where the problem comes from."""
    licence: str = ""
    """Licence of the problem text and tests."""
    tags: tuple[str, ...] = field(default=())
    """Free labels, such as the names of the families that a generated problem composes."""
    wrong_programs: tuple[str, ...] = ()
    """Programs known to be wrong: every test list must refuse them."""
    rationale: str = ""
    """A worked solution in words. It holds the answer, so it teaches but is never part of this problem's prompt."""
    steps: tuple[Step, ...] = ()
    """The worked solution step by step."""


ROW_KEYS = (
    "id",
    "statement",
    "interface",
    "entry_point",
    "starter_code",
    "example_tests",
    "hidden_tests",
    "limits",
    "tolerance",
    "solutions",
    "source",
    "licence",
    "tags",
    "wrong_programs",
    "rationale",
    "steps",
)
"""Keys of a problem row, in the order in which they are written."""


def problem_from_row(row: Mapping[str, Any], *, needs_hidden_tests: bool = True) -> Problem:
    """Read a Problem from a JSON row; raises ValueError that names the key, what was found and what was expected."""
    if not isinstance(row, Mapping):
        raise ValueError(f"a problem row is an object; got {type(row).__name__}")
    for key in row:
        if key not in ROW_KEYS:
            raise ValueError(f"unknown key {key!r}; a problem row has {', '.join(ROW_KEYS)}")
    interface = _interface(row.get("interface", "function"))
    problem_id = row.get("id")
    if not isinstance(problem_id, str | int) or isinstance(problem_id, bool) or problem_id == "":
        raise ValueError(f"id: expected a non-empty string; got {problem_id!r}")
    entry_point = _text(row, "entry_point", optional=True)
    if entry_point is None and interface in (Interface.FUNCTION, Interface.ANSWER, Interface.PUZZLE):
        raise ValueError(f"entry_point: a {interface} problem names the function that is called; got none")
    hidden = _test_cases(row, "hidden_tests", interface)
    if needs_hidden_tests and not hidden:
        raise ValueError("hidden_tests: expected at least one test; an empty list would pass every program")
    return Problem(
        id=str(problem_id),
        statement=_text(row, "statement") or "",
        interface=interface,
        entry_point=entry_point,
        starter_code=_text(row, "starter_code", optional=True) or "",
        example_tests=ExampleTests(_test_cases(row, "example_tests", interface)),
        hidden_tests=HiddenTests(hidden),
        limits=_limits(row.get("limits") or {}),
        tolerance=_tolerance(row.get("tolerance")),
        solutions=_texts(row, "solutions"),
        source=_text(row, "source", optional=True) or "",
        licence=_text(row, "licence", optional=True) or "",
        tags=_texts(row, "tags"),
        wrong_programs=_texts(row, "wrong_programs"),
        rationale=_text(row, "rationale", optional=True) or "",
        steps=_steps(row),
    )


def problem_to_row(problem: Problem) -> dict[str, Any]:
    """Write a Problem as the JSON row that `problem_from_row` reads back."""
    limits = problem.limits
    return {
        "id": problem.id,
        "statement": problem.statement,
        "interface": str(problem.interface),
        "entry_point": problem.entry_point,
        "starter_code": problem.starter_code,
        "example_tests": [_test_to_row(case) for case in problem.example_tests],
        "hidden_tests": [_test_to_row(case) for case in problem.hidden_tests],
        "limits": {"cpu_s": limits.cpu_s, "memory_mb": limits.memory_mb, "output_kb": limits.output_kb},
        "tolerance": problem.tolerance,
        "solutions": list(problem.solutions),
        "source": problem.source,
        "licence": problem.licence,
        "tags": list(problem.tags),
        "wrong_programs": list(problem.wrong_programs),
        "rationale": problem.rationale,
        "steps": [_step_to_row(step) for step in problem.steps],
    }


def _step_to_row(step: Step) -> dict[str, Any]:
    return {"question": step.question, "text": step.text, "expression": step.expression, "value": step.value}


def _test_to_row(case: TestCase) -> Any:
    return case.script if case.script is not None else {"input": case.input, "output": case.output}


def _interface(value: Any) -> Interface:
    try:
        return Interface(value)
    except ValueError:
        raise ValueError(f"interface: expected one of {', '.join(Interface)}; got {value!r}") from None


def _text(row: Mapping[str, Any], key: str, optional: bool = False) -> str | None:
    value = row.get(key)
    if value is None and optional:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{key}: expected text; got {value!r}")
    return value


def _texts(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = row.get(key) or ()
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key}: expected a list of texts; got {value!r}")
    return tuple(value)


def _test_cases(row: Mapping[str, Any], key: str, interface: Interface) -> tuple[TestCase, ...]:
    tests = row.get(key) or ()
    if not isinstance(tests, list | tuple):
        raise ValueError(f"{key}: expected a list of tests; got {type(tests).__name__}")
    return tuple(_test_case(test, f"{key}[{index}]", interface) for index, test in enumerate(tests))


def _test_case(test: Any, where: str, interface: Interface) -> TestCase:
    if interface in (Interface.ASSERT, Interface.PUZZLE):
        if not isinstance(test, str) or not test.strip():
            raise ValueError(f"{where}: a test of {interface} is Python source; got {test!r}")
        return TestCase(script=test)
    if not isinstance(test, Mapping) or "output" not in test:
        raise ValueError(f'{where}: expected {{"input": ..., "output": ...}}; got {test!r}')
    given, expected = test.get("input"), test["output"]
    if interface is Interface.FUNCTION and not isinstance(given, list | tuple):
        raise ValueError(f"{where}.input: expected the list of arguments; got {given!r}")
    if interface is Interface.STDIO and not (isinstance(given, str) and isinstance(expected, str)):
        raise ValueError(f"{where}: input and output of a stdio test are texts; got {test!r}")
    return TestCase(input=given, output=expected)


def _steps(row: Mapping[str, Any]) -> tuple[Step, ...]:
    steps = row.get("steps") or ()
    if not isinstance(steps, list | tuple):
        raise ValueError(f"steps: expected a list of objects; got {steps!r}")
    return tuple(_step(step, f"steps[{index}]") for index, step in enumerate(steps))


def _step(step: Any, where: str) -> Step:
    known = {"question", "text", "expression", "value"}
    if not isinstance(step, Mapping) or not set(step) <= known:
        raise ValueError(f"{where}: expected an object with {', '.join(sorted(known))}; got {step!r}")
    value = step.get("value")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise ValueError(f"{where}.value: expected a number; got {value!r}")
    return Step(
        question=_text(step, "question", optional=True) or "",
        text=_text(step, "text", optional=True) or "",
        expression=_text(step, "expression", optional=True) or "",
        value=value,
    )


def _limits(value: Any) -> Limits:
    known = {"cpu_s", "memory_mb", "output_kb"}
    if not isinstance(value, Mapping) or not set(value) <= known:
        raise ValueError(f"limits: expected an object with {', '.join(sorted(known))}; got {value!r}")
    for key, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < float("inf"):
            raise ValueError(f"limits.{key}: expected a positive number; got {number!r}")
    return Limits(**value)


def _tolerance(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"tolerance: expected a non-negative number; got {value!r}")
    return float(value)
