"""A critic fitted by the Learner: the paper's gradients, invariances, and a fault found at the token that makes it."""

from __future__ import annotations

import copy
import random
from dataclasses import replace

import pytest
import torch

from critics.calibration import calibrate
from critics.model import OutcomeCritic, Pool, build_critic
from critics.outcomes import OutcomeClasses, weigh
from critics.score import judged, read
from envs.rewards import CODERL_RETURNS, four_level
from envs.rollout import Group, Segment
from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.credit import against_greedy, by_reward, critic_weighted, graded
from rl.critic_learner import LearningCritic, critic_learner
from rl.learner import Learner, policy_learner
from rl.losses import Per, outcome_ce, policy_gradient
from rl.models import load_policy
from rl.score import critic_values, outcomes
from tests.builders import a_group, a_rollout
from tests.critics.builders import KINDS, a_critic

FOUR = OutcomeClasses.FOUR
P, W, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR
C, R = Outcome.COMPILE_ERROR, Outcome.TIMEOUT
REFERENCE = replace(a_rollout((5, 6)), segments=(Segment((14, 15, 16), "reference"),))
GROUPS = [
    a_group([a_rollout((5, 6), (7, 8, 9)), a_rollout((5, 6), (10,)), REFERENCE], [C, W, P]),
    a_group(
        [a_rollout((20, 21, 22, 23), (7,)), a_rollout((20, 21), (9, 9, 8, 7, 9)), a_rollout((8,), (9, 1))], [R, P, S]
    ),
]


def fitting_batch(groups: list[Group]) -> Batch:
    """What the loop hands to the learner of a critic."""
    batch = collate(groups)
    batch = batch.with_columns(outcomes(weigh(groups, FOUR))(groups, batch))
    return batch.with_advantages(by_reward(four_level, graded)(groups, batch))


def gradient(
    critic: OutcomeCritic | LearningCritic,
    batch: Batch,
    micro_batch_tokens: int = 10**6,
    *,
    share_prompts: bool = False,
) -> tuple[float, torch.Tensor]:
    """Loss, and gradient of all weights as one vector."""
    critic = copy.deepcopy(critic)
    learner = Learner(critic, learning_rate=1e-3, micro_batch_tokens=micro_batch_tokens, share_prompts=share_prompts)
    loss = learner.backward(batch, (outcome_ce(),), 1.0)["outcome_ce"]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in critic.parameters()]
    return loss, torch.cat([gradient.flatten() for gradient in gradients])


def assert_same(a: tuple[float, torch.Tensor], b: tuple[float, torch.Tensor]) -> None:
    assert a[0] == pytest.approx(b[0], rel=1e-5)
    assert a[1].norm() > 1e-3
    assert (a[1] - b[1]).norm() / a[1].norm() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pool", list(Pool))
def test_splitting_padding_and_order_never_change_the_gradient(kind: str, pool: Pool) -> None:
    critic, batch = a_critic(kind, pool=pool), fitting_batch(GROUPS)
    whole = gradient(critic, batch)
    for micro_batch_tokens in (1, 12):
        assert_same(whole, gradient(critic, batch, micro_batch_tokens))
    assert_same(whole, gradient(critic, batch.rows(torch.tensor([3, 5, 0, 4, 2, 1]))))
    wide = Batch(
        torch.nn.functional.pad(batch.ids_BT, (0, 5), value=17),
        torch.nn.functional.pad(batch.present_BT, (0, 5)),
        torch.nn.functional.pad(batch.learned_BT, (0, 5)),
        batch.prompt_B,
        batch.group_B,
        batch.asked_B,
        {name: torch.nn.functional.pad(column, (0, 5), value=torch.nan) for name, column in batch.columns.items()},
    )
    assert_same(whole, gradient(critic, wide))


@pytest.mark.parametrize("pool", list(Pool))
def test_sharing_prompts_changes_neither_the_fit_nor_the_values(pool: Pool) -> None:
    critic = a_critic(pool=pool)
    batch = fitting_batch(GROUPS)
    learner = critic_learner(critic, learning_rate=1e-3)
    assert learner.share_prompts
    assert_same(
        gradient(critic, batch), gradient(LearningCritic(critic, share_prompts=True), batch, share_prompts=True)
    )
    wants = frozenset({"outcome_prob", "pass_prob", "outcome_nll"})
    plain, shared = Learner(critic, learning_rate=0.0).outputs(batch, wants=wants), learner.outputs(batch, wants=wants)
    for name in wants:
        torch.testing.assert_close(plain[name], shared[name], atol=1e-5, rtol=1e-4)


def test_an_unknown_outcome_is_not_fitted() -> None:
    critic = a_critic()
    without = [GROUPS[0], a_group(GROUPS[1].rollouts[:2], [R, P])]
    assert_same(gradient(critic, fitting_batch(GROUPS)), gradient(critic, fitting_batch(without)))


def paper_critic_loss(critic: OutcomeCritic, prompt: list[int], ids: list[int], outcome: int) -> torch.Tensor:
    """- log p(u | W, D) with u = softmax(head(max over time)), the maximum before or after the head."""
    states_TH = critic.backbone(input_ids=torch.tensor([prompt + ids])).last_hidden_state[0][len(prompt) :]
    weight_KH, bias_K = critic.head.weight, critic.head.bias
    if critic.settings.pool is Pool.HIDDEN:
        logits_K = weight_KH @ states_TH.max(dim=0).values + bias_K
    else:
        logits_K = torch.stack([weight_KH @ state_H + bias_K for state_H in states_TH]).max(dim=0).values
    return torch.logsumexp(logits_K, 0) - logits_K[outcome]


@pytest.mark.parametrize("pool", list(Pool))
def test_the_fit_has_the_gradient_of_the_paper(pool: Pool) -> None:
    critic = a_critic(pool=pool).double()
    batch = fitting_batch(GROUPS)
    loss, found = gradient(critic, batch)
    weights_B = weigh(GROUPS, FOUR).rows(GROUPS).double().tolist()
    labels = [0, 2, 3, 1, 3]
    rollouts = [rollout for group in GROUPS for rollout in group.rollouts][:5]
    expected = torch.zeros((), dtype=torch.float64)
    for r, label, weight in zip(rollouts, labels, weights_B[:5], strict=True):
        expected = expected + weight * paper_critic_loss(critic, list(r.prompt_ids), list(r.completion_ids), label) / 5
    gradients = torch.autograd.grad(expected, list(critic.parameters()), allow_unused=True, materialize_grads=True)
    assert_same((loss, found), (expected.item(), torch.cat([g.flatten() for g in gradients])))


def test_the_policy_has_the_gradient_of_the_paper() -> None:
    """- (r(W) - r(greedy)) * sum of q_t log p(w_t), summed over samples and divided by their number."""
    model = load_policy("scratch:nano", ["abc"], seed=1).model.double()
    critic = a_critic()
    exact = copy.deepcopy(critic).double()
    greedy = replace(a_rollout((5, 6), (9, 9)), temperature=0.0)
    group = a_group([a_rollout((5, 6), (7, 8, 9)), greedy, a_rollout((5, 6), (10, 7))], [W, R, P])

    expected = torch.zeros((), dtype=torch.float64)
    for index, label in ((0, 2), (2, 3)):
        prompt, ids = [5, 6], list(group.rollouts[index].completion_ids)
        tokens = torch.tensor([prompt + ids])
        log_probs_TV = torch.log_softmax(model(input_ids=tokens).logits[0], dim=-1)
        with torch.no_grad():
            states_TH = exact.backbone(input_ids=tokens).last_hidden_state[0]
            q_T = torch.softmax(states_TH @ exact.head.weight.T + exact.head.bias, dim=-1)[:, label]  # type: ignore[operator]
        advantage = CODERL_RETURNS[group.verdicts[index].outcome] - CODERL_RETURNS[R]  # type: ignore[union-attr]
        for t, token in enumerate(ids, start=2):
            expected = expected - advantage * q_T[t] * log_probs_TV[t - 1, token] / 2
    gradients = torch.autograd.grad(expected, list(model.parameters()))

    critic_learner = Learner(critic, learning_rate=1e-3)
    batch = collate([group])
    batch = batch.with_columns(critic_values(critic_learner, FOUR)([group], batch))
    batch = batch.with_advantages(critic_weighted(against_greedy(four_level))([group], batch))
    loss = policy_learner(model, learning_rate=1e-3).backward(batch, (policy_gradient(per=Per.CONSTANT),), 1.0)
    found = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert_same((loss["policy_gradient"], found), (expected.item(), torch.cat([g.flatten() for g in gradients])))


def test_scores_are_the_token_values_of_the_critic() -> None:
    critic, batch = a_critic(), collate(GROUPS)
    found = critic_values(Learner(critic, learning_rate=1e-3, micro_batch_tokens=12), FOUR)(GROUPS, batch)
    rows = [
        (rollout, verdict) for group in GROUPS for rollout, verdict in zip(group.rollouts, group.verdicts, strict=True)
    ]
    for row, (rollout, verdict) in enumerate(rows[:5]):
        reading = read(critic, [rollout])[0]
        label = FOUR.class_of(verdict.outcome)  # type: ignore[union-attr]
        places = slice(len(rollout.prompt_ids), len(rollout.prompt_ids) + len(rollout.completion_ids))
        assert torch.allclose(found["critic_q"][row, places], reading.token_probs_TK[:, label], atol=1e-6)
        assert torch.allclose(found["critic_pass"][row, places], reading.pass_probs_T, atol=1e-6)
        assert float(found["critic_q"][row].sum()) == pytest.approx(
            float(reading.token_probs_TK[:, label].sum()), abs=1e-5
        )


FAULTS = {C: 40, R: 41, W: 42, P: None}
"""A token that makes a program end so, wherever it stands."""


def programs(n: int, seed: int) -> tuple[list[Group], list[int | None]]:
    """Programs of eight tokens, a quarter per outcome, and the place of the fault in each."""
    rng = random.Random(seed)
    groups: list[Group] = []
    places: list[int | None] = []
    for index in range(n):
        outcome = list(FAULTS)[index % 4]
        ids = [rng.randrange(10, 30) for _ in range(8)]
        fault = FAULTS[outcome]
        places.append(None if fault is None else rng.randrange(8))
        if fault is not None:
            ids[places[-1]] = fault
        groups.append(a_group([a_rollout((5, rng.randrange(50, 60)), ids)], [outcome]))
    return groups, places


@pytest.mark.slow
@pytest.mark.parametrize(("pool", "accuracy", "found_of_48"), [(Pool.LOGITS, 0.95, 44), (Pool.HIDDEN, 0.6, 24)])
def test_a_fitted_critic_moves_at_the_token_that_decides(pool: Pool, accuracy: float, found_of_48: int) -> None:
    """From 64 programs; pooled states come to know less than pooled logits, but far more than chance."""
    tokenizer = load_policy("scratch:nano", ["abc"]).tokenizer
    critic = build_critic("scratch:nano", tokenizer, replace(a_critic().settings, pool=pool), seed=1)
    learner = Learner(critic, learning_rate=1e-2)
    groups, _ = programs(64, seed=0)
    losses = [learner.step(fitting_batch(groups), (outcome_ce(),))["loss/outcome_ce"] for _ in range(60)]
    assert losses[0] == pytest.approx(float(torch.log(torch.tensor(4.0))), rel=1e-4)  # it starts without opinion
    assert losses[-1] < 0.05

    unseen, places = programs(64, seed=1)
    found = calibrate(judged(critic, unseen))
    assert found.critic[1.0].accuracy > accuracy
    assert found.critic[0.25].accuracy < found.critic[0.5].accuracy < found.critic[1.0].accuracy
    assert found.problem.accuracy < 0.5
    hits = 0
    for group, place in zip(unseen, places, strict=True):
        if place is None:
            continue
        reading = read(critic, group.rollouts)[0]
        label = FOUR.class_of(group.verdicts[0].outcome)  # type: ignore[union-attr]
        rise_T = torch.diff(reading.token_probs_TK[:, label], prepend=torch.tensor([0.25]))
        hits += int(rise_T.argmax()) == place
    assert hits >= found_of_48
