"""Programs taken out of completions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.extract import extract_answer, extract_program, extract_rationale, is_valid, parse_number
from envs.problem import HiddenTests, Interface, Problem, TestCase

TESTS = HiddenTests((TestCase([1], 2),))
WHOLE = Problem("t", "add one", Interface.FUNCTION, TESTS, entry_point="inc")
STARTER = 'from math import floor\n\ndef helper(x):\n    return x\n\ndef inc(x):\n    """Add one."""\n'
SIGNATURE = Problem("s", "add one", Interface.FUNCTION, TESTS, entry_point="inc", starter_code=STARTER)
STDIO = Problem("io", "add one", Interface.STDIO, HiddenTests((TestCase("1", "2"),)))
PROGRAM = "def inc(x):\n    return x + 1\n"


@pytest.mark.parametrize(
    "completion",
    [
        PROGRAM,
        f"```python\n{PROGRAM}```",
        f"Here you go:\n```py\n{PROGRAM}```\nHope this helps!",
        f"```\n{PROGRAM}```<|im_end|>\n<|im_start|>user\nmore",
        f"~~~python\n{PROGRAM}~~~",
        f"```python\ndef inc(x):\n    return 0\n```\nBetter:\n```python\n{PROGRAM}```\nRun it:\n```bash\nls x\n```",
        f"```python\n{PROGRAM}```\nUse it so:\n```python\nprint(inc(1))\n```",
        f"<think>maybe\n```python\ndef inc(x): pass\n```</think>\n```python\n{PROGRAM}```",
        f"<|im_start|>assistant\n{PROGRAM}</s>",
        f"Sure, here is the function:\n\n{PROGRAM}",
        f"{PROGRAM}This adds one to its argument, as asked.\nBye now.",
        f"```python\n{PROGRAM}",
    ],
)
def test_a_whole_program_is_found(completion: str) -> None:
    assert extract_program(completion, WHOLE).rstrip() == PROGRAM.rstrip()


def test_a_continuation_is_joined_literally() -> None:
    assert extract_program("    return x + 1\n", SIGNATURE) == STARTER + "    return x + 1\n"
    assert extract_program("```python\n    return x + 1\n```", SIGNATURE) == STARTER + "    return x + 1\n"


def test_prose_after_a_continuation_is_cut() -> None:
    completion = "    return x + 1\n\nThis adds one, so we are done."
    assert extract_program(completion, SIGNATURE).rstrip() == STARTER + "    return x + 1"


def test_a_whole_program_gets_the_helpers_of_the_starter_that_it_lacks() -> None:
    program = extract_program(PROGRAM, SIGNATURE)
    assert program == f"from math import floor\n\ndef helper(x):\n    return x\n\n{PROGRAM}"
    whole = STARTER + "    return x + 1\n"
    assert extract_program(whole, SIGNATURE) == whole


def test_a_program_with_a_future_import_is_left_as_it_is() -> None:
    program = f"from __future__ import annotations\n{PROGRAM}"
    assert extract_program(program, SIGNATURE) == program


def test_broken_code_is_not_mended() -> None:
    for broken in (
        "def inc(x):\n    return x + 1\n    return (\n",
        "def inc(x:\n  return",
        PROGRAM + "def g(:\n    pass\n",
    ):
        assert extract_program(broken, WHOLE) == broken


def test_stdio_programs_keep_every_byte() -> None:
    program = "n = int(input())\nprint(n + 1)\n"
    assert extract_program(program, STDIO) == program
    assert extract_program(f"Solution:\n```python\n{program}```", STDIO) == program


def test_fences_inside_strings_of_a_block_are_kept() -> None:
    program = 'def inc(x):\n    """See ```x```."""\n    return x + 1\n'
    assert extract_program(f"```python\n{program}```", WHOLE) == program


def test_hostile_text_is_handed_on() -> None:
    for text in (
        "",
        "\0",
        "(" * 5000,
        "-" * 100_000 + "1",
        "a" + ".b" * 50_000,
        "a" + " " * 50_000 + "b c",
        "x y\n" * 20_000,
        "\ud800",
        "```",
        "```python",
    ):
        assert isinstance(extract_program(text, WHOLE), str)
        assert isinstance(extract_program(text, SIGNATURE), str)


@given(st.text())
def test_any_text_gives_some_text_and_valid_bare_programs_stay_as_they_are(text: str) -> None:
    program = extract_program(text, STDIO)
    assert isinstance(program, str)
    if is_valid(text):
        assert program == text


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("3 * 4 = 12. 12 + 2 = 14 --> 14", 14),
        ("So 7 remain.\n#### 1,234.50", 1234.5),
        ("The answer is $18.00 a day, not 17.", 18),
        ("first 3, then -5 apples.", -5),
        ("answer is unknown", None),
        ("no number", None),
        ("5 --> 6</s> 7", 6),
        ("9" * 400, None),
    ],
)
def test_answers_of_worked_solutions(completion: str, answer: float | None) -> None:
    assert extract_answer(completion) == answer


@given(st.text())
def test_any_text_gives_a_finite_number_or_none(text: str) -> None:
    for number in (extract_answer(text), parse_number(text)):
        assert number is None or abs(number) < float("inf")


@pytest.mark.parametrize(
    ("completion", "rationale"),
    [
        ("There are 3 * 4 = 12. So the answer is 12.", "There are 3 * 4 = 12."),
        ("3 * 4 = 12\nTherefore, the answer is 12.", "3 * 4 = 12"),
        (" 1.5 * 8 = 12 --> 12", "1.5 * 8 = 12"),
        ("3 * 4 = 12\n#### 12", "3 * 4 = 12"),
        ("The answer is 12.", ""),
        ("It is 12.", "It is 12."),
        ("<think>hm</think>3 * 4 = 12 --> 12", "3 * 4 = 12"),
    ],
)
def test_a_rationale_ends_before_the_answer(completion: str, rationale: str) -> None:
    assert extract_rationale(completion) == rationale
