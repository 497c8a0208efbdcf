"""Examples found in statements, and texts that only look like examples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.problem import TestCase
from envs.problem_sets.statement_examples import argument_examples, call_examples, stdio_examples


@pytest.mark.parametrize(
    ("statement", "scripts"),
    [
        (">>> f(1, 'a')\n    [2]\n", ["assert f(1, 'a') == [2]"]),
        ("f(1) ➞ 2\nf(2)=>3 # three\nf(3) == 4.\n", ["assert f(1) == 2", "assert f(2) == 3", "assert f(3) == 4"]),
        ("f([1,\n   2]) returns true", ["assert f([1, 2]) == True"]),
        ("f(')') -> '('", ["assert f(')') == '('"]),
        ("f(1) -> 19 - 5 - 6 = 8", []),
        ("f(x) == 3, g(1) == 2, f(1 + y) == 3", []),
        ("def f(numbers: list) -> int:\n", []),
        ("f(1) == f(2)", []),
        ("f(1) == 2\nf(1) == 2", ["assert f(1) == 2"]),
        ("f(", []),
    ],
)
def test_calls_with_values(statement: str, scripts: list[str]) -> None:
    assert list(call_examples(statement, "f")) == scripts


PAIRS = """Text

-----Examples-----
Input
1 2
3

Output
a

b

Input
4

Output
c

-----Note-----
Input"""
SAMPLES = """-----Sample Input-----
1
2

-----Sample Output-----
3

The sum is 3.
-----Sample Input 2-----

5
"""


def test_pairs_under_one_heading() -> None:
    assert stdio_examples(PAIRS) == (TestCase("1 2\n3\n", "a\n\nb\n"), TestCase("4\n", "c\n"))


def test_samples_under_headings_of_their_own_end_where_prose_begins() -> None:
    assert stdio_examples(SAMPLES) == ()  # two inputs, one output: nothing is sure
    complete = f"{SAMPLES}-----Sample Output 2-----\n5\n"
    assert stdio_examples(complete) == (TestCase("1\n2\n", "3\n"), TestCase("5\n", "5\n"))


def test_named_arguments() -> None:
    statement = 'Example 1:\nInput: a = [1,true], s = "x, y = 1"\nOutput: null\nExample 2:\nInput: none\nOutput: 3\n'
    assert argument_examples(statement) == (TestCase([[1, True], "x, y = 1"], None),)


@given(st.text(alphabet="f(1)=>-[], \n'#Input:Output-aE", max_size=80))
def test_no_text_crashes_an_extractor(text: str) -> None:
    for statement in (text, f"-----Example-----\nInput\n{text}\nOutput\n{text}", f"Input: a = {text}\nOutput: {text}"):
        call_examples(statement, "f")
        stdio_examples(statement)
        argument_examples(statement)
