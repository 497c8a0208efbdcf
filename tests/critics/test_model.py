"""OutcomeCritic: what each value has read, who votes, and how a critic is built, saved and loaded."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, GPT2Config, GPT2LMHeadModel

from critics.model import (
    CriticSettings,
    Head,
    OutcomeCritic,
    Pool,
    build_critic,
    load_critic,
    save_critic,
)
from critics.outcomes import OutcomeClasses
from envs.errors import UserError
from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.models import Policy, load_policy, with_adapters
from tests.builders import a_group, a_rollout
from tests.critics.builders import KINDS, a_backbone, a_critic

WANTS = frozenset({"outcome_nll", "outcome_prob", "pass_prob"})
ROLLOUTS = [a_rollout((5, 6), (7, 8, 9)), a_rollout((20, 21, 22, 23), (30,)), a_rollout((5,), (11, 12, 13, 14, 15))]


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("scratch:nano", ["def add(a, b): return a + b"], seed=1)


def a_batch(labels: tuple[int, ...] = (0, 2, 3)) -> Batch:
    batch = collate([a_group(ROLLOUTS, [Outcome.PASSED] * 3)])
    labels_BT = torch.tensor(labels, dtype=torch.float32).unsqueeze(1).expand(batch.ids_BT.shape)
    return batch.with_columns({"outcome_class": labels_BT})


@torch.no_grad()
def outputs_of(critic: OutcomeCritic, batch: Batch) -> dict[str, torch.Tensor]:
    return critic.eval()(batch, 1.0, WANTS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_has_read_its_own_token_and_none_after(kind: str) -> None:
    critic, batch = a_critic(kind), a_batch()
    before_BT = outputs_of(critic, batch)["pass_prob"]
    row = 2
    for column in range(1, 6):
        batch.ids_BT[row, column] += 20
        moved_T = (outputs_of(critic, batch)["pass_prob"] - before_BT).abs()[row] > 1e-6
        batch.ids_BT[row, column] -= 20
        assert moved_T.tolist()[: column + 1] == [False] * column + [True]


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_has_read_the_prompt(kind: str) -> None:
    critic, batch = a_critic(kind), a_batch()
    before_BT = outputs_of(critic, batch)["pass_prob"]
    batch.ids_BT[0, 0] += 20
    after_BT = outputs_of(critic, batch)["pass_prob"]
    assert ((after_BT - before_BT).abs()[0, 2:5] > 1e-6).all()
    assert torch.allclose(after_BT[1:], before_BT[1:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pool", list(Pool))
@pytest.mark.parametrize("head", list(Head))
def test_padding_and_neighbours_change_nothing(kind: str, pool: Pool, head: Head) -> None:
    critic, batch = a_critic(kind, pool=pool, head=head), a_batch()
    together = outputs_of(critic, batch)
    wide = Batch(
        torch.nn.functional.pad(batch.ids_BT, (0, 5), value=17),
        torch.nn.functional.pad(batch.present_BT, (0, 5)),
        torch.nn.functional.pad(batch.learned_BT, (0, 5)),
        batch.prompt_B,
        batch.group_B,
        batch.asked_B,
        {"outcome_class": torch.nn.functional.pad(batch.columns["outcome_class"], (0, 5), value=torch.nan)},
    )
    for name, padded_BT in outputs_of(critic, wide).items():
        assert torch.allclose(padded_BT[:, :-5], together[name], atol=1e-6)
        assert (padded_BT[~wide.learned_BT] == 0).all()
    for row in range(3):
        alone = outputs_of(critic, batch.rows(torch.tensor([row])))
        for name, value_BT in alone.items():
            assert torch.allclose(value_BT[0], together[name][row, : value_BT.shape[1]], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pool", list(Pool))
def test_one_row_by_the_plain_model(kind: str, pool: Pool) -> None:
    """The definition, on one row without padding: states of the completion, the head, the maximum, the softmax."""
    critic, batch = a_critic(kind, pool=pool), a_batch()
    outputs = outputs_of(critic, batch)
    assert isinstance(critic.head, torch.nn.Linear)
    for row, (rollout, label) in enumerate(zip(ROLLOUTS, (0, 2, 3), strict=True)):
        prompt, ids = list(rollout.prompt_ids), list(rollout.completion_ids)
        with torch.no_grad():
            if kind == "causal":
                states_TH = critic.backbone(input_ids=torch.tensor([prompt + ids])).last_hidden_state[0, len(prompt) :]
            else:
                read = critic.backbone(
                    input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([[0, *ids]])
                )  # 0 starts the decoder of T5
                states_TH = read.last_hidden_state[0, 1:]
            logits_TK = states_TH @ critic.head.weight.T + critic.head.bias
            pooled_K = logits_TK.amax(0) if pool is Pool.LOGITS else critic.head(states_TH.amax(0))
        places = slice(len(prompt), len(prompt) + len(ids))
        assert torch.allclose(outputs["pass_prob"][row, places], logits_TK.softmax(-1)[:, 3], atol=1e-6)
        assert torch.allclose(outputs["outcome_prob"][row, places], logits_TK.softmax(-1)[:, label], atol=1e-6)
        nll = -pooled_K.log_softmax(-1)[label]
        assert torch.allclose(outputs["outcome_nll"][row, places], nll.expand(len(ids)), atol=1e-6)


def test_the_label_is_no_input() -> None:
    critic = a_critic()
    one, other = (outputs_of(critic, a_batch(labels)) for labels in ((0, 1, 2), (3, 3, 3)))
    assert torch.equal(one["pass_prob"], other["pass_prob"])
    assert not torch.equal(one["outcome_prob"], other["outcome_prob"])


def test_temperature_changes_nothing() -> None:
    critic = a_critic().eval()
    cold, hot = (critic(a_batch(), temperature, WANTS)["outcome_nll"] for temperature in (0.1, 2.0))
    assert torch.equal(cold, hot)


def test_a_binary_critic_has_two_outcomes() -> None:
    outputs = outputs_of(a_critic(classes=OutcomeClasses.BINARY), a_batch((0, 0, 1)))
    learned_BT = a_batch().learned_BT
    assert torch.allclose(outputs["outcome_prob"][2], outputs["pass_prob"][2])
    assert torch.allclose((outputs["outcome_prob"] + outputs["pass_prob"])[:2][learned_BT[:2]], torch.tensor(1.0))


@pytest.mark.parametrize("head", list(Head))
def test_a_new_critic_finds_all_outcomes_equally_likely(head: Head) -> None:
    critic = OutcomeCritic(a_backbone("causal"), CriticSettings(head=head))
    assert (outputs_of(critic, a_batch())["outcome_prob"][a_batch().learned_BT] == 0.25).all()


def test_a_copy_of_the_policy_is_its_own(policy: Policy) -> None:
    critic = build_critic(policy.model, policy.tokenizer)
    decoder = policy.model.get_decoder()
    with torch.no_grad():
        expected_BTH = decoder(input_ids=a_batch().ids_BT[:1, :5]).last_hidden_state
        found_BTH = critic.states(a_batch().rows(torch.tensor([0])))
    assert torch.equal(found_BTH, expected_BTH)
    before = copy.deepcopy(decoder.state_dict())
    for weight in critic.parameters():
        torch.nn.init.zeros_(weight)
    assert all(torch.equal(before[name], weight) for name, weight in decoder.state_dict().items())


def test_a_copy_of_an_encoder_decoder_has_both_halves() -> None:
    policy = load_policy("scratch:nano-t5", ["def add(a, b): return a + b"], seed=1)
    critic = build_critic(policy.model, policy.tokenizer)
    ids_BT = a_batch().ids_BT[:1, :5]  # two tokens of prompt, three of completion
    with torch.no_grad():
        read = policy.model.get_encoder()(input_ids=ids_BT[:, :2]).last_hidden_state
        start_B1 = torch.full((1, 1), policy.model.config.decoder_start_token_id)
        expected_BTH = policy.model.get_decoder()(
            input_ids=torch.cat([start_B1, ids_BT[:, 2:]], dim=1), encoder_hidden_states=read
        ).last_hidden_state
        found_BTH = critic.states(a_batch().rows(torch.tensor([0])))
    assert torch.allclose(found_BTH[:, 2:], expected_BTH[:, 1:], atol=1e-6)
    assert not any(a is b for a in critic.parameters() for b in policy.model.parameters())


@pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"
)  # peft asks by an old name
def test_adapters_are_merged_into_the_copy(policy: Policy) -> None:
    adapted = with_adapters(Policy(copy.deepcopy(policy.model), policy.tokenizer), rank=2, seed=0)
    for name, weight in adapted.model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    critic = build_critic(adapted.model, policy.tokenizer)
    ids_BT = a_batch().ids_BT[:1, :5]
    with torch.no_grad():
        expected_BTH = adapted.model.get_decoder()(input_ids=ids_BT).last_hidden_state
        assert torch.allclose(critic.states(a_batch().rows(torch.tensor([0]))), expected_BTH, atol=1e-4)
    assert not any("lora" in name for name in critic.state_dict())
    assert any("lora" in name for name in adapted.model.state_dict())


def test_a_critic_has_no_dropout(policy: Policy) -> None:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=64, n_embd=16, n_layer=1, n_head=2, n_positions=32, resid_pdrop=0.5, embd_pdrop=0.5,
            attn_pdrop=0.5, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    critic = build_critic(model, policy.tokenizer)
    assert torch.equal(critic.train().states(a_batch()), critic.eval().states(a_batch()))


def test_a_scratch_critic_depends_on_its_seed_alone(policy: Policy) -> None:
    one, same, other = (
        build_critic("scratch:nano", policy.tokenizer, seed=seed).states(a_batch()) for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_critic_comes_back(kind: str, policy: Policy, tmp_path: Path) -> None:
    critic = a_critic(kind, classes=OutcomeClasses.BINARY, pool=Pool.HIDDEN, head=Head.MLP)
    save_critic(critic, policy.tokenizer, tmp_path)
    loaded = load_critic(tmp_path, policy.tokenizer)
    assert loaded.settings == critic.settings
    for name, expected_BT in outputs_of(critic, a_batch((0, 1, 1))).items():
        assert torch.equal(outputs_of(loaded, a_batch((0, 1, 1)))[name], expected_BT)
    assert type(AutoModel.from_pretrained(tmp_path)) is type(critic.backbone)
    assert AutoTokenizer.from_pretrained(tmp_path).get_vocab() == policy.tokenizer.get_vocab()


def test_a_folder_of_a_policy_becomes_a_critic(policy: Policy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    critic = build_critic(str(tmp_path), policy.tokenizer)
    copied = build_critic(policy.model, policy.tokenizer)
    assert torch.equal(critic.states(a_batch()), copied.states(a_batch()))


def test_another_tokenizer_is_refused(policy: Policy, tmp_path: Path) -> None:
    save_critic(a_critic(), policy.tokenizer, tmp_path)
    other = load_policy("scratch:nano", ["class Zebra: pass"], seed=1)
    message = r"was made with another tokenizer \(\d+ entries\) than the policy \(\d+ entries\)"
    with pytest.raises(UserError, match=message):
        load_critic(tmp_path, other.tokenizer)
    with pytest.raises(UserError, match=message):
        build_critic(str(tmp_path), other.tokenizer)


def test_what_is_no_critic_is_refused(policy: Policy, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"it has no critic\.json"):
        load_critic(tmp_path, policy.tokenizer)
    with pytest.raises(UserError, match="cannot load"):
        build_critic(str(tmp_path / "nowhere"), policy.tokenizer)
    with pytest.raises(UserError, match=r"expected scratch:nano\|tiny\|small; got 'scratch:huge'"):
        build_critic("scratch:huge", policy.tokenizer)
