"""Forms: the templates of fine-tune-CoT, what they read back, and that a question never shows its own answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.errors import UserError
from envs.forms import (
    CUE,
    Form,
    asking_in,
    chat_in_words,
    few_shot_in_words,
    form_of,
    gold_answer,
    is_in_form,
    program_of,
    question,
    references,
    retold,
    worked,
)
from envs.problem import HiddenTests, Interface, Problem, TestCase
from envs.problem_sets import load_problems
from envs.prompts import plain
from envs.rollout import Prompt
from tests.builders import a_problem
from tests.envs.test_prompts import CANARY, template, with_canaries

APPLES = Problem(
    id="apples",
    statement="Ana has 3 boxes of 4 apples. How many apples does Ana have?",
    interface=Interface.ANSWER,
    hidden_tests=HiddenTests((TestCase(output=12),)),
    entry_point="solution",
    starter_code="def solution():\n",
    rationale="There are 3 * 4 = 12 apples.",
)
PENS = replace(APPLES, id="pens", statement="Ben has 2 pens.", rationale="He has 2.", hidden_tests=HiddenTests((TestCase(output=2),)))  # fmt: skip
IN_WORDS = (Form.TOKEN, Form.NATURAL, Form.ANSWER)
RETURNS_12 = "def solution():\n    return 12\n"


def test_templates_are_those_of_the_paper() -> None:
    asked = APPLES.statement
    assert question(APPLES, Form.TOKEN).text == f"{asked} ###"
    assert worked(APPLES, Form.TOKEN) == " There are 3 * 4 = 12 apples. --> 12"
    assert question(APPLES, Form.NATURAL).text == f"Q: {asked}\nA: Let's think step by step."
    assert worked(APPLES, Form.NATURAL) == " There are 3 * 4 = 12 apples.\nTherefore, the answer is 12."
    assert question(APPLES, Form.ANSWER).text == f"{asked} ###"
    assert worked(APPLES, Form.ANSWER) == " 12"


def test_exemplars_show_their_answer_and_the_question_does_not() -> None:
    text = few_shot_in_words(APPLES, [PENS]).text
    assert text == (
        "Q: Ben has 2 pens.\nA: Let's think step by step. He has 2.\nTherefore, the answer is 2.\n\n"
        f"Q: {APPLES.statement}\nA: Let's think step by step."
    )
    turns = chat_in_words(APPLES, template, [PENS]).text
    assert "<|assistant|>He has 2.\nTherefore, the answer is 2.</s><|user|>Ana has" in turns
    for prompts_of in (few_shot_in_words, lambda p, e: chat_in_words(p, template, e)):
        with pytest.raises(ValueError, match="expected another problem"):
            prompts_of(APPLES, [APPLES])
        with pytest.raises(ValueError, match="expected a rationale"):
            prompts_of(APPLES, [replace(PENS, rationale="")])


def test_no_question_shows_a_canary() -> None:
    problem = with_canaries(Interface.ANSWER)
    prompts = [asking_in(form)(problem) for form in Form]
    prompts += [few_shot_in_words(problem, [PENS]), chat_in_words(problem, template, [PENS])]
    assert [CANARY in prompt.text for prompt in prompts] == [False] * 6
    assert [form_of(prompt) for prompt in prompts] == [*Form, Form.NATURAL, Form.NATURAL]


def test_a_prompt_of_programs_is_read_as_before() -> None:
    assert asking_in(Form.PROGRAM)(APPLES) == plain(APPLES)
    assert form_of(Prompt("p", "", "few_shot")) is form_of(Prompt("p", "", "repair")) is Form.PROGRAM
    assert references(a_problem(), Form.PROGRAM) == [("    return a + b\n", "def add(a, b):\n    return a + b\n")]


@given(st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6).map(lambda x: round(x, 3)), st.sampled_from(IN_WORDS))
def test_what_a_form_writes_it_reads(answer: float, form: Form) -> None:
    problem = replace(APPLES, hidden_tests=HiddenTests((TestCase(output=answer),)))
    [(completion, program)] = references(problem, form)
    assert is_in_form(completion, form)
    read = program_of(completion, problem, form)
    assert float(read.split()[-1]) == float(program.split()[-1]) == answer


@pytest.mark.parametrize(
    ("form", "completion", "in_form", "program"),
    [
        (Form.TOKEN, " 3 * 4 = 12 --> 12", True, RETURNS_12),
        (Form.TOKEN, " 3 * 4 = 12", False, RETURNS_12),
        (Form.TOKEN, " 3 * 4 = 11 --> $12.", True, RETURNS_12),
        (Form.TOKEN, " 3 * 4 = 12 -->", False, ""),
        (Form.NATURAL, " 3 * 4 = 12.\nTherefore, the answer is 12.", True, RETURNS_12),
        (Form.NATURAL, " 3 * 4 = 12 --> 12", False, RETURNS_12),
        (Form.ANSWER, " 12", True, RETURNS_12),
        (Form.ANSWER, " It is 12", False, RETURNS_12),
        (Form.ANSWER, " none", False, ""),
    ],
)
def test_format_and_answer_are_judged_apart(form: Form, completion: str, in_form: bool, program: str) -> None:
    assert is_in_form(completion, form) is in_form
    assert program_of(completion, APPLES, form) == program


@pytest.mark.parametrize(
    "told",
    [
        " There are 3 * 4 = 12 apples. --> 12",
        f"There are 3 * 4 = 12 apples.{CUE} 12.\n",
        "There are 3 * 4 = 12 apples. So the answer is 12.",
        "There are 3 * 4 = 12 apples.\n#### 12",
    ],
)
def test_a_teachers_words_are_told_again_in_the_learners_form(told: str) -> None:
    assert retold(told, APPLES, Form.TOKEN) == (worked(APPLES, Form.TOKEN), RETURNS_12)
    assert retold(told, APPLES, Form.NATURAL) == (worked(APPLES, Form.NATURAL), RETURNS_12)
    assert retold("No idea.", APPLES, Form.TOKEN) == (" No idea.", "")


def test_problems_that_no_number_answers_are_refused() -> None:
    assert gold_answer(APPLES) == 12
    for problem in (a_problem(), replace(APPLES, hidden_tests=HiddenTests((TestCase(output="Paris"),)))):
        with pytest.raises(UserError, match="answers in words need problems with one number for an answer; got"):
            gold_answer(problem)
    with pytest.raises(ValueError, match="its verdict says"):
        is_in_form("x", Form.PROGRAM)


@pytest.mark.parametrize("form", IN_WORDS)
def test_every_generated_problem_has_a_reference_in_words(form: Form) -> None:
    for problem in load_problems("word_problems", "test").problems:
        [(completion, program)] = references(problem, form)
        assert is_in_form(completion, form)
        assert f"return {problem.steps[-1].value}\n" in program
        assert program_of(completion, problem, form) == program
