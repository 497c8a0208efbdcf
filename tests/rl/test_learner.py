"""One optimizer update: splitting, padding and reordering a batch never change its gradient."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
)

from envs.errors import UserError
from envs.rewards import binary
from envs.rollout import Group
from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.credit import by_reward, group_centered
from rl.learner import LOG_PROBS, TokenLogProbs, policy_learner
from rl.losses import Per, Term, cross_entropy, policy_gradient
from rl.models import load_policy
from tests.builders import a_group, a_rollout

P, W, S = Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.SANDBOX_ERROR
GROUPS = [
    a_group([a_rollout((5, 6), (7, 8, 9)), a_rollout((5, 6), (10,)), a_rollout((5, 6), (11, 12))], [P, W, W]),
    a_group([a_rollout((20, 21, 22, 23), (7,)), a_rollout((20, 21, 22, 23), (9, 9, 9, 9, 9, 9, 9))], [W, P]),
]
CREDIT = by_reward(binary, group_centered)
OBJECTIVES = [(cross_entropy(),), (policy_gradient(),), (policy_gradient(per=Per.SEQUENCE), cross_entropy())]


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return load_policy("scratch:nano", ["abc"], seed=1).model


def credited(groups: list[Group]) -> Batch:
    batch = collate(groups)
    return batch.with_advantages(CREDIT(groups, batch))


def gradient(
    model: PreTrainedModel,
    batch: Batch,
    objective: tuple[Term, ...],
    micro_batch_tokens: int = 10**6,
    share_prompts: bool = False,
) -> torch.Tensor:
    """Gradient of the objective over a batch, as one vector."""
    model = copy.deepcopy(model)
    learner = policy_learner(
        model, learning_rate=1e-3, micro_batch_tokens=micro_batch_tokens, share_prompts=share_prompts
    )
    assert learner.share_prompts is share_prompts
    learner.backward(batch, objective, temperature=0.7)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return torch.cat([gradient.flatten() for gradient in gradients])


def assert_same(a: torch.Tensor, b: torch.Tensor) -> None:
    assert a.norm() > 1e-4
    assert (a - b).norm() / a.norm() < 1e-4


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("micro_batch_tokens", [1, 12, 25])
def test_splitting_never_changes_the_gradient(
    model: PreTrainedModel, objective: tuple[Term, ...], micro_batch_tokens: int
) -> None:
    batch = credited(GROUPS)
    assert_same(gradient(model, batch, objective), gradient(model, batch, objective, micro_batch_tokens))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_order_never_changes_the_gradient(model: PreTrainedModel, objective: tuple[Term, ...]) -> None:
    batch = credited(GROUPS)
    shuffled = batch.rows(torch.tensor([3, 0, 4, 2, 1]))
    assert_same(gradient(model, batch, objective), gradient(model, shuffled, objective))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_padding_never_changes_the_gradient(model: PreTrainedModel, objective: tuple[Term, ...]) -> None:
    batch = credited(GROUPS)
    wide = Batch(
        torch.nn.functional.pad(batch.ids_BT, (0, 5), value=17),
        torch.nn.functional.pad(batch.present_BT, (0, 5)),
        torch.nn.functional.pad(batch.learned_BT, (0, 5)),
        batch.prompt_B,
        batch.group_B,
        batch.asked_B,
        {name: torch.nn.functional.pad(column, (0, 5), value=torch.nan) for name, column in batch.columns.items()},
    )
    assert_same(gradient(model, batch, objective), gradient(model, wide, objective))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("micro_batch_tokens", [1, 40, 10**6])
def test_sharing_prompts_never_changes_the_gradient(
    model: PreTrainedModel, objective: tuple[Term, ...], micro_batch_tokens: int
) -> None:
    other_prompt = a_group(
        [a_rollout((5, 6), (7, 8)), a_rollout((40, 41, 42), (9,)), a_rollout((5, 6), (3, 3))], [P, W, P]
    )
    batch = credited([*GROUPS, other_prompt])
    shared = gradient(model, batch, objective, micro_batch_tokens, share_prompts=True)
    assert_same(gradient(model, batch, objective), shared)


def test_equal_rewards_give_no_gradient(model: PreTrainedModel) -> None:
    groups = [a_group(GROUPS[0].rollouts, [W, W, W])]
    assert gradient(model, credited(groups), (policy_gradient(),)).norm() == 0


def test_a_sandbox_error_is_not_learned_from_and_no_part_of_the_mean() -> None:
    with_error = a_group([*GROUPS[0].rollouts, a_rollout((5, 6), (30, 31))], [P, W, W, S])
    batch = credited([with_error])
    assert batch.learned_BT.any(dim=1).tolist() == [True, True, True, False]
    assert torch.equal(batch.columns["advantages"][:3], credited([GROUPS[0]]).columns["advantages"])


def test_a_missing_column_is_named(model: PreTrainedModel) -> None:
    batch = collate(GROUPS)
    lacking = replace(batch, columns={})
    with pytest.raises(ValueError, match="policy_gradient needs column advantages"):
        policy_learner(copy.deepcopy(model), learning_rate=1e-3).step(lacking, (policy_gradient(),))


@pytest.mark.parametrize(
    ("advantage", "said"), [(torch.inf, r"loss/policy_gradient is -?(inf|nan)"), (1e30, r"grad_norm is (inf|nan)")]
)
def test_a_step_that_is_not_finite_is_not_made(model: PreTrainedModel, advantage: float, said: str) -> None:
    model = copy.deepcopy(model)
    learner = policy_learner(model, learning_rate=1e-3)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    batch = collate(GROUPS)
    batch = batch.with_advantages(torch.full((len(batch), 1), advantage))
    with pytest.raises(UserError, match=f"learner: {said} at optimizer step 1; expected a finite number"):
        learner.step(batch, (policy_gradient(),))
    assert learner.n_steps == 0
    assert all(map(torch.equal, before, model.parameters()))
    assert learner.step(credited(GROUPS), (policy_gradient(),))["grad_norm"] > 0


def test_two_terms_of_one_name_are_refused(model: PreTrainedModel) -> None:
    learner = policy_learner(copy.deepcopy(model), learning_rate=1e-3)
    with pytest.raises(ValueError, match="two terms have one name in cross_entropy, cross_entropy"):
        learner.step(collate(GROUPS), (cross_entropy(), cross_entropy(per=Per.SEQUENCE)))


def test_a_rollout_without_a_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="problem add: a rollout needs at least one prompt id"):
        collate([a_group([a_rollout((), (1, 2))], [P])])


@pytest.mark.parametrize("dropout", ["resid_pdrop", "embd_pdrop", "attn_pdrop"])
def test_a_learner_of_a_policy_has_no_dropout(dropout: str) -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=32, **{dropout: 0.5}))
    learner = policy_learner(model, learning_rate=1e-3)
    learner.module.train()
    batch = collate(GROUPS)
    assert torch.equal(learner.module(batch, 1.0, LOG_PROBS)["log_probs"], learner.outputs(batch)["log_probs"])


def test_attention_dropout_in_an_attribute_is_off_too() -> None:
    model = load_policy("scratch:nano").model
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.5
    learner = policy_learner(model, learning_rate=1e-3)
    learner.module.train()
    batch = collate(GROUPS)
    assert torch.equal(learner.module(batch, 1.0, LOG_PROBS)["log_probs"], learner.outputs(batch)["log_probs"])


@pytest.mark.parametrize(("window", "shared"), [(None, True), (10, False)])
def test_prompts_are_not_shared_under_a_sliding_window(window: int | None, shared: bool) -> None:
    config = MistralConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=64, sliding_window=window,
    )  # fmt: skip
    assert policy_learner(MistralForCausalLM(config), learning_rate=1e-3).share_prompts is shared


def test_the_learning_rate_rises_and_falls_to_a_tenth(model: PreTrainedModel) -> None:
    learner = policy_learner(model, learning_rate=1.0, warmup_steps=1, decay_steps=10)
    rates = []
    for _ in range(12):
        rates.append(learner.schedule.get_last_lr()[0])
        learner.optimizer.step()
        learner.schedule.step()
    assert rates == pytest.approx([0.5, 0.91, 0.82, 0.73, 0.64, 0.55, 0.46, 0.37, 0.28, 0.19, 0.1, 0.1])


def test_a_step_fits_one_text(model: PreTrainedModel) -> None:
    learner = policy_learner(copy.deepcopy(model), learning_rate=1e-2)
    batch = collate(GROUPS[:1])
    losses = [learner.step(batch, (cross_entropy(),))["loss/cross_entropy"] for _ in range(60)]
    assert losses[-1] < losses[0] / 3
    assert learner.n_steps == 60


def small_gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=32, resid_pdrop=0.5))


def small_gemma2() -> PreTrainedModel:
    """A model whose logits are capped after the output head."""
    config = Gemma2Config(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=32, final_logit_softcapping=0.01,
    )  # fmt: skip
    return Gemma2ForCausalLM(config)


@pytest.mark.parametrize(("make", "plain"), [(small_gpt2, True), (small_gemma2, False)])
def test_log_probs_equal_those_of_the_whole_model(make: object, plain: bool) -> None:
    torch.manual_seed(0)
    model = make()  # type: ignore[operator]
    model.eval()
    module = TokenLogProbs(model)
    assert module.head_is_plain is plain
    batch = collate(GROUPS)
    with torch.no_grad():
        log_probs_BT = module(batch, 0.6, LOG_PROBS)["log_probs"]
        logits_BTV = model(input_ids=batch.ids_BT, attention_mask=batch.present_BT.long()).logits
    for row, column in batch.learned_BT.nonzero().tolist():
        reference = torch.log_softmax(logits_BTV[row, column - 1] / 0.6, -1)[batch.ids_BT[row, column]]
        assert log_probs_BT[row, column] == pytest.approx(float(reference), abs=1e-5)
    assert (log_probs_BT[~batch.learned_BT] == 0).all()


def test_groups_are_types_not_positions() -> None:
    batch = credited(GROUPS)
    assert batch.group_B.tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="3 rollouts but 2 verdicts"):
        Group(GROUPS[0].problem, GROUPS[0].rollouts, GROUPS[0].verdicts[:2])
