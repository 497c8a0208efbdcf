"""Programs that a critic's values are shown along: which ones, cut into which pieces, with which values."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from critics.model import CriticSettings, build_critic
from critics.score import read
from envs.rollout import Group, Rollout, Segment, StopReason
from envs.verdict import Outcome
from rl.critic_tokens import MOST_PROBLEMS, contrasts, pieces, read_programs
from rl.models import END_OF_TEXT, Policy, load_policy
from tests.builders import a_group, a_rollout

P, W, C, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.COMPILE_ERROR, Outcome.SANDBOX_ERROR


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("scratch:nano", ["def add(a, b):\n    return a + b\n"] * 3)


def a_program(policy: Policy, text: str, author: str = "policy", stop: StopReason = StopReason.END_OF_TEXT) -> Rollout:
    ids = policy.encode(text) + (() if stop is StopReason.LENGTH else (policy.end_id,))
    return replace(a_rollout((5, 6)), segments=(Segment(ids, author),), text=text, stop=stop)


def shown(groups: list[Group]) -> list[str]:
    return [group.rollouts[index].text for group, index in contrasts(groups)]


def test_the_longest_pass_and_failure_of_a_problem_are_shown(policy: Policy) -> None:
    texts = ["    return a\n", "    return a + b\n", "    return\n", "    return a - b + 0\n", "    return a + b \n"]
    group = a_group([a_program(policy, text) for text in texts], [P, P, W, C, S])
    assert shown([group]) == ["    return a + b\n", "    return a - b + 0\n"]


def test_only_problems_with_both_ends_of_the_policys_own_programs_are_shown(policy: Policy) -> None:
    one, other = a_program(policy, "a"), a_program(policy, "b")
    assert shown([a_group([one, other], [P, P]), a_group([one, other], [W, S]), a_group([one, one], [P, W])]) == []
    assert shown([a_group([a_program(policy, "a", author="reference"), other], [P, W])]) == []


def test_whole_programs_come_before_those_that_were_cut_off(policy: Policy) -> None:
    long = a_program(policy, "return a + b " * 9, stop=StopReason.LENGTH)
    whole = [a_program(policy, "a"), a_program(policy, "b")]
    assert shown([a_group([*whole, long], [P, W, W])]) == ["a", "b"]
    assert shown([a_group([a_program(policy, "c"), long], [P, W]), a_group(whole, [P, W])])[:2] == ["a", "b"]


def test_no_program_is_shown_for_two_problems(policy: Policy) -> None:
    pairs = [("a b c d", "z y x w"), ("a b c d", "v u"), ("t", "s"), ("r", "q"), ("p", "o")]
    found = shown([a_group([a_program(policy, good), a_program(policy, bad)], [P, W]) for good, bad in pairs])
    assert found == ["a b c d", "z y x w", "t", "s", "r", "q"]
    assert len(found) == 2 * MOST_PROBLEMS


@pytest.mark.parametrize("text", ["    return a + b\n", "größer → 🙂🙂", "\ufffd a \ufffd", "", " a"])
def test_pieces_add_up_to_the_text(policy: Policy, text: str) -> None:
    ids = (*policy.encode(text), policy.end_id)
    found = pieces(policy, ids)
    assert len(found) == len(ids)
    assert "".join(found) == policy.decode(ids) == text


def test_bytes_that_are_no_character_alone_belong_to_the_id_that_completes_it(policy: Policy) -> None:
    start, *_, last = policy.encode("🙂")
    n = len(policy.encode("🙂"))
    assert n > 1
    assert pieces(policy, policy.encode("🙂")) == [""] * (n - 1) + ["🙂"]
    (letter,) = policy.encode("a")
    broken = (start, letter, last, letter, start)
    assert pieces(policy, broken) == ["", "\ufffda", "", "\ufffda", "\ufffd"]
    assert "".join(pieces(policy, broken)) == policy.decode(broken)


def test_the_values_are_those_of_the_critic(policy: Policy) -> None:
    critic = build_critic("scratch:nano", policy.tokenizer, CriticSettings(), seed=1)
    torch.nn.init.normal_(critic.head.weight, std=0.5)  # type: ignore[arg-type]
    good, bad = a_program(policy, "    return a + b\n"), a_program(policy, "    return a b\n")
    programs = read_programs(critic, policy, [a_group([bad, good], [C, P])])
    assert [program.outcome for program in programs] == ["passed", "compile_error"]
    for program, rollout, label in zip(programs, (good, bad), (3, 0), strict=True):
        reading = read(critic, [rollout])[0]
        assert "".join(token.text for token in program.tokens) == rollout.text
        assert END_OF_TEXT not in "".join(token.text for token in program.tokens)
        passed = [token.pass_prob for token in program.tokens]
        happened = [token.happened_prob for token in program.tokens]
        assert passed == pytest.approx(reading.pass_probs_T.tolist(), abs=1e-4)
        assert happened == pytest.approx(reading.token_probs_TK[:, label].tolist(), abs=1e-4)
        assert len(set(passed)) > 1
