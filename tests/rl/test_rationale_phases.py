"""Parts of the recipes that learn worked solutions: two-step prompting, one solution of several, no hint for a learner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from envs.extract import extract_answer
from envs.forms import CUE, Form, asking_in, question, worked
from envs.hints import with_hint
from envs.problem_sets.word_problems import load
from envs.rollout import Group, StopReason
from rl.models import Policy, load_policy
from rl.rationale_phases import refuse_hints
from rl.teachers import Answer, Question, two_step
from rl.write import by_policy, by_reference, by_teacher, one_each

PROBLEMS = load("train", n=6).problems


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("scratch:nano", [question(p, Form.TOKEN).text + worked(p, Form.TOKEN) for p in PROBLEMS])


def test_a_rationale_is_asked_for_and_then_its_answer() -> None:
    asked: list[str] = []

    def reasoning(questions: Sequence[Question]) -> Iterator[list[Answer]]:
        for one in questions:
            asked.append(one.prompt.text)
            yield [Answer(" 3 * 4 = 12.\n", StopReason.END_OF_TEXT), Answer(" It is", StopReason.LENGTH)]

    def answering(questions: Sequence[Question]) -> Iterator[list[Answer]]:
        for one in questions:
            asked.append(one.prompt.text)
            yield [Answer(f" {one.seeds[0]}.\nQ: next", StopReason.LENGTH)]

    prompts = [question(problem, Form.NATURAL) for problem in PROBLEMS[:2]]
    found = list(two_step(reasoning, answering)([Question(prompt, (7, 8)) for prompt in prompts]))
    assert found == 2 * [
        [Answer(f" 3 * 4 = 12.{CUE} 7.", StopReason.END_OF_TEXT), Answer(f" It is{CUE} 8.", StopReason.LENGTH)]
    ]
    texts = [prompt.text for prompt in prompts]
    second = [f"{text}{rationale}{CUE}" for text in texts for rationale in (" 3 * 4 = 12.", " It is")]
    assert asked == [*texts, *second]


def test_a_teachers_words_are_learned_as_a_reference_is(policy: Policy) -> None:
    problem = PROBLEMS[0]
    [reference] = next(by_reference(policy, ask=asking_in(Form.TOKEN))([problem], 0)).rollouts
    texts = [worked(problem, Form.NATURAL), worked(problem, Form.TOKEN)]
    write = by_teacher(
        lambda questions: ([Answer(text, StopReason.END_OF_TEXT) for text in texts] for _ in questions),
        policy,
        ask=asking_in(Form.NATURAL),
        prompt=asking_in(Form.TOKEN),
        n=2,
        temperature=0.7,
        seed=0,
    )
    [group] = write([problem], 0)
    for rollout in group.rollouts:
        assert (rollout.prompt_ids, rollout.completion_ids) == (reference.prompt_ids, reference.completion_ids)
        assert rollout.program == reference.program
        assert rollout.prompt.mode == "natural"


def test_what_the_policy_says_in_words_becomes_a_program(policy: Policy) -> None:
    ask = asking_in(Form.ANSWER)
    write = by_policy(policy, ask=ask, n=4, temperature=1.0, max_new_tokens=6, seed=0)
    for group in write(PROBLEMS, 0):
        assert {rollout.prompt.mode for rollout in group.rollouts} == {"answer"}
        for rollout in group.rollouts:
            answer = extract_answer(rollout.text)
            assert rollout.program == ("" if answer is None else f"def solution():\n    return {answer}\n")


def test_a_pass_shows_one_solution_of_each_problem_and_in_time_all(policy: Policy) -> None:
    groups = {}
    for problem in PROBLEMS:
        [rollout] = next(by_reference(policy, ask=asking_in(Form.TOKEN))([problem], 0)).rollouts
        groups[problem.id] = Group(problem, tuple(replace(rollout, seed=i) for i in range(3)), (None,) * 3)
    write = one_each(groups, seed=5)
    shown = [[group.rollouts[0].seed for group in write(PROBLEMS, number)] for number in range(12)]
    assert shown == [[group.rollouts[0].seed for group in write(PROBLEMS, number)] for number in range(12)]
    assert all(set(of_problem) == {0, 1, 2} for of_problem in zip(*shown, strict=True))
    assert shown[0] != [group.rollouts[0].seed for group in one_each(groups, seed=6)(PROBLEMS, 0)]


def test_a_hint_before_the_learner_is_our_own_fault(policy: Policy) -> None:
    problem = PROBLEMS[0]
    clean = {problem.id: next(by_reference(policy, ask=asking_in(Form.TOKEN))([problem], 0))}
    refuse_hints(policy, clean)
    shown = next(by_reference(policy, ask=lambda p: asking_in(Form.TOKEN)(with_hint(p)))([problem], 0))
    with pytest.raises(RuntimeError, match=f"the hint of problem {problem.id} is in what the policy shall learn"):
        refuse_hints(policy, {problem.id: shown})
