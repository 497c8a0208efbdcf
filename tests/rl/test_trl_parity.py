"""The losses, gradients and advantages of TRL's own trainers on the same model and the same tensors.

Names differ: TRL's loss_type grpo is our Per.SEQUENCE, bnpo and dapo are Per.TOKEN (dapo counts the tokens of all ranks
and micro-batches, as we do; bnpo those of one pass), dr_grpo is Per.CONSTANT with TRL's max_completion_length; its KL
is our k3 with the same unit as the surrogate.

Definitions differ in five places, each of which a test below shows:
- TRL multiplies its k3 by the ratio unless use_bias_correction_kl is off. At ratio 1 that has the gradient of our k2.
- delta of TRL bounds the ratio, `dual` of ours the loss of a negative advantage: the same for delta >= 1 + epsilon_high.
- TRL's GRPO divides by (standard deviation + 1e-4), we by the standard deviation, and not below a spread of 1e-4.
- RLOO of TRL has the ratio of whole texts (a sum of logs), which is clipped; we have no such term. Where the ratio is 1,
  as in the first step, its gradient is that of our policy gradient over the number of rows (Per.CONSTANT, length 1).
- TRL gives a rollout without a reward advantage 0 and keeps it in the denominator; we mask it.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.credit import group_centered, group_normalised, leave_one_out
from rl.learner import policy_learner
from rl.losses import Estimator, Per, Ratio, Term, clipped, entropy_bonus, kl_to_reference, policy_gradient
from rl.models import Policy, load_policy
from tests.builders import a_group, a_rollout

trl = pytest.importorskip("trl", reason="trl is not installed: nothing to be compared with")
datasets = pytest.importorskip("datasets")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TEMPERATURE = 0.8
MAX_LENGTH = 8
PROMPTS = [(5, 6), (20, 21, 22, 23)]
COMPLETIONS = [[(7, 8, 9), (10,), (11, 12)], [(7,), (9, 9, 4, 9, 9, 9), (30, 31, 32)]]
REWARDS = [1.0, 0.25, None, 0.0, 1.0, 0.0]
"""What TRL's reward function says about two groups of three; None is TRL's word for a program nobody could judge."""


@pytest.fixture(scope="module")
def policy() -> Policy:
    policy = load_policy("scratch:nano", ["def f(x):\n    return x\n"], seed=1)
    torch.manual_seed(0)
    for parameter in policy.model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return policy


@pytest.fixture(scope="module")
def batch(policy: Policy) -> Batch:
    """Six rows with advantages, and proximal and reference log-probs around the policy's own."""
    groups = [
        a_group([a_rollout(prompt, ids) for ids in group], [Outcome.PASSED] * 3)
        for prompt, group in zip(PROMPTS, COMPLETIONS, strict=True)
    ]
    batch = collate(groups)
    log_probs_BT = policy_learner(policy.model, learning_rate=1e-3).outputs(batch, TEMPERATURE)["log_probs"]
    generator = torch.Generator().manual_seed(3)
    noise = [0.5 * torch.randn(log_probs_BT.shape, generator=generator) for _ in range(2)]
    advantages_B1 = torch.tensor([[1.2], [-0.7], [-0.5], [0.4], [-1.5], [1.1]])
    return batch.with_advantages(advantages_B1).with_columns(
        {"proximal_log_probs": log_probs_BT + noise[0], "reference_log_probs": log_probs_BT + noise[1]}
    )


def reward_of_order(completions: list[str], **_: object) -> list[float | None]:
    return REWARDS[: len(completions)]


def trainer_of(policy: Policy, folder: Path, kind: str = "GRPO", **settings: object) -> Any:
    """A real trainer of TRL around a copy of the policy, six rows to a pass."""
    torch.manual_seed(0)
    config = getattr(trl, f"{kind}Config")(
        output_dir=str(folder), use_cpu=True, bf16=False, fp16=False, report_to="none", temperature=TEMPERATURE,
        per_device_train_batch_size=6, num_generations=3, max_completion_length=MAX_LENGTH, gradient_checkpointing=False,
        disable_tqdm=True, save_strategy="no", **settings,
    )  # fmt: skip
    trainer = getattr(trl, f"{kind}Trainer")(
        model=copy.deepcopy(policy.model),
        reward_funcs=reward_of_order,
        args=config,
        train_dataset=datasets.Dataset.from_list([{"prompt": "def f"}] * 6),
        processing_class=policy.tokenizer,
    )
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def their_inputs(batch: Batch) -> dict[str, torch.Tensor]:
    """The batch as TRL lays it out: prompts padded on the left, completions on the right."""
    n, width = len(batch), max(len(p) for p in PROMPTS)
    inputs = {name: torch.zeros(n, width, dtype=torch.long) for name in ("prompt_ids", "prompt_mask")}
    inputs |= {name: torch.zeros(n, MAX_LENGTH, dtype=torch.long) for name in ("completion_ids", "completion_mask")}
    columns = {"old_per_token_logps": "proximal_log_probs", "ref_per_token_logps": "reference_log_probs"}
    floats = {name: torch.zeros(n, MAX_LENGTH) for name in columns}
    for row in range(n):
        start, end = int(batch.prompt_B[row]), int(batch.present_BT[row].sum())
        inputs["prompt_ids"][row, width - start :] = batch.ids_BT[row, :start]
        inputs["prompt_mask"][row, width - start :] = 1
        inputs["completion_ids"][row, : end - start] = batch.ids_BT[row, start:end]
        inputs["completion_mask"][row, : end - start] = 1
        for theirs, ours in columns.items():
            floats[theirs][row, : end - start] = batch.columns[ours][row, start:end]
    advantages_B = torch.stack([batch.columns["advantages"][row, batch.learned_BT[row]][0] for row in range(n)])
    return inputs | floats | {"advantages": advantages_B, "num_items_in_batch": batch.learned_BT.sum()}


def gradient_of(model: Any) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def theirs(trainer: Any, batch: Batch) -> tuple[float, torch.Tensor]:
    loss = trainer._compute_loss(trainer.model, their_inputs(batch))
    trainer.model.zero_grad()
    loss.backward()
    return float(loss.detach()), gradient_of(trainer.model)


def ours(policy: Policy, batch: Batch, objective: tuple[Term, ...], **settings: Any) -> tuple[float, torch.Tensor]:
    model = copy.deepcopy(policy.model)
    learner = policy_learner(model, learning_rate=1e-3, **settings)
    losses = learner.backward(batch, objective, TEMPERATURE)
    return sum(losses.values()), gradient_of(model)


def assert_parity(a: tuple[float, torch.Tensor], b: tuple[float, torch.Tensor]) -> None:
    assert a[0] == pytest.approx(b[0], rel=1e-4, abs=1e-6)
    assert a[1].norm() > 1e-2
    assert (a[1] - b[1]).norm() < 2e-4 * a[1].norm()


UNITS = {"grpo": Per.SEQUENCE, "bnpo": Per.TOKEN, "dapo": Per.TOKEN, "dr_grpo": Per.CONSTANT}


@pytest.mark.parametrize("loss_type", UNITS)
def test_clipped_surrogate(policy: Policy, batch: Batch, tmp_path: Path, loss_type: str) -> None:
    term = clipped(per=UNITS[loss_type], length=MAX_LENGTH)
    trainer = trainer_of(policy, tmp_path, loss_type=loss_type, epsilon=0.2)
    assert_parity(theirs(trainer, batch), ours(policy, batch, (term,)))
    assert_parity(theirs(trainer, batch), ours(policy, batch, (term,), micro_batch_tokens=9))


@pytest.mark.parametrize("loss_type", UNITS)
def test_kl_term(policy: Policy, batch: Batch, tmp_path: Path, loss_type: str) -> None:
    unit = UNITS[loss_type]
    kl = replace(kl_to_reference(0.3, Estimator.K3, per=unit), length=MAX_LENGTH)
    trainer = trainer_of(policy, tmp_path, loss_type=loss_type, use_bias_correction_kl=False)
    trainer.beta = 0.3  # after construction: TRL would load its reference model by name
    assert_parity(theirs(trainer, batch), ours(policy, batch, (clipped(per=unit, length=MAX_LENGTH), kl)))


def test_at_ratio_one_their_corrected_k3_has_the_gradient_of_our_k2(
    policy: Policy, batch: Batch, tmp_path: Path
) -> None:
    trainer = trainer_of(policy, tmp_path, loss_type="dapo")
    trainer.beta = 0.3
    inputs = their_inputs(batch)
    del inputs["old_per_token_logps"]
    trainer._compute_loss(trainer.model, inputs).backward()
    expected = gradient_of(trainer.model)
    k2, k3 = (
        ours(policy, batch, (policy_gradient(), kl_to_reference(0.3, e)))[1] for e in (Estimator.K2, Estimator.K3)
    )
    assert (k2 - expected).norm() < 2e-4 * expected.norm()
    assert (k3 - expected).norm() > 1e-2 * expected.norm()


@pytest.mark.parametrize(
    ("settings", "term"),
    [
        ({"epsilon": 0.2, "epsilon_high": 0.28, "loss_type": "dapo"}, clipped(0.2, 0.28)),
        ({"delta": 1.4, "loss_type": "dapo"}, clipped(dual=1.4)),
        (
            {"importance_sampling_level": "sequence", "loss_type": "grpo", "epsilon": 0.1, "epsilon_high": 0.15},
            clipped(0.1, 0.15, ratio=Ratio.SEQUENCE, per=Per.SEQUENCE),
        ),
        (
            {"importance_sampling_level": "sequence", "loss_type": "dapo", "epsilon": 0.1},
            clipped(0.1, 0.1, ratio=Ratio.SEQUENCE, per=Per.TOKEN),
        ),
    ],
    ids=["clip_higher", "delta", "gspo", "sequence_ratio_per_token"],
)
def test_variants_of_the_ratio(
    policy: Policy, batch: Batch, tmp_path: Path, settings: dict[str, object], term: Term
) -> None:
    assert_parity(theirs(trainer_of(policy, tmp_path, **settings), batch), ours(policy, batch, (term,)))


def test_delta_below_the_clip_is_not_the_dual_clip(policy: Policy, batch: Batch, tmp_path: Path) -> None:
    """TRL: min(ratio, delta) also holds a good row back. Ours bounds only what a bad row may cost."""
    their_loss, _ = theirs(trainer_of(policy, tmp_path, delta=1.05, loss_type="dapo"), batch)
    our_loss, _ = ours(policy, batch, (clipped(dual=1.05),))
    assert abs(their_loss - our_loss) > 1e-3


def test_entropy_bonus(policy: Policy, batch: Batch, tmp_path: Path) -> None:
    trainer = trainer_of(policy, tmp_path, loss_type="dapo", entropy_coef=0.1)
    assert_parity(theirs(trainer, batch), ours(policy, batch, (clipped(), entropy_bonus(0.1))))


def test_without_proximal_log_probs_the_gradient_is_the_policy_gradient(
    policy: Policy, batch: Batch, tmp_path: Path
) -> None:
    trainer = trainer_of(policy, tmp_path, loss_type="dapo")
    inputs = their_inputs(batch)
    del inputs["old_per_token_logps"]
    trainer._compute_loss(trainer.model, inputs).backward()
    expected = gradient_of(trainer.model)
    found = ours(policy, batch, (policy_gradient(),))[1]
    assert (found - expected).norm() < 2e-4 * expected.norm()


def test_rloo_at_ratio_one_is_the_policy_gradient_over_rows(policy: Policy, batch: Batch, tmp_path: Path) -> None:
    trainer = trainer_of(policy, tmp_path, "RLOO", beta=0.0)
    now_BT = policy_learner(copy.deepcopy(policy.model), learning_rate=1e-3).outputs(batch, TEMPERATURE)["log_probs"]
    inputs = their_inputs(batch) | {"old_logps": now_BT.sum(dim=1)}
    trainer._compute_loss(trainer.model, inputs).backward()
    expected = gradient_of(trainer.model)
    found = ours(policy, batch, (policy_gradient(per=Per.CONSTANT, length=1),))[1]
    assert (found - expected).norm() < 2e-4 * expected.norm()


def their_advantages(trainer: Any) -> torch.Tensor:
    """Advantages of two groups whose completions TRL samples itself and whose rewards are REWARDS."""
    advantages: torch.Tensor = trainer._generate_and_score_completions([{"prompt": "def f"}] * 6)["advantages"]
    return advantages


def our_rewards() -> list[torch.Tensor]:
    known = torch.tensor([torch.nan if reward is None else reward for reward in REWARDS])
    return [known[:3], known[3:]]


def test_rloo_advantages(policy: Policy, tmp_path: Path) -> None:
    trainer = trainer_of(policy, tmp_path, "RLOO", beta=0.0)
    found = torch.cat([leave_one_out(rewards_G) for rewards_G in our_rewards()])
    assert found.isnan().tolist() == [reward is None for reward in REWARDS]
    assert torch.allclose(found.nan_to_num(), their_advantages(trainer), atol=1e-6)


@pytest.mark.parametrize(("scale", "advantage"), [("none", group_centered), ("group", group_normalised)])
def test_grpo_advantages(policy: Policy, tmp_path: Path, scale: str, advantage: Any) -> None:
    trainer = trainer_of(policy, tmp_path, scale_rewards=scale)
    found = torch.cat([advantage(rewards_G) for rewards_G in our_rewards()])
    # Their 1e-4 beside a standard deviation of about a half.
    assert torch.allclose(found.nan_to_num(), their_advantages(trainer), rtol=3e-4, atol=1e-6)


def test_rounding_of_rewards_moves_their_advantages_not_ours(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    almost = [0.3, 0.3, 0.3 + 2e-5, 0.3, 0.3, 0.3]
    monkeypatch.setattr("tests.rl.test_trl_parity.REWARDS", almost)
    assert their_advantages(trainer_of(policy, tmp_path, scale_rewards="group")).abs().max() > 0.05
    assert (torch.cat([group_normalised(rewards_G) for rewards_G in our_rewards()]) == 0).all()
