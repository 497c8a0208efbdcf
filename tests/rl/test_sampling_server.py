"""Sampling by a server of vLLM's protocol: what the policy would sample, by the weights that it has now, or one line."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from envs.errors import UserError
from envs.problem_sets import load_problems
from envs.prompts import plain
from envs.rollout import StopReason
from rl.batch import collate
from rl.credit import imitate
from rl.decode import StopStrings, sample
from rl.learner import policy_learner
from rl.losses import cross_entropy
from rl.models import Policy, load_policy
from rl.sampling_server import SamplingServer, nccl_channel
from rl.write import by_policy
from tests.rl.small_vllm import SmallVllm
from tests.rl.test_learner import GROUPS

PROBLEMS = load_problems("basics", "train").problems[:3]


@pytest.fixture
def policy() -> Policy:
    torch.manual_seed(0)
    return load_policy("scratch:nano", ["def f(x):\n    return x + 1\n" * 9], seed=3)


@contextmanager
def serving(policy: Policy, **settings: Any) -> Iterator[tuple[SmallVllm, SamplingServer]]:
    with SmallVllm(policy, **settings) as small:
        threading.Thread(target=small.serve_forever, daemon=True).start()
        yield small, SamplingServer(small.url + "/", small.open_channel)
        small.shutdown()


def write_settings(policy: Policy) -> dict[str, Any]:
    stop = StopStrings(["\n"], policy.tokenizer, policy.model.config.vocab_size)
    return {
        "ask": plain,
        "n": 4,
        "temperature": 0.8,
        "max_new_tokens": 16,
        "seed": 1,
        "stop": stop,
        "with_greedy": True,
    }


def test_programs_of_the_server_are_such_as_the_policy_writes(policy: Policy) -> None:
    with serving(policy) as (_, server):
        write = by_policy(policy, sampler=server.sample, **write_settings(policy))
        groups = list(server.synced(write, policy.model)(PROBLEMS, 0))
    here = list(by_policy(policy, **write_settings(policy))(PROBLEMS, 0))
    assert [len(group.rollouts) for group in groups] == [5, 5, 5]
    for theirs, ours in zip(groups, here, strict=True):
        assert theirs.rollouts[4].completion_ids == ours.rollouts[4].completion_ids  # the greedy one
        first = theirs.rollouts[0]  # whose seed is the group's, as far as a server takes seeds
        seeds, stop = [[first.seed % 2**31]], write_settings(policy)["stop"]
        settings = {"temperature": 0.8, "max_new_tokens": 16, "end_id": policy.end_id, "stop": stop}
        ((expected,),) = sample(policy.model, [first.prompt_ids], seeds, **settings)
        assert first.completion_ids == expected.ids
        assert first.segments[0].log_probs == pytest.approx(expected.log_probs, abs=1e-5)
    stops = {rollout.stop for group in groups for rollout in group.rollouts}
    assert stops <= {StopReason.LENGTH, StopReason.STOP_STRING, StopReason.END_OF_TEXT}
    assert len(stops) > 1


def test_behaviour_log_probs_are_those_of_the_learner(policy: Policy) -> None:
    with serving(policy) as (_, server):
        write = by_policy(policy, sampler=server.sample, **write_settings(policy))
        groups = list(server.synced(write, policy.model)(PROBLEMS, 0))
    sampled = [type(group)(group.problem, group.rollouts[:4], group.verdicts[:4]) for group in groups]
    batch = collate(sampled)
    found_BT = policy_learner(policy.model, learning_rate=0.0).outputs(batch, temperature=0.8)["log_probs"]
    apart = (found_BT - batch.columns["behavior_log_probs"])[batch.learned_BT]
    assert apart.abs().max() < 1e-4


def test_weights_are_sent_when_they_have_changed_and_only_then(policy: Policy) -> None:
    sending = [
        "/start_weight_update",
        "/update_weights",
        "/finish_weight_update",
        "/reset_prefix_cache",
        "/v1/completions",
    ]
    with serving(policy) as (small, server):
        server.sync(policy.model)
        server.sync(policy.model)
        assert small.calls == ["/init_weight_transfer_engine", *sending]
        batch = collate(GROUPS)
        batch = batch.with_advantages(imitate(GROUPS, batch))
        policy_learner(policy.model, learning_rate=1e-2).step(batch, (cross_entropy(),))
        server.sync(policy.model)
        assert small.calls == ["/init_weight_transfer_engine", *sending, *sending]
    for mine, theirs in zip(policy.model.parameters(), small.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_server_that_says_other_things_is_found_out(policy: Policy) -> None:
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.mul_(3.0)  # so that it says something at all
    with serving(policy, temper=2.0) as (_, server), pytest.raises(UserError, match=r"log-probs are .* apart from the"):
        server.sync(policy.model)


def test_each_mistake_is_one_line(policy: Policy) -> None:
    with pytest.raises(UserError, match=r"no vLLM server answers at http://127.0.0.1:9"):
        SamplingServer("http://127.0.0.1:9")
    with (
        pytest.raises(UserError, match="takes no weights; start it with VLLM_SERVER_DEV_MODE=1"),
        serving(policy, takes_weights=False),
    ):
        pass
    with serving(policy) as (_, server), pytest.raises(UserError, match=r"/v1/completions answers 400: .* after new"):
        server.sample(policy.model, [[1, 2]], [[0]], temperature=1.0, max_new_tokens=2, end_id=0)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="through NCCL, which needs a GPU here"):
            nccl_channel({})
