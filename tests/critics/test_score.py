"""Reading programs with a critic: neither batch, nor padding, nor order changes what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from critics.calibration import FRACTIONS
from critics.model import Pool
from critics.score import judged, read
from envs.rollout import Rollout, Segment
from envs.verdict import Outcome
from tests.builders import a_group, a_rollout
from tests.critics.builders import KINDS, a_critic

P, W, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR
ROLLOUTS = [
    a_rollout((5, 6), (7, 8, 9)),
    a_rollout((20, 21, 22, 23), (30,)),
    a_rollout((5,), (11, 12, 13, 14, 15, 16, 17, 18)),
    a_rollout((5, 6), (7, 9, 8)),
]


def by_two_writers() -> Rollout:
    """Two own tokens, a message of the environment, one own token."""
    said = Segment((40, 41, 42), "environment", learn=False)
    return replace(a_rollout((5,)), segments=(Segment((7, 8), "policy"), said, Segment((9,), "policy")))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pool", list(Pool))
def test_batches_and_padding_change_nothing(kind: str, pool: Pool) -> None:
    critic = a_critic(kind, pool=pool)
    alone = [read(critic, [rollout])[0] for rollout in ROLLOUTS]
    for max_tokens in (1, 10, 16384):
        for reading, expected in zip(read(critic, ROLLOUTS, max_tokens), alone, strict=True):
            assert torch.allclose(reading.token_probs_TK, expected.token_probs_TK, atol=1e-6)
            assert torch.allclose(reading.running_probs_TK, expected.running_probs_TK, atol=1e-6)


def test_order_changes_not_even_rounding() -> None:
    """The same batches pass through the model whatever the order, so the same numbers come back."""
    critic = a_critic()
    passes: list[list[list[int]]] = []
    critic.backbone.register_forward_pre_hook(
        lambda module, args, kwargs: passes.append(kwargs["input_ids"].tolist()), with_kwargs=True
    )
    straight = read(critic, ROLLOUTS, max_tokens=12)
    in_order, order = passes[:], [3, 1, 0, 2]
    passes.clear()
    shuffled = read(critic, [ROLLOUTS[index] for index in order], max_tokens=12)
    assert passes == in_order
    assert [len(ids_BT) for ids_BT in passes] == [1, 2, 1]
    for reading, index in zip(shuffled, order, strict=True):
        assert torch.equal(reading.token_probs_TK, straight[index].token_probs_TK)


def test_reading_is_in_eval_mode_and_leaves_the_mode_alone() -> None:
    critic = a_critic("encoder-decoder")
    for module in critic.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    critic.train()
    one, other = read(critic, ROLLOUTS), read(critic, ROLLOUTS)
    assert critic.training
    assert torch.equal(one[0].token_probs_TK, other[0].token_probs_TK)
    assert not one[0].token_probs_TK.requires_grad


def test_judgements_run_to_that_over_the_program() -> None:
    critic = a_critic()
    for rollout in ROLLOUTS:
        reading = read(critic, [rollout])[0]
        cut = replace(rollout, segments=(Segment(rollout.completion_ids[:1], "policy"),))
        assert torch.allclose(reading.running_probs_TK[0], read(critic, [cut])[0].running_probs_TK[-1], atol=1e-6)
        assert reading.running_probs_TK.shape == (len(rollout.completion_ids), 4)
        assert reading.pass_prob == float(reading.running_probs_TK[-1, 3])
        assert torch.equal(reading.pass_probs_T, reading.token_probs_TK[:, 3])


def test_a_message_between_is_read_but_has_no_vote() -> None:
    reading = read(a_critic(), [by_two_writers()])[0]
    assert torch.equal(reading.running_probs_TK[1:5], reading.running_probs_TK[1:2].expand(4, -1))
    assert not torch.equal(reading.running_probs_TK[5], reading.running_probs_TK[1])


def test_only_generated_programs_with_an_outcome_are_judged() -> None:
    reference = replace(ROLLOUTS[2], segments=(Segment(ROLLOUTS[2].completion_ids, "reference"),))
    empty = a_rollout((5,), ())
    groups = [a_group([ROLLOUTS[0], reference, ROLLOUTS[1], empty], [W, P, S, W]), a_group([ROLLOUTS[2]], [P])]
    critic = a_critic()
    found = judged(critic, groups)
    assert found.labels_N.tolist() == [2, 3]
    assert found.problem_ids == ("add", "add")
    reading = read(critic, [ROLLOUTS[2]])[0]
    places = {0.25: 1, 0.5: 3, 0.75: 5, 1.0: 7}  # of eight tokens
    for index, fraction in enumerate(FRACTIONS):
        expected_K = reading.running_probs_TK[places[fraction]]
        assert torch.allclose(found.probs_FNK[index, 1], expected_K, atol=1e-6)


def test_nothing_to_judge_is_an_empty_table() -> None:
    assert judged(a_critic(), []).probs_FNK.shape == (len(FRACTIONS), 0, 4)
    assert read(a_critic(), []) == []
