"""Credit: values by hand, the closed form of generalised advantages, and what holds for any rewards."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from envs.rewards import binary, four_level, fraction_passed
from envs.rollout import Group, Rollout, StopReason
from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.credit import (
    ADVANTAGES,
    MIN_SPREAD,
    accepted,
    against_greedy,
    by_reward,
    by_values,
    critic_weighted,
    generalised_advantages,
    graded,
    greedy_baseline,
    group_centered,
    group_normalised,
    imitate,
    leave_one_out,
    overlong_penalty,
    uniform,
)
from tests.builders import a_group, a_rollout

NAN = math.nan
P, W, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def assert_equal(found: torch.Tensor, expected: list[float], tolerance: float = 1e-12) -> None:
    assert torch.allclose(found.double(), tensor(*expected), rtol=0, atol=tolerance, equal_nan=True), found


@pytest.mark.parametrize(
    ("advantage", "rewards", "expected"),
    [
        (uniform, [1.0, 0.0, NAN], [1.0, 1.0, 1.0]),
        (graded, [1.0, 0.0, -0.3, NAN], [1.0, 1.0, 1.0, NAN]),
        (accepted, [1.0, 0.0, 0.999, -1.0, NAN], [1.0, 0.0, 0.0, 0.0, NAN]),
        (group_centered, [1.0, 0.0, 0.0, 0.0], [0.75, -0.25, -0.25, -0.25]),
        (group_centered, [1.0, -0.3, -0.6, -1.0], [1.225, -0.075, -0.375, -0.775]),
        (group_centered, [1.0, NAN, 0.0], [0.5, NAN, -0.5]),
        # Deviations 3/4, -1/4 three times: variance (9 + 3) / 16 / 3 = 1/4.
        (group_normalised, [1.0, 0.0, 0.0, 0.0], [1.5, -0.5, -0.5, -0.5]),
        (group_normalised, [1.0, NAN, 0.0], [math.sqrt(0.5), NAN, -math.sqrt(0.5)]),
        (leave_one_out, [1.0, 0.0, 0.0, 0.0], [1.0, -1 / 3, -1 / 3, -1 / 3]),
        (leave_one_out, [1.0, 0.4], [0.6, -0.6]),
        (leave_one_out, [1.0, NAN, 0.4, 0.1], [0.75, NAN, -0.15, -0.6]),
    ],
)
def test_golden_values(
    advantage: Callable[[torch.Tensor], torch.Tensor], rewards: list[float], expected: list[float]
) -> None:
    assert_equal(advantage(tensor(*rewards)), expected)


@pytest.mark.parametrize("name", ADVANTAGES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "rewards",
    [
        [0.1 + 0.2, 0.3, 0.3, 0.3],
        [0.1 + 0.2, 0.3],
        [sum([0.1] * 10), 1.0, 1.0],
        [1 / 3, 1 - 2 / 3, 0.333333],
        [0.7, 0.7, 0.7],
        [0.5],
    ],
)
def test_rewards_that_differ_by_rounding_are_worth_exactly_nothing(
    name: str, dtype: torch.dtype, rewards: list[float]
) -> None:
    assert (ADVANTAGES[name](torch.tensor(rewards, dtype=dtype)) == 0).all()


@pytest.mark.parametrize("name", ADVANTAGES)
def test_the_smallest_spread_that_counts_gives_bounded_advantages(name: str) -> None:
    advantages_G = ADVANTAGES[name](tensor(0.0, 0.0, 0.0, 1.01 * MIN_SPREAD))
    assert 0 < advantages_G.abs().max() <= 1.5 + 1e-9


@pytest.mark.parametrize("name", ADVANTAGES)
def test_unknown_rewards_stay_unknown_and_change_no_other(name: str) -> None:
    advantage = ADVANTAGES[name]
    assert_equal(advantage(tensor(NAN, NAN)), [NAN, NAN])
    assert_equal(advantage(tensor(NAN, 0.5)), [NAN, 0.0])
    known = advantage(tensor(1.0, 0.25, 0.0)).tolist()
    assert_equal(advantage(tensor(1.0, NAN, 0.25, 0.0, NAN)), [known[0], NAN, known[1], known[2], NAN])


def test_a_greedy_baseline_by_hand() -> None:
    greedy_G = torch.tensor([False, True, False])
    assert_equal(greedy_baseline(tensor(1.0, 0.4, 0.0), greedy_G), [0.6, NAN, -0.4])
    assert_equal(greedy_baseline(tensor(NAN, 0.4, 0.0), greedy_G), [NAN, NAN, -0.4])
    assert_equal(greedy_baseline(tensor(1.0, NAN, 0.0), greedy_G), [NAN, NAN, NAN])
    with pytest.raises(ValueError, match="needs one greedy rollout per group; got 2"):
        greedy_baseline(tensor(1.0, 0.4, 0.0), torch.tensor([True, True, False]))


def test_an_overlong_penalty_falls_over_its_margin() -> None:
    lengths_G = torch.tensor([1, 60, 80, 90, 95, 100, 130])
    assert_equal(overlong_penalty(lengths_G, limit=100, margin=20), [0, 0, 0, -0.5, -0.75, -1, -1], 1e-7)
    assert_equal(overlong_penalty(torch.tensor([99, 100]), limit=100, margin=1), [0, -1])
    with pytest.raises(ValueError, match="margin of an overlong penalty is at least one token; got 0"):
        overlong_penalty(lengths_G, limit=100, margin=0)


def rollout(n_tokens: int, stop: StopReason = StopReason.END_OF_TEXT, temperature: float = 1.0) -> Rollout:
    return replace(a_rollout(ids=tuple(range(1, n_tokens + 1))), stop=stop, temperature=temperature)


def test_a_truncated_rollout_is_masked_and_left_out_of_the_mean() -> None:
    group = a_group([rollout(2), rollout(3), rollout(4, StopReason.LENGTH)], [P, W, W])
    masking = by_reward(binary, group_centered, mask_truncated=True)
    batch = collate([group])
    assert_equal(masking([group], batch).squeeze(1), [0.5, -0.5, NAN])
    assert_equal(by_reward(binary, group_centered)([group], batch).squeeze(1), [2 / 3, -1 / 3, -1 / 3], 1e-6)
    kept = batch.with_advantages(masking([group], batch))
    assert kept.learned_BT.sum(dim=1).tolist() == [2, 3, 0]
    assert torch.isfinite(kept.columns["advantages"]).all()


def test_a_length_penalty_is_part_of_the_reward() -> None:
    group = a_group([rollout(2), rollout(9), rollout(10)], [P, P, S])
    credit = by_reward(binary, group_centered, length_penalty=lambda n: overlong_penalty(n, limit=10, margin=2))
    assert_equal(credit([group], collate([group])).squeeze(1), [0.25, -0.25, NAN])


def test_the_greedy_rollout_is_the_one_of_temperature_zero() -> None:
    group = a_group([rollout(1), rollout(1, temperature=0.0), rollout(1)], [P, W, W])
    assert_equal(against_greedy(binary)([group], collate([group])).squeeze(1), [1, NAN, 0])


def test_rewards_of_several_groups_stay_apart() -> None:
    groups = [a_group([rollout(1)] * 2, [P, W]), a_group([rollout(1)] * 3, [W, W, P])]
    credit = by_reward(fraction_passed, leave_one_out)
    assert_equal(credit(groups, collate(groups)).squeeze(1), [1, -1, -0.5, -0.5, 1], 1e-6)
    assert_equal(imitate(groups, collate(groups)).squeeze(1), [1] * 5)


# Generalised advantages. Three learned tokens with values 1/2, 1/4, 1 and a reward of 2 at the end.

VALUES_BT = tensor(9.0, 0.5, 0.25, 1.0).unsqueeze(0)
LEARNED_BT = torch.tensor([[False, True, True, True]])


def advantages(discount: float, trace: float) -> list[float]:
    rows: list[list[float]] = generalised_advantages(tensor(2.0), VALUES_BT, LEARNED_BT, discount, trace).tolist()
    return rows[0]


@pytest.mark.parametrize(
    ("discount", "trace", "expected"),
    [
        (1, 1, [1.5, 1.75, 1.0]),  # the reward minus the value
        (1, 0, [-0.25, 0.75, 1.0]),  # the next value minus the value
        (0, 1, [-0.5, -0.25, 1.0]),  # nothing of what comes later
        (0, 0, [-0.5, -0.25, 1.0]),
        # Differences 0.9 * 1/4 - 1/2, 0.9 * 1 - 1/4, 2 - 1, carried back by 0.9 * 0.5.
        (0.9, 0.5, [-0.275 + 0.45 * (0.65 + 0.45), 0.65 + 0.45, 1.0]),
    ],
)
def test_generalised_advantages_of_three_tokens(discount: float, trace: float, expected: list[float]) -> None:
    assert advantages(discount, trace) == pytest.approx([0.0, *expected])


def test_tokens_that_are_not_learned_are_no_steps() -> None:
    """Two turns: what the environment said between them, and padding, are skipped whatever their values are."""
    values_BT = torch.tensor([[NAN, 0.5, NAN, math.inf, 0.25, NAN, 1.0, NAN]], dtype=torch.float64)
    learned_BT = torch.tensor([[False, True, False, False, True, False, True, False]])
    found = generalised_advantages(tensor(2.0), values_BT, learned_BT, 0.9, 0.5)[0].tolist()
    one, two, three = advantages(0.9, 0.5)[1:]
    assert found == pytest.approx([0, one, 0, 0, two, 0, three, 0])


def test_a_row_that_learns_nothing_has_no_advantages() -> None:
    assert (generalised_advantages(tensor(2.0), VALUES_BT, torch.zeros_like(LEARNED_BT), 1, 1) == 0).all()


def test_credit_by_values_masks_what_could_not_be_judged() -> None:
    group = a_group([rollout(3), rollout(2)], [P, S])
    batch = collate([group])
    batch = batch.with_columns({"values": torch.tensor([[9, 0.5, 0.25, 1.0], [9, 0.5, 0.5, 9]])})
    credited = batch.with_advantages(by_values(binary, discount=1.0, trace=1.0)([group], batch))
    assert credited.learned_BT.sum(dim=1).tolist() == [3, 0]
    assert_equal(credited.columns["advantages"].flatten(), [0, 0.5, 0.75, 0, 0, 0, 0, 0])


# For any rewards.

a_reward = st.sampled_from([-1.0, -0.6, -0.3, 0.0, 0.1, 0.3, 0.5, 1.0]) | st.floats(-2, 2, width=32)
some_rewards = st.lists(a_reward, min_size=2, max_size=12)
some_with_unknown = st.lists(a_reward | st.just(NAN), min_size=1, max_size=12)


@given(some_rewards)
def test_centred_advantages_sum_to_zero(rewards: list[float]) -> None:
    for advantage in ADVANTAGES.values():
        advantages_G = advantage(tensor(*rewards))
        assert abs(float(advantages_G.sum())) < 1e-9 * max(1.0, float(advantages_G.abs().max()))


@given(some_rewards)
def test_leave_one_out_is_the_centred_reward_stretched(rewards: list[float]) -> None:
    n = len(rewards)
    centred_G = group_centered(tensor(*rewards))
    assert_equal(leave_one_out(tensor(*rewards)), (centred_G * n / (n - 1)).tolist(), 1e-9)


@given(some_rewards)
def test_leave_one_out_is_the_reward_minus_the_mean_of_the_others(rewards: list[float]) -> None:
    assume(max(rewards) - min(rewards) >= MIN_SPREAD)
    others = [(sum(rewards) - reward) / (len(rewards) - 1) for reward in rewards]
    expected = [reward - other for reward, other in zip(rewards, others, strict=True)]
    assert_equal(leave_one_out(tensor(*rewards)), expected, 1e-9)


@given(some_rewards)
def test_normalised_advantages_have_deviation_one_or_are_zero(rewards: list[float]) -> None:
    advantages_G = group_normalised(tensor(*rewards))
    assert (advantages_G == 0).all() or float(advantages_G.std()) == pytest.approx(1)
    assert float(advantages_G.abs().max()) <= math.sqrt(len(rewards))


@given(some_with_unknown, st.randoms())
def test_advantages_follow_a_permutation(rewards: list[float], random: object) -> None:
    order = list(range(len(rewards)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for advantage in (*ADVANTAGES.values(), accepted, uniform):
        expected = advantage(tensor(*rewards))[order].tolist()
        assert_equal(advantage(tensor(*(rewards[i] for i in order))), expected, 1e-9)


@given(some_rewards, st.floats(0.5, 4), st.floats(-3, 3))
def test_normalised_advantages_ignore_scale_and_offset(rewards: list[float], scale: float, offset: float) -> None:
    assume(max(rewards) - min(rewards) >= 3 * MIN_SPREAD)
    moved = tensor(*rewards) * scale + offset
    assert_equal(group_normalised(moved), group_normalised(tensor(*rewards)).tolist(), 1e-7)


@given(st.lists(st.tuples(st.floats(-2, 2), st.booleans()), min_size=1, max_size=12), st.floats(-1, 1))
def test_with_full_traces_advantages_are_the_reward_minus_the_value(
    steps: list[tuple[float, bool]], reward: float
) -> None:
    values_BT = tensor(*(value for value, _ in steps)).unsqueeze(0)
    learned_BT = torch.tensor([[learned for _, learned in steps]])
    found_BT = generalised_advantages(tensor(reward), values_BT, learned_BT, 1.0, 1.0)
    assert torch.allclose(found_BT, torch.where(learned_BT, reward - values_BT, 0.0))


def test_an_advantage_of_nan_masks_its_row_and_no_other() -> None:
    batch: Batch = collate([a_group([rollout(2), rollout(3)], [P, W])])
    masked = batch.with_advantages(torch.tensor([[NAN], [1.0]]))
    assert masked.learned_BT.sum(dim=1).tolist() == [0, 3]


Q_GT = torch.tensor([[0.0, 0.5, 0.25], [0.0, 0.125, 0.75], [0.0, 1.0, 0.5], [0.0, 0.5, 0.5]])


def critic_case() -> tuple[Group, Batch]:
    """A wrong, a passing and an unknown sample, and a greedy one that crashed."""
    rollouts = [a_rollout((5,), (6, 7)) for _ in range(3)] + [replace(a_rollout((5,), (6, 7)), temperature=0.0)]
    group = a_group(rollouts, [W, P, S, Outcome.RUNTIME_ERROR])
    return group, collate([group]).with_columns({"critic_q": Q_GT})


def test_a_critic_spreads_the_return_against_the_greedy_one() -> None:
    group, batch = critic_case()
    advantages_BT = critic_weighted(against_greedy(four_level))([group], batch)
    # Returns -0.3 and 1.0 against -0.6; the sign is that of the row, whatever the critic says.
    assert_equal(advantages_BT[0, 1:], [0.3 * 0.5, 0.3 * 0.25], 1e-7)
    assert_equal(advantages_BT[1, 1:], [1.6 * 0.125, 1.6 * 0.75], 1e-7)
    assert batch.with_advantages(advantages_BT).learned_BT.any(dim=1).tolist() == [True, True, False, False]


def test_a_relative_critic_moves_credit_between_tokens_and_leaves_a_row_its_own() -> None:
    group, batch = critic_case()
    advantages_BT = critic_weighted(against_greedy(four_level), relative=True)([group], batch)
    assert_equal(advantages_BT[0, 1:], [0.3 * 4 / 3, 0.3 * 2 / 3], 1e-7)
    assert_equal(advantages_BT[1, 1:], [1.6 * 2 / 7, 1.6 * 12 / 7], 1e-7)
    half_as_sure = batch.with_columns({"critic_q": Q_GT / 2})
    again_BT = critic_weighted(against_greedy(four_level), relative=True)([group], half_as_sure)
    assert torch.allclose(advantages_BT, again_BT, equal_nan=True)


@pytest.mark.parametrize("advantage", [group_centered, leave_one_out])
def test_a_critic_without_weight_has_no_say(advantage: Callable[[torch.Tensor], torch.Tensor]) -> None:
    group, batch = critic_case()
    credit = by_reward(four_level, advantage)
    plain_BT = credit([group], batch).expand(-1, 3)
    unweighted_BT = critic_weighted(credit, weight=0.0)([group], batch)
    assert torch.equal(unweighted_BT.nan_to_num(), plain_BT.nan_to_num())
    whole_BT, half_BT = (critic_weighted(credit, weight=weight)([group], batch) for weight in (1.0, 0.5))
    assert torch.allclose(half_BT, (whole_BT + unweighted_BT) / 2, equal_nan=True)
    with pytest.raises(ValueError, match=r"between 0 and 1; got 1\.5"):
        critic_weighted(credit, weight=1.5)
