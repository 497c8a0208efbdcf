"""The sampler: reproducible, independent of its batch, and true to the model's own probabilities."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from envs.rollout import StopReason
from envs.verdict import Outcome
from rl.batch import collate
from rl.decode import Completion, sample
from rl.learner import LOG_PROBS, TokenLogProbs
from rl.models import Policy, load_policy
from tests.builders import a_group, a_rollout

PROMPTS = [[9, 8, 7], [20, 21, 22, 23, 24, 25], [40]]
SEEDS = [[1, 2], [3, 4], [5, 6]]


@pytest.fixture(scope="module")
def policy() -> Policy:
    policy = load_policy("scratch:nano", ["def f(x):\n    return x\n"] * 20, seed=3)
    torch.manual_seed(0)
    for parameter in policy.model.parameters():
        parameter.data += 0.15 * torch.randn_like(parameter)  # far from uniform, so that mistakes show
    return policy


def sampled(
    policy: Policy, prompts: list[list[int]], seeds: list[list[int]], temperature: float = 1.0
) -> list[list[Completion]]:
    return sample(policy.model, prompts, seeds, temperature=temperature, max_new_tokens=24, end_id=policy.end_id)


def test_same_seeds_give_the_same_completions(policy: Policy) -> None:
    assert sampled(policy, PROMPTS, SEEDS) == sampled(policy, PROMPTS, SEEDS)
    assert sampled(policy, PROMPTS, SEEDS) != sampled(policy, PROMPTS, [[11, 12], [13, 14], [15, 16]])


def test_a_row_does_not_depend_on_its_batch(policy: Policy) -> None:
    together = sampled(policy, PROMPTS, SEEDS)
    for prompt, seeds, group in zip(PROMPTS, SEEDS, together, strict=True):
        for seed, completion in zip(seeds, group, strict=True):
            alone = sampled(policy, [prompt], [[seed]])[0][0]
            assert alone.ids == completion.ids
            assert alone.log_probs == pytest.approx(completion.log_probs, abs=1e-5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_log_probs_are_those_of_the_learner(policy: Policy, temperature: float) -> None:
    groups = [
        a_group([a_rollout(prompt, c.ids, c.log_probs) for c in group], [Outcome.PASSED] * len(group))
        for prompt, group in zip(PROMPTS, sampled(policy, PROMPTS, SEEDS, temperature), strict=True)
    ]
    batch = collate(groups)
    with torch.no_grad():
        log_probs_BT = TokenLogProbs(policy.model)(batch, temperature, LOG_PROBS)["log_probs"]
    difference = (log_probs_BT - batch.columns["behavior_log_probs"]).abs().max()
    assert difference < 1e-5


def test_frequencies_match_the_model(policy: Policy) -> None:
    n = 4000
    drawn = sample(policy.model, [[9, 8]], [list(range(n))], temperature=1.0, max_new_tokens=1, end_id=policy.end_id)[0]
    with torch.no_grad():
        probabilities = policy.model(torch.tensor([[9, 8]])).logits[0, -1].softmax(-1)
    counts = torch.bincount(torch.tensor([c.ids[0] for c in drawn]), minlength=len(probabilities)).float()
    # Pearson's statistic over the likely tokens; its mean is their number, its deviation about sqrt(2 n).
    likely = probabilities * n > 10
    expected = probabilities[likely] * n
    statistic = float(((counts[likely] - expected) ** 2 / expected).sum())
    assert likely.sum() > 20
    assert statistic < likely.sum() + 5 * math.sqrt(2 * float(likely.sum()))


def test_temperature_zero_is_greedy(policy: Policy) -> None:
    completion = sampled(policy, [PROMPTS[1]], [[1]], temperature=0)[0][0]
    ids = [*PROMPTS[1], *completion.ids]
    with torch.no_grad():
        best = policy.model(torch.tensor([ids])).logits[0].argmax(-1).tolist()
    assert best[len(PROMPTS[1]) - 1 : -1] == list(completion.ids)


def test_completions_end_at_the_end_of_text_or_at_the_limit(policy: Policy) -> None:
    ends = set()
    for group in sampled(policy, PROMPTS * 20, [[100 * i + j for j in range(8)] for i in range(60)], temperature=2.0):
        for completion in group:
            ended = completion.ids[-1] == policy.end_id
            assert (completion.stop is StopReason.END_OF_TEXT) == ended
            assert policy.end_id not in completion.ids[:-1]
            assert ended or len(completion.ids) == 24
            assert len(completion.log_probs) == len(completion.ids)
            ends.add(completion.stop)
    assert ends == {StopReason.END_OF_TEXT, StopReason.LENGTH}


def test_sampling_leaves_the_model_in_its_mode(policy: Policy) -> None:
    for mode in (True, False):
        policy.model.train(mode)
        sampled(policy, PROMPTS, SEEDS)
        assert policy.model.training is mode


def test_neighbouring_seeds_are_unrelated(policy: Policy) -> None:
    group = sampled(policy, [PROMPTS[0]], [list(range(20))])[0]
    assert any(a.ids != b.ids for a, b in pairwise(group))
    assert len({c.ids for c in group}) > 10
