"""Encoder-decoder policies: sampled, learned from, saved and valued by the same numbers as plain transformers'."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
    GenerationConfig,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from envs.errors import UserError
from envs.rollout import Group, Prompt, Rollout, Segment, StopReason
from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.decode import Completion, StopStrings, sample
from rl.learner import LOG_PROBS, Learner, TokenLogProbs, policy_learner
from rl.losses import Per, Term, cross_entropy, policy_gradient, value_error
from rl.models import Policy, load_policy, with_adapters
from rl.value import TokenValues
from tests.builders import a_group, a_rollout

PROMPTS = [[9, 8, 7], [20, 21, 22, 23, 24, 25], [40]]
SEEDS = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]
END = 5
T5 = {
    "vocab_size": 64, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4,
    "dropout_rate": 0.3, "decoder_start_token_id": 0, "eos_token_id": END, "pad_token_id": 0,
}  # fmt: skip
MODELS = {
    "t5, relative positions, scaled logits": (T5ForConditionalGeneration, T5Config(**T5)),
    "t5 1.1, gated": (
        T5ForConditionalGeneration,
        T5Config(**T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
    ),
    "bart, absolute positions": (
        BartForConditionalGeneration,
        BartConfig(
            vocab_size=64, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2,
            decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48, max_position_embeddings=40,
            bos_token_id=1, decoder_start_token_id=2, eos_token_id=END, pad_token_id=0, forced_eos_token_id=None,
            dropout=0.3, encoder_layerdrop=0.5, decoder_layerdrop=0.5,
        ),
    ),
}  # fmt: skip


def a_model(name: str) -> PreTrainedModel:
    """A model with random weights, far from uniform."""
    kind, config = MODELS[name]
    torch.manual_seed(1)
    model = kind(copy.deepcopy(config)).eval()
    for parameter in model.parameters():
        parameter.data += 0.15 * torch.randn_like(parameter)
    return model


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return a_model(request.param)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy("scratch:nano-t5", ["def f(x):\n    return x\n"] * 20, seed=3)


def sampled(model: PreTrainedModel, temperature: float = 1.0) -> list[list[Completion]]:
    return sample(model, PROMPTS, SEEDS, temperature=temperature, max_new_tokens=24, end_id=END)


def teacher_forced(model: PreTrainedModel, prompt: list[int], ids: tuple[int, ...], temperature: float) -> torch.Tensor:
    """Log-probs of ids after a prompt: one row, without padding, mask or cache."""
    start = model.config.decoder_start_token_id
    with torch.no_grad():
        logits_TV = model(
            input_ids=torch.tensor([prompt]), decoder_input_ids=torch.tensor([[start, *ids[:-1]]]), use_cache=False
        ).logits[0]
    return (logits_TV / temperature).log_softmax(-1)[torch.arange(len(ids)), torch.tensor(ids)]


# Sampling.


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_samples_have_the_log_probs_of_a_teacher_forced_pass(model: PreTrainedModel, temperature: float) -> None:
    lengths = set()
    for prompt, group in zip(PROMPTS, sampled(model, temperature), strict=True):
        for completion in group:
            expected_T = teacher_forced(model, prompt, completion.ids, temperature)
            assert completion.log_probs == pytest.approx(expected_T.tolist(), abs=2e-5)
            lengths.add(len(completion.ids))
    assert temperature < 1 or len(lengths) > 1  # rows that ended early made room for others


def test_temperature_zero_writes_what_generate_writes(model: PreTrainedModel) -> None:
    start = model.config.decoder_start_token_id
    settings = GenerationConfig(
        do_sample=False, max_new_tokens=24, eos_token_id=END, pad_token_id=0, decoder_start_token_id=start,
        use_cache=False,
    )  # fmt: skip
    for prompt, group in zip(PROMPTS, sampled(model, 0), strict=True):
        ids = model.generate(torch.tensor([prompt]), generation_config=settings)[0].tolist()
        assert [completion.ids for completion in group] == [tuple(ids[1:])] * 4


def test_a_row_does_not_depend_on_its_batch(model: PreTrainedModel) -> None:
    together = sampled(model)
    assert len({completion.ids for group in together for completion in group}) > 6
    for prompt, seeds, group in zip(PROMPTS, SEEDS, together, strict=True):
        for seed, completion in zip(seeds, group, strict=True):
            alone = sample(model, [prompt], [[seed]], temperature=1.0, max_new_tokens=24, end_id=END)[0][0]
            assert alone.ids == completion.ids
            assert alone.stop is completion.stop


def test_the_encoder_reads_each_prompt_once() -> None:
    model = a_model("t5, relative positions, scaled logits")
    seen: list[tuple[int, ...]] = []
    model.get_encoder().register_forward_hook(
        lambda module, given, read: seen.append(tuple(read.last_hidden_state.shape[:2]))
    )
    sampled(model)
    assert seen == [(3, 6)]


def test_the_cache_grows_past_its_first_buffers() -> None:
    model = a_model("t5, relative positions, scaled logits")
    for prompt, group in zip(
        PROMPTS, sample(model, PROMPTS, SEEDS, temperature=1.0, max_new_tokens=600, end_id=-1), strict=True
    ):
        expected_T = teacher_forced(model, prompt, group[0].ids, 1.0)
        assert group[0].log_probs == pytest.approx(expected_T.tolist(), abs=5e-5)


def test_a_stop_string_ends_a_row(policy: Policy) -> None:
    stop = StopStrings((policy.decode([40]),), policy.tokenizer, policy.model.config.vocab_size)
    seeds = [list(range(n, n + 100)) for n in (0, 100, 200)]
    groups = sample(policy.model, PROMPTS, seeds, temperature=1.0, max_new_tokens=24, end_id=policy.end_id, stop=stop)
    ends = [completion for group in groups for completion in group if completion.stop is StopReason.STOP_STRING]
    assert ends
    assert all(policy.decode([40]) in policy.decode(completion.ids[-1:]) for completion in ends)


@pytest.mark.parametrize("cuts", [(0, 3, 7), (5, 0, 1), (2, 2, 2)])
def test_a_completion_is_continued_as_if_it_had_never_been_cut(model: PreTrainedModel, cuts: tuple[int, ...]) -> None:
    whole = [group[0] for group in sampled(model, 0)]
    written = [completion.ids[:cut] for completion, cut in zip(whole, cuts, strict=True)]

    def rest() -> list[list[Completion]]:
        return sample(
            model, PROMPTS, [[0]] * 3, temperature=0, max_new_tokens=24, end_id=END, written_P=written
        )  # fmt: skip

    if len(set(cuts)) > 1 and isinstance(model, BartForConditionalGeneration):
        with pytest.raises(UserError, match="by relative positions only; bart is an encoder-decoder with absolute"):
            rest()
        return
    for completion, cut, (added,) in zip(whole, cuts, rest(), strict=True):
        assert added.ids == completion.ids[cut:]
        assert added.log_probs == pytest.approx(completion.log_probs[cut:], abs=1e-5)


def test_prompt_and_completion_have_positions_apart() -> None:
    model = a_model("bart, absolute positions")
    long = [list(range(6, 46))]
    assert len(sample(model, long, [[1]], temperature=1.0, max_new_tokens=40, end_id=-1)[0][0].ids) == 40
    with pytest.raises(UserError, match="40 tokens and 41 new ones exceed the model's 40 positions"):
        sample(model, long, [[1]], temperature=1.0, max_new_tokens=41, end_id=-1)


# Learning.

P, W = Outcome.PASSED, Outcome.WRONG_ANSWER
GROUPS = [
    a_group([a_rollout((5, 6), (7, 8, 9)), a_rollout((5, 6), (10,)), a_rollout((5, 6), (11, 12))], [P, W, W]),
    a_group([a_rollout((20, 21, 22, 23), (7,)), a_rollout((20, 21, 22, 23), (9, 9, 9, 9, 9, 9, 9))], [W, P]),
]
OBJECTIVES = [(cross_entropy(),), (policy_gradient(per=Per.SEQUENCE), cross_entropy())]


def a_batch(groups: list[Group] = GROUPS) -> Batch:
    batch = collate(groups)
    return batch.with_advantages(torch.linspace(-1, 2, len(batch)).unsqueeze(1))


def gradient(
    model: PreTrainedModel, batch: Batch, objective: tuple[Term, ...], micro_batch_tokens: int = 10**6
) -> torch.Tensor:
    """Gradient of the objective over a batch, as one vector."""
    model = copy.deepcopy(model)
    learner = policy_learner(model, learning_rate=1e-3, micro_batch_tokens=micro_batch_tokens)
    assert not learner.share_prompts
    learner.backward(batch, objective, temperature=0.7)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    return torch.cat([gradient.flatten() for gradient in gradients])


def assert_same(a: torch.Tensor, b: torch.Tensor) -> None:
    assert a.norm() > 1e-4
    assert (a - b).norm() / a.norm() < 1e-4


def test_log_probs_are_those_of_a_teacher_forced_pass(model: PreTrainedModel) -> None:
    batch = a_batch()
    outputs = policy_learner(model, learning_rate=1e-3).outputs(batch, 0.6, LOG_PROBS | {"entropy"})
    rollouts = [rollout for group in GROUPS for rollout in group.rollouts]
    for row, rollout in enumerate(rollouts):
        expected_T = teacher_forced(model, list(rollout.prompt_ids), rollout.completion_ids, 0.6)
        assert torch.allclose(outputs["log_probs"][row][batch.learned_BT[row]], expected_T, atol=1e-5)
    assert (outputs["log_probs"][~batch.learned_BT] == 0).all()
    assert (outputs["entropy"][batch.learned_BT] > 0).all()


def test_several_segments_are_read_and_the_policys_own_are_learned(model: PreTrainedModel) -> None:
    turns = (Segment((7, 8), "policy"), Segment((30, 31, 32), "environment", learn=False), Segment((9,), "policy"))
    rollout = Rollout(Prompt("add", ""), (6, 7), turns, "", "", StopReason.END_OF_TEXT)
    batch = collate([a_group([rollout, a_rollout((6, 7), (8,))], [P, W])])
    log_probs_BT = policy_learner(model, learning_rate=1e-3).outputs(batch)["log_probs"]
    expected_T = teacher_forced(model, [6, 7], rollout.completion_ids, 1.0)
    assert torch.allclose(log_probs_BT[0, [2, 3, 7]], expected_T[[0, 1, 5]], atol=1e-5)
    assert (log_probs_BT[0, 4:7] == 0).all()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_the_first_step_has_ratio_one(model: PreTrainedModel, temperature: float) -> None:
    groups = [
        a_group([a_rollout(prompt, c.ids, c.log_probs) for c in group], [P] * len(group))
        for prompt, group in zip(PROMPTS, sampled(model, temperature), strict=True)
    ]
    batch = collate(groups)
    learner = policy_learner(model, learning_rate=1e-3, micro_batch_tokens=40)
    learner.module.train()
    log_probs_BT = learner.module(batch, temperature, LOG_PROBS)["log_probs"].detach()
    ratios = (log_probs_BT - batch.columns["behavior_log_probs"]).exp()
    assert (ratios - 1).abs().max() < 1e-4
    assert torch.allclose(log_probs_BT, learner.outputs(batch, temperature)["log_probs"], atol=1e-5)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("micro_batch_tokens", [1, 12, 25])
def test_splitting_never_changes_the_gradient(
    model: PreTrainedModel, objective: tuple[Term, ...], micro_batch_tokens: int
) -> None:
    """Rows alone in a pass have their prompt encoded alone, so this also says that sharing it changes nothing."""
    assert_same(gradient(model, a_batch(), objective), gradient(model, a_batch(), objective, micro_batch_tokens))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_order_and_padding_never_change_the_gradient(model: PreTrainedModel, objective: tuple[Term, ...]) -> None:
    batch = a_batch()
    wide = Batch(
        torch.nn.functional.pad(batch.ids_BT, (0, 5), value=17),
        torch.nn.functional.pad(batch.present_BT, (0, 5)),
        torch.nn.functional.pad(batch.learned_BT, (0, 5)),
        batch.prompt_B,
        batch.group_B,
        batch.asked_B,
        {name: torch.nn.functional.pad(column, (0, 5), value=torch.nan) for name, column in batch.columns.items()},
    )
    expected = gradient(model, batch, objective)
    assert_same(expected, gradient(model, batch.rows(torch.tensor([3, 0, 4, 2, 1])), objective))
    assert_same(expected, gradient(model, wide, objective))
    module = TokenLogProbs(model.eval())
    narrow_BT, wide_BT = (module(given, 1.0, LOG_PROBS)["log_probs"] for given in (batch, wide))
    assert torch.allclose(wide_BT[:, :-5], narrow_BT, atol=1e-6)


def test_the_prompts_of_a_pass_are_read_once(model: PreTrainedModel) -> None:
    learner = policy_learner(model, learning_rate=1e-3)
    seen: list[tuple[int, ...]] = []
    model.get_encoder().register_forward_hook(
        lambda module, given, read: seen.append(tuple(read.last_hidden_state.shape[:2]))
    )
    learner.backward(a_batch(), (policy_gradient(),), temperature=1.0)
    assert seen == [(2, 4)]


def test_a_value_head_reads_prompt_and_completion(model: PreTrainedModel) -> None:
    module = TokenValues(model)
    assert not any(a is b for a in module.parameters() for b in model.parameters())
    embeddings = [part.get_input_embeddings().weight for part in (module.encoder, module.decoder)]
    assert embeddings[0] is embeddings[1]
    torch.nn.init.normal_(module.head.weight)
    learner = Learner(module, learning_rate=1e-3)
    wants = frozenset({"values"})
    batch = a_batch().rows(torch.tensor([0]))
    before_BT = learner.outputs(batch, wants=wants)["values"]
    assert (before_BT[~batch.learned_BT] == 0).all()
    for column, moved in ((0, [2, 3, 4]), (3, [4])):  # a token of the prompt; the second of the completion
        batch.ids_BT[0, column] += 20
        after_BT = learner.outputs(batch, wants=wants)["values"]
        batch.ids_BT[0, column] -= 20
        assert ((after_BT - before_BT)[0].abs() > 1e-6).nonzero().squeeze(1).tolist() == moved


def test_a_value_head_fits_returns(policy: Policy) -> None:
    learner = Learner(TokenValues(policy.model), learning_rate=3e-2)
    batch = collate(GROUPS)
    batch = batch.with_columns({"returns": torch.linspace(0, 1, len(batch)).unsqueeze(1).expand(batch.ids_BT.shape)})
    losses = [learner.step(batch, (value_error(),))["loss/value_error"] for _ in range(60)]
    assert losses[-1] < losses[0] / 3


# Loading and saving.


def test_a_saved_policy_comes_back_and_is_a_plain_model(policy: Policy, tmp_path: Path) -> None:
    policy.save(tmp_path)
    loaded = load_policy(str(tmp_path))
    weights, others = policy.model.state_dict(), loaded.model.state_dict()
    assert all(torch.equal(others[name], weight) for name, weight in weights.items())
    assert type(AutoModelForSeq2SeqLM.from_pretrained(tmp_path)) is type(policy.model) is T5ForConditionalGeneration
    assert policy.encode("def f") == loaded.encode("def f")
    ours, theirs = (
        sample(p.model, PROMPTS, SEEDS, temperature=1.0, max_new_tokens=8, end_id=p.end_id) for p in (policy, loaded)
    )
    assert ours == theirs


@pytest.mark.parametrize(("size", "parameters"), [("nano-t5", 60_000), ("tiny-t5", 900_000)])
def test_scratch_models_depend_on_their_seed_alone(size: str, parameters: int) -> None:
    one, same, other = (load_policy(f"scratch:{size}", ["abc"], seed=seed).model for seed in (1, 1, 2))
    assert one.config.is_encoder_decoder
    assert one.num_parameters() < parameters
    assert one.get_output_embeddings().weight is one.get_input_embeddings().weight
    assert torch.equal(one.get_input_embeddings().weight, same.get_input_embeddings().weight)
    assert not torch.equal(one.get_input_embeddings().weight, other.get_input_embeddings().weight)


def test_a_decoder_must_have_a_start(policy: Policy, tmp_path: Path) -> None:
    startless = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    startless.model.config.decoder_start_token_id = None
    startless.model.generation_config.decoder_start_token_id = None
    startless.save(tmp_path)
    with pytest.raises(UserError, match="has no decoder_start_token_id, so completions cannot begin"):
        load_policy(str(tmp_path))


@pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"
)  # peft asks by an old name
def test_adapters_sample_learn_and_are_merged(policy: Policy, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    adapted = with_adapters(Policy(copy.deepcopy(policy.model), policy.tokenizer), rank=2, seed=0)
    torch.manual_seed(2)
    for name, parameter in adapted.model.named_parameters():
        assert parameter.requires_grad == ("lora_" in name)
        if "lora_B" in name:
            parameter.data = 0.3 * torch.randn_like(parameter)
    groups = sampled(adapted.model)
    batch = collate(
        [
            a_group([a_rollout(prompt, c.ids, c.log_probs) for c in group], [P] * len(group))
            for prompt, group in zip(PROMPTS, groups, strict=True)
        ]
    )
    log_probs_BT = policy_learner(adapted.model, learning_rate=1e-3).outputs(batch)["log_probs"]
    assert (log_probs_BT - batch.columns["behavior_log_probs"]).abs().max() < 2e-5
    adapted.save(tmp_path)
    merged_BT = policy_learner(load_policy(str(tmp_path)).model, learning_rate=1e-3).outputs(batch)["log_probs"]
    assert torch.allclose(merged_BT, log_probs_BT, atol=1e-4)
