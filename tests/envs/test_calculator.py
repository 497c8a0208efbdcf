"""The calculator of marks: exact, and deaf to anything that is no arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.calculator import MAX_LENGTH, calculate, number_text


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("16-3-4", 9),
        ("80,000*1.5", 120_000),
        ("0.1 + 0.2", 0.3),
        (".5*10", 5),
        ("2*(3-5)", -4),
        ("-7//2", -4),
        ("10/4", 2.5),
    ],
)
def test_arithmetic_is_worked_out_exactly(expression: str, value: float) -> None:
    assert calculate(expression) == value
    assert type(calculate(expression)) is type(value)


@pytest.mark.parametrize(
    "expression",
    ["", "1/0", "2**9", "20%*50", "x+1", "f(1)", "True", "'a'*3", "1,2", "1 2", "1; 2", "1e999", "(" * 60, "1+" * MAX_LENGTH + "1", "3j", "10**-400*1.5"],
)  # fmt: skip
def test_anything_else_has_no_value(expression: str) -> None:
    assert calculate(expression) is None


@given(
    st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.integers(1, 10**6), st.sampled_from(["+", "-", "*"])
)
def test_brackets_and_signs_of_operation_are_heeded(a: int, b: int, c: int, sign: str) -> None:
    inner = {"+": a + b, "-": a - b, "*": a * b}[sign]
    exact = Fraction(inner, c)
    assert calculate(f"({a} {sign} {b}) / {c}") == (int(exact) if exact.denominator == 1 else float(exact))


def test_numbers_are_written_as_in_solutions() -> None:
    assert [number_text(value) for value in (12, -3, 100, 0.5, 10 / 3, 50.0, 12345.678)] == [
        "12", "-3", "100", "0.5", "3.3333", "50", "12345.678",
    ]  # fmt: skip
