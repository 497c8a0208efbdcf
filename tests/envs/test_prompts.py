"""What prompts show, and what they never show: canaries stand in everything that must stay hidden."""

import json
import re
import typing
from dataclasses import replace
from pathlib import Path

import pytest

from envs import prompts
from envs.extract import extract_program
from envs.problem import ExampleTests, HiddenTests, Interface, Problem, Step, TestCase
from envs.problem_sets import load_problems
from envs.prompts import PROMPTS, chain_of_thought, chat, completion_for, few_shot, plain, repair, socratic
from envs.rollout import Prompt
from envs.verdict import Failure, Feedback, Outcome
from tests.envs.problem_sets.rows import FORMATS, SPLIT_OF

CANARY = "CANARY7F3A"
FEEDBACK = Feedback(Outcome.RUNTIME_ERROR, "KeyError", 2, Failure(0, "1", "2", "raised KeyError"))
SHOWN = "SHOWN9B2C"


def template(messages: list[dict[str, str]]) -> str:
    """The shape of a chat template, without a tokenizer."""
    return "".join(f"<|{message['role']}|>{message['content']}</s>" for message in messages) + "<|assistant|>"


def with_canaries(interface: Interface, problem_id: str = "asked") -> Problem:
    """A problem whose hidden tests, solutions, wrong programs, rationale and steps are full of canaries."""
    script = interface in (Interface.ASSERT, Interface.PUZZLE)
    text = interface is Interface.STDIO

    def case(word: str) -> TestCase:
        if script:
            return TestCase(script=f"assert f('{word}') == '{word}out'")
        return TestCase(word if text else [word], f"{word}out")

    return Problem(
        id=problem_id,
        statement="Do as the examples do.",
        interface=interface,
        hidden_tests=HiddenTests((case(f"{CANARY}a"), case(f"{CANARY}b"))),
        example_tests=ExampleTests((case(SHOWN),)),
        entry_point=None if text else "f",
        starter_code="" if text else "def f(x):\n",
        solutions=(f"def f(x):\n    return '{CANARY}'\n",),
        wrong_programs=(f"print('{CANARY}')",),
        rationale=f"It is {CANARY}.",
        steps=(Step(f"What is {CANARY}?", CANARY, CANARY, 1),),
        source=CANARY,
        tags=(CANARY,),
    )


def every_prompt(problem: Problem, exemplars: list[Problem]) -> list[Prompt]:
    """One prompt, at least, of each function in the registry."""
    return [
        plain(problem),
        plain(problem, max_examples=99),
        few_shot(problem, exemplars),
        chain_of_thought(problem),
        chain_of_thought(problem, exemplars),
        chat(problem, template),
        chat(problem, template, exemplars),
        repair(problem, "def f(x):\n    return 1\n", FEEDBACK),
        socratic(problem),
        socratic(problem, "What is known? ** Nothing.\n"),
    ]


def test_the_registry_holds_every_prompt_function_and_the_tests_build_each() -> None:
    writers = {
        name
        for name, value in vars(prompts).items()
        if callable(value) and getattr(value, "__module__", "") == prompts.__name__ and not name.startswith("_")
        if typing.get_type_hints(value).get("return") is Prompt
    }
    assert writers == set(PROMPTS)
    assert {prompt.mode for prompt in every_prompt(with_canaries(Interface.FUNCTION), [])} == writers


@pytest.mark.parametrize("interface", Interface)
def test_no_prompt_shows_a_canary(interface: Interface) -> None:
    problem = with_canaries(interface)
    exemplar = replace(
        problem, id="exemplar", solutions=("def f(x):\n    return x\n",), rationale="It returns x.", source="", tags=()
    )
    for prompt in every_prompt(problem, [exemplar]):
        assert CANARY not in prompt.text
        assert CANARY not in prompt.problem_id
        assert SHOWN in prompt.text or interface is Interface.ANSWER


@pytest.mark.parametrize("form", FORMATS)
def test_no_prompt_shows_hidden_tests_of_a_real_row(form: str, tmp_path: Path) -> None:
    name, row = FORMATS[form]
    (tmp_path / "x.jsonl").write_text(json.dumps(row))
    (problem,) = load_problems(name, SPLIT_OF.get(name, "train"), tmp_path / "x.jsonl")
    marked = HiddenTests(tuple(TestCase([CANARY], CANARY, case.script and CANARY) for case in problem.hidden_tests))
    planted = replace(problem, hidden_tests=marked, solutions=(CANARY,), rationale=CANARY)
    exemplar = replace(problem, id="other", solutions=("pass\n",), rationale="Because.")
    for before, after in zip(every_prompt(problem, [exemplar]), every_prompt(planted, [exemplar]), strict=True):
        assert before == after
        assert CANARY not in after.text


def test_plain_is_compact_and_shows_nothing_twice() -> None:
    problem = Problem(
        "p",
        "Return the larger number.",
        Interface.FUNCTION,
        HiddenTests((TestCase([5, 6], 6),)),
        ExampleTests((TestCase([1, 2], 2), TestCase(["a", [1.5]], None))),
        "larger",
    )
    assert plain(problem).text == "Return the larger number.\nlarger(1, 2) == 2\nlarger('a', [1.5]) == None\n"
    told = replace(problem, statement="Return the larger: larger(1,2) == 2.", starter_code="def larger(a, b):\n")
    assert plain(told).text == "Return the larger: larger(1,2) == 2.\nlarger('a', [1.5]) == None\ndef larger(a, b):\n"
    prompt_is_code = replace(problem, statement=(code := 'def larger(a, b):\n    """Larger."""\n'), starter_code=code)
    assert plain(prompt_is_code, max_examples=0).text == code
    stdio = Problem(
        "s", "Add.", Interface.STDIO, HiddenTests((TestCase("1", "1"),)), ExampleTests((TestCase("1 2\n", "3\n"),))
    )
    assert plain(stdio).text == "Add.\nInput:\n1 2\nOutput:\n3\n"


def test_few_shot_shows_solved_exemplars_in_the_form_of_the_plain_prompt() -> None:
    asked, first, *_ = load_problems("word_problems", "train", n=3)
    text = few_shot(asked, [first]).text
    assert text == f"{plain(first).text}{completion_for(first, first.solutions[0]).rstrip()}\n\n{plain(asked).text}"
    assert extract_program(completion_for(first, first.solutions[0]), first) == first.solutions[0]


def test_thinking_exemplars_show_their_rationale() -> None:
    asked, first, *_ = load_problems("word_problems", "train", n=3)
    text = chain_of_thought(asked, [first]).text
    assert first.rationale in text
    assert first.solutions[0] in text
    assert asked.rationale not in text


def test_chat_uses_the_tokenizers_own_template() -> None:
    problem = with_canaries(Interface.FUNCTION)
    exemplar = replace(problem, id="exemplar", solutions=("def f(x):\n    return x\n",))
    text = chat(problem, template, [exemplar]).text
    assert re.findall(r"<\|(\w+)\|>", text) == ["user", "assistant", "user", "assistant"]
    assert text.endswith("</s><|assistant|>")


@pytest.mark.parametrize("write", [few_shot, chain_of_thought])
def test_exemplars_that_leak_or_lack_are_refused(write: typing.Callable[..., Prompt]) -> None:
    asked, first, *_ = load_problems("word_problems", "train", n=3)
    with pytest.raises(ValueError, match="another problem than the one asked"):
        write(asked, [asked])
    with pytest.raises(ValueError, match="a reference solution to show"):
        write(asked, [replace(first, solutions=())])
    with pytest.raises(ValueError, match="a rationale to show"):
        chain_of_thought(asked, [replace(first, rationale="")])


def test_a_repair_prompt_shows_program_error_and_failing_example_and_ends_as_the_plain_one() -> None:
    problem = with_canaries(Interface.FUNCTION)
    program = "def f(x):\n    return x[9]\n"
    failure = Failure(0, "'SHOWN'", "'out'", "raised IndexError")
    text = repair(problem, program, Feedback(Outcome.RUNTIME_ERROR, "IndexError", 2, failure)).text
    assert text == plain(problem).text.removesuffix(problem.starter_code) + (
        "Wrong program:\ndef f(x):\n    return x[9]\nWhy: runtime_error\nIndexError in line 2: return x[9]\n"
        "f('SHOWN') -> raised IndexError, expected 'out'\nRight program:\ndef f(x):\n"
    )


@pytest.mark.parametrize(
    ("interface", "feedback", "found"),
    [
        (Interface.FUNCTION, Feedback(Outcome.TIMEOUT), "timeout"),
        (Interface.FUNCTION, Feedback(Outcome.COMPILE_ERROR, "SyntaxError", 7), "compile_error\nSyntaxError in line 7"),
        (Interface.FUNCTION, Feedback(Outcome.RUNTIME_ERROR, "OSError"), "runtime_error\nOSError"),
        (Interface.ANSWER, Feedback(Outcome.WRONG_ANSWER, failure=Failure(0, "", "3", "4")), "wrong_answer\nf() -> 4, expected 3"),
        (Interface.STDIO, Feedback(Outcome.WRONG_ANSWER, failure=Failure(0, "1\n", "2\n", "3\n")), "wrong_answer\nInput:\n1\nOutput:\n3\nExpected:\n2"),
        (Interface.ASSERT, Feedback(Outcome.WRONG_ANSWER, failure=Failure(0, "1", "assert f(1) == 2", "3")), "wrong_answer\nassert f(1) == 2 -> 3"),
    ],
)  # fmt: skip
def test_what_the_examples_found_is_told_for_every_interface(
    interface: Interface, feedback: Feedback, found: str
) -> None:
    assert prompts.finding(replace(with_canaries(interface), entry_point="f"), "pass\n", feedback) == found
