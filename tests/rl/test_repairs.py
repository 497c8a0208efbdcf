"""What a repair model learns from: stored programs that failed, beside ones that passed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from envs.feedback import by_examples
from envs.grading import GradeRequest
from envs.problem import ExampleTests, HiddenTests, TestCase
from envs.prompts import plain, repair
from envs.rollout import Group
from envs.verdict import Outcome, Verdict
from rl.repair_phases import repairs
from rl.write import from_experience
from tests.small_world import World, fit_policy


def test_pairs_become_repair_prompts_with_the_ids_of_the_program_that_passed(small_world: World) -> None:
    found = repairs(small_world.policy, small_world.groups, small_world.grader.grade, at_most=3)
    assert set(found) == {problem.id for problem in small_world.problems}
    for group in small_world.groups:
        passed = {r.completion_ids for r, v in zip(group.rollouts, group.verdicts, strict=True) if v and v.passed}
        made = found[group.problem.id]
        assert 0 < len(made.rollouts) <= 3
        for rollout, verdict in zip(made.rollouts, made.verdicts, strict=True):
            assert verdict is not None
            assert verdict.passed
            assert rollout.completion_ids in passed
            assert rollout.prompt.mode == "repair"
            assert rollout.prompt_ids == small_world.policy.encode(rollout.prompt.text)
            assert rollout.behavior_log_probs is None


def test_programs_that_the_examples_let_pass_are_left_out(small_world: World) -> None:
    """Whoever fails on hidden tests alone gives a repair model nothing to go by."""
    group = small_world.groups[0]
    lenient = replace(group.problem, example_tests=ExampleTests((TestCase([0, 0], 0),)))
    found = repairs(small_world.policy, [Group(lenient, group.rollouts, group.verdicts)], small_world.grader.grade, 99)
    assert found
    failed = [r for r, v in zip(group.rollouts, group.verdicts, strict=True) if v and not v.passed]
    feedbacks = by_examples([(lenient, rollout.program) for rollout in failed], small_world.grader.grade)
    shown = {
        repair(lenient, rollout.program, feedback).text
        for rollout, feedback in zip(failed, feedbacks, strict=True)
        if feedback is not None and not feedback.passed
    }
    assert {rollout.prompt.text for rollout in found[lenient.id].rollouts} == shown
    assert any(feedback is not None and feedback.passed for feedback in feedbacks)
    assert repairs(small_world.policy, [replace(group, problem=replace(lenient, example_tests=ExampleTests()))], small_world.grader.grade) == {}  # fmt: skip


def test_a_completion_of_another_form_is_tokenised_anew(small_world: World) -> None:
    group = small_world.groups[0]
    fenced = [replace(r, prompt=replace(r.prompt, mode="chain_of_thought")) for r in group.rollouts]
    found = repairs(small_world.policy, [replace(group, rollouts=tuple(fenced))], small_world.grader.grade, 2)
    for rollout in found[group.problem.id].rollouts:
        text = plain(group.problem).text + small_world.policy.decode(rollout.completion_ids)
        assert text.endswith(rollout.program)
        assert rollout.completion_ids[-1] == small_world.policy.end_id


def test_no_repair_prompt_shows_a_hidden_test(small_world: World) -> None:
    canary = 987654321
    planted = [
        replace(group, problem=replace(group.problem, hidden_tests=HiddenTests((TestCase([canary, 1], canary),))))
        for group in small_world.groups
    ]
    seen: list[type] = []

    def grade(requests: Iterable[GradeRequest]) -> list[Verdict]:
        requests = list(requests)
        seen.extend(type(request.tests) for request in requests)
        return small_world.grader.grade(requests)

    found = repairs(small_world.policy, planted, grade)
    assert set(seen) == {ExampleTests}
    assert not any(str(canary) in rollout.prompt.text for group in found.values() for rollout in group.rollouts)


def test_a_repair_model_learns_from_them(small_world: World) -> None:
    """It is trained as on any other stored text, by from_experience, and comes to write what passes."""
    found = repairs(small_world.policy, small_world.groups, small_world.grader.grade, at_most=6)
    groups = list(from_experience(found)(small_world.problems, 0))
    model = replace(small_world.policy, model=type(small_world.policy.model)(small_world.policy.model.config))
    model.model.load_state_dict(small_world.policy.model.state_dict())
    losses = fit_policy(model, groups, steps=25)
    assert losses[-1] < 0.2 * losses[0]
    assert repair.__name__ == groups[0].rollouts[0].prompt.mode
    assert groups[0].verdicts[0] is not None
    assert groups[0].verdicts[0].outcome is Outcome.PASSED
