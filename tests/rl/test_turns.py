"""Turns: programs that fail an example test are written again, and all of an attempt is worth what its last one is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
import torch

from critics.sampling import Request
from envs.feedback import by_examples
from envs.grading import GradeRequest
from envs.problem import ExampleTests, HiddenTests, TestCase
from envs.prompts import plain, repair
from envs.rewards import binary
from envs.rollout import Group, Prompt, Rollout, last_turns, turns
from envs.verdict import Outcome, Verdict
from rl.batch import collate
from rl.credit import by_last_turn, by_reward, group_centered
from rl.learner import TokenLogProbs
from rl.round_metrics import by_turns
from rl.turns import Again, afresh, in_turns, last_turn, later_turns
from rl.write import Write, by_policy, by_reference, continuing, from_experience, ungraded
from tests.builders import a_group, a_rollout
from tests.small_world import MAX_NEW_TOKENS, World

P, W, X = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR


def first(world: World, n: int = 6) -> Write:
    return by_policy(
        world.policy, ask=plain, n=n, temperature=1.0, max_new_tokens=MAX_NEW_TOKENS, seed=3, policy_version=lambda: 11
    )


def attempts_of(world: World, n_turns: int = 3, ask: Again = repair) -> Write:
    again = continuing(world.policy, temperature=1.0)
    grade = world.grader.grade
    return in_turns(first(world), again, turns=n_turns, grade=grade, max_new_tokens=MAX_NEW_TOKENS, ask=ask)


def nobody(requests: Sequence[Request], max_new_tokens: int) -> list[list[Rollout]]:
    assert not requests, "nothing fails, so nothing may be written again"
    return []


def test_what_fails_an_example_test_is_written_again_from_what_was_found(small_world: World) -> None:
    grade = small_world.grader.grade
    lengths = []
    for group in attempts_of(small_world)(small_world.problems, 0):
        for places in turns(group):
            attempt = [group.rollouts[place] for place in places]
            feedbacks = by_examples([(group.problem, rollout.program) for rollout in attempt], grade)
            assert attempt[0].prompt == plain(group.problem)
            for before, feedback, after in zip(attempt, feedbacks, attempt[1:], strict=False):
                assert feedback is not None
                assert feedback.passed is False
                assert after.prompt == repair(group.problem, before.program, feedback)
                assert after.prompt_ids == small_world.policy.encode(after.prompt.text)
            passed = feedbacks[-1] is not None and feedbacks[-1].passed
            assert len(attempt) == 3 or passed
            assert {rollout.policy_version for rollout in attempt} == {11}
            lengths.append(len(attempt))
        assert len(turns(group)) == 6
    assert {1, 3} <= set(lengths)


def test_the_same_call_writes_the_same_and_another_round_other_things(small_world: World) -> None:
    write = attempts_of(small_world)
    once = list(write(small_world.problems, 4))
    assert list(write(small_world.problems, 4)) == once
    assert list(attempts_of(small_world)(small_world.problems, 4)) == once
    assert list(write(small_world.problems, 5)) != once
    seeds = [rollout.seed for group in once for rollout in group.rollouts]
    assert len(set(seeds)) == len(seeds)


CANARY = 987654321


def test_no_prompt_of_any_turn_shows_a_hidden_test(small_world: World) -> None:
    hidden = HiddenTests((TestCase([CANARY, 1], CANARY), TestCase([0, CANARY], -CANARY)))
    problems = [replace(problem, hidden_tests=hidden) for problem in small_world.problems]
    seen: list[type] = []

    def grade(requests: Iterable[GradeRequest]) -> list[Verdict]:
        requests = list(requests)
        seen.extend(type(request.tests) for request in requests)
        return small_world.grader.grade(requests)

    again = continuing(small_world.policy, temperature=1.0)
    write = in_turns(first(small_world), again, turns=3, grade=grade, max_new_tokens=MAX_NEW_TOKENS)
    groups = list(write(problems, 0))
    assert set(seen) == {ExampleTests}
    assert any(rollout.prompt.mode == "repair" for group in groups for rollout in group.rollouts)
    assert not any(str(CANARY) in rollout.prompt.text for group in groups for rollout in group.rollouts)
    assert all(set(group.verdicts) == {None} for group in groups)


@torch.no_grad()
def test_a_loss_falls_on_the_tokens_of_the_policy_alone_as_they_were_sampled(small_world: World) -> None:
    groups = list(attempts_of(small_world)(small_world.problems, 0))
    batch = collate(groups)
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    for row, rollout in enumerate(rollouts):
        start, end = len(rollout.prompt_ids), len(rollout.prompt_ids) + len(rollout.completion_ids)
        assert batch.learned_BT[row].nonzero().squeeze(1).tolist() == list(range(start, end))
        assert "Why:" not in small_world.policy.decode(batch.ids_BT[row][batch.learned_BT[row]].tolist())
        assert batch.ids_BT[row, start:end].tolist() == list(rollout.completion_ids)
    found = TokenLogProbs(small_world.policy.model.eval())(batch, 1.0, frozenset({"log_probs"}))["log_probs"]
    sampled = batch.columns["behavior_log_probs"]
    assert torch.allclose(found[batch.learned_BT], sampled[batch.learned_BT], atol=1e-4)


def test_what_passes_at_once_and_what_nobody_can_test_is_one_turn(small_world: World) -> None:
    grade = small_world.grader.grade
    right = by_reference(small_world.policy, ask=plain)
    for problems, write in (
        (small_world.problems, right),
        ([replace(p, example_tests=ExampleTests()) for p in small_world.problems], first(small_world)),
    ):
        groups = list(in_turns(write, nobody, turns=3, grade=grade, max_new_tokens=MAX_NEW_TOKENS)(problems, 0))
        assert groups == list(write(problems, 0))


def test_an_attempt_ends_where_the_next_prompt_does_not_fit(small_world: World) -> None:
    def fits(prompt: Prompt) -> bool:
        assert prompt.mode == "repair"
        return False

    write = in_turns(
        first(small_world), nobody, turns=3, grade=small_world.grader.grade, max_new_tokens=MAX_NEW_TOKENS, fits=fits
    )
    assert list(write(small_world.problems, 0)) == list(first(small_world)(small_world.problems, 0))


def test_the_programs_that_are_wanted_are_kept(small_world: World) -> None:
    again, grade = continuing(small_world.policy, temperature=1.0), small_world.grader.grade
    stored = {group.problem.id: ungraded(group.problem, group.rollouts[:9]) for group in small_world.groups}

    def kept(ask: Again, keep: object) -> list[Group]:
        write = in_turns(
            from_experience(stored), again, turns=2, grade=grade, max_new_tokens=MAX_NEW_TOKENS, ask=ask, keep=keep  # type: ignore[arg-type]
        )  # fmt: skip
        return list(write(small_world.problems, 0))

    for group, ends, fresh in zip(
        kept(repair, later_turns), kept(repair, last_turn), kept(afresh, later_turns), strict=True
    ):
        first_ones = stored[group.problem.id].rollouts
        feedbacks = by_examples([(group.problem, rollout.program) for rollout in first_ones], grade)
        n_failed = sum(feedback is not None and not feedback.passed for feedback in feedbacks)
        assert 0 < n_failed == len(group.rollouts) == len(fresh.rollouts)
        assert len(ends.rollouts) == len(first_ones)
        assert set(group.rollouts) <= set(ends.rollouts)
        assert {rollout.prompt.mode for rollout in group.rollouts} == {"repair"}
        assert {rollout.prompt for rollout in fresh.rollouts} == {plain(group.problem)}


def of_turns(*outcomes: Sequence[Outcome]) -> Group:
    """A group of attempts whose programs end as given."""
    rollouts = [
        replace(a_rollout(ids=(i + 1,) * 2), prompt=Prompt("add", "", "repair" if turn else "plain"), program=f"{i} {turn}")
        for i, attempt in enumerate(outcomes)
        for turn, _ in enumerate(attempt)
    ]  # fmt: skip
    return a_group(rollouts, [outcome for attempt in outcomes for outcome in attempt])


def test_every_turn_is_worth_what_the_last_one_is() -> None:
    groups = [of_turns((W, P), (P,), (W, W, W)), of_turns((W, X), (P,), (W,)), of_turns((W, P), (P,))]
    assert [turns(group) for group in groups] == [[[0, 1], [2], [3, 4, 5]], [[0, 1], [2], [3]], [[0, 1], [2]]]
    assert [rollout.program for rollout in last_turns(groups[0]).rollouts] == ["0 1", "1 0", "2 2"]
    credit = by_last_turn(by_reward(binary, group_centered))
    batch = collate(groups)
    worth = credit(groups, batch)
    nan = float("nan")
    expected = [1 / 3] * 3 + [-2 / 3] * 3 + [nan, nan, 0.5, -0.5] + [0.0] * 3
    assert worth.squeeze(1).tolist() == pytest.approx(expected, nan_ok=True)
    learned = batch.with_advantages(worth)
    assert learned.learned_BT.any(dim=1).tolist() == [True] * 6 + [False] * 2 + [True] * 5


def test_without_repairs_it_is_the_credit_of_programs() -> None:
    groups = [of_turns((W,), (P,), (X,)), of_turns((P,), (W,))]
    plain_credit, batch = by_reward(binary, group_centered), collate(groups)
    assert torch.equal(
        by_last_turn(plain_credit)(groups, batch).nan_to_num(9), plain_credit(groups, batch).nan_to_num(9)
    )


def test_what_attempts_come_to_is_measured_by_their_ends() -> None:
    groups = [of_turns((W, P), (P,), (W, W, W)), of_turns((W, X), (P,), (P,))]
    found = by_turns(binary)(0, groups, collate(groups))
    assert found == pytest.approx(
        {"reward": 4 / 5, "equal_rewards": 1 / 2, "first_turn": 3 / 5, "last_turn": 4 / 5, "asked_again": 2 / 5}
    )


def test_stored_repairs_without_a_first_program_are_an_attempt() -> None:
    rollout = replace(a_rollout(), prompt=Prompt("add", "", "repair"))
    assert turns(a_group([rollout, rollout], [P, P])) == [[0, 1]]
    assert turns(a_group([], [])) == []
