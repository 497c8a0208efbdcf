"""The sampler: reproducible, independent of its batch, and true to the model's own probabilities."""

from __future__ import annotations

import math
from itertools import chain, pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen3Config,
)

from envs.errors import UserError
from envs.rollout import StopReason
from envs.verdict import Outcome
from rl.batch import Batch, collate
from rl.decode import DEDENT, Completion, StopStrings, sample
from rl.learner import LOG_PROBS, TokenLogProbs, policy_learner
from rl.losses import policy_gradient
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
    policy: Policy,
    prompts: list[list[int]],
    seeds: list[list[int]],
    temperature: float = 1.0,
    *,
    greedy_last: bool = False,
) -> list[list[Completion]]:
    return sample(
        policy.model,
        prompts,
        seeds,
        temperature=temperature,
        max_new_tokens=24,
        end_id=policy.end_id,
        greedy_last=greedy_last,
    )


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


SHAPE = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
GATED = {**SHAPE, "intermediate_size": 48, "num_key_value_heads": 2}
ARCHITECTURES = {
    "llama, grouped queries": LlamaConfig(**GATED),
    "gpt2, absolute positions": GPT2Config(vocab_size=97, n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "opt, absolute positions with an offset": OPTConfig(**SHAPE, ffn_dim=48, word_embed_proj_dim=32),
    "mistral, a window in every layer": MistralConfig(**GATED, sliding_window=7),
    "gemma2, a window in every other layer, capped logits": Gemma2Config(
        **GATED, head_dim=8, sliding_window=7, attn_implementation="eager"
    ),
    "gpt_neox, parallel blocks": GPTNeoXConfig(**SHAPE, intermediate_size=48),
    "qwen3, normalised queries": Qwen3Config(**GATED, head_dim=8),
}


def a_model(config: PreTrainedConfig) -> PreTrainedModel:
    """A model with random weights, far from uniform."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=config._attn_implementation).eval()
    for parameter in model.parameters():
        parameter.data += 0.15 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_any_architecture_samples_by_its_own_probabilities(name: str) -> None:
    model = a_model(ARCHITECTURES[name])
    groups = sample(model, PROMPTS, SEEDS, temperature=1.0, max_new_tokens=24, end_id=5)
    lengths = set()
    for prompt, group in zip(PROMPTS, groups, strict=True):
        for completion in group:
            with torch.no_grad():
                logits_TV = model(torch.tensor([[*prompt, *completion.ids]]), use_cache=False).logits[0]
            log_probs_TV = logits_TV[len(prompt) - 1 : -1].log_softmax(-1)
            expected_T = log_probs_TV[torch.arange(len(completion.ids)), torch.tensor(completion.ids)]
            assert completion.log_probs == pytest.approx(expected_T.tolist(), abs=2e-5)
            lengths.add(len(completion.ids))
    assert max(lengths) > 7  # beyond the windows


@pytest.mark.parametrize("name", ["gpt2, absolute positions", "gemma2, a window in every other layer, capped logits"])
def test_any_architecture_samples_a_row_alone_as_in_its_batch(name: str) -> None:
    model = a_model(ARCHITECTURES[name])

    def ids(prompts: list[list[int]], seeds: list[list[int]]) -> list[list[tuple[int, ...]]]:
        groups = sample(model, prompts, seeds, temperature=1.0, max_new_tokens=24, end_id=5)
        return [[completion.ids for completion in group] for group in groups]

    together = ids(PROMPTS, SEEDS)
    assert [ids([prompt], [seeds])[0] for prompt, seeds in zip(PROMPTS, SEEDS, strict=True)] == together


def test_the_cache_grows_past_its_first_buffers(policy: Policy) -> None:
    grown = sample(policy.model, PROMPTS, SEEDS, temperature=1.0, max_new_tokens=600, end_id=-1)
    for prompt, group in zip(PROMPTS, grown, strict=True):
        completion = group[0]
        with torch.no_grad():
            logits_TV = policy.model(torch.tensor([[*prompt, *completion.ids]])).logits[0, len(prompt) - 1 : -1]
        expected_T = logits_TV.log_softmax(-1)[torch.arange(600), torch.tensor(completion.ids)]
        assert completion.log_probs == pytest.approx(expected_T.tolist(), abs=2e-5)


def test_a_recurrent_model_is_refused() -> None:
    model = AutoModelForCausalLM.from_config(MambaConfig(vocab_size=97, hidden_size=16, num_hidden_layers=1))
    with pytest.raises(UserError, match="attention in every layer; mamba has LinearAttention"):
        sample(model, PROMPTS, SEEDS, temperature=1.0, max_new_tokens=4, end_id=5)


def test_a_completion_must_fit_the_positions_of_the_model() -> None:
    model = a_model(ARCHITECTURES["gpt2, absolute positions"])
    assert sample(model, PROMPTS[1:2], [[1]], temperature=1.0, max_new_tokens=58, end_id=-1)[0][0].ids
    with pytest.raises(UserError, match="6 tokens and 59 new ones exceed the model's 64 positions"):
        sample(model, PROMPTS, SEEDS, temperature=1.0, max_new_tokens=59, end_id=-1)


peft_asks_by_an_old_name = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


def a_lora_policy() -> PreTrainedModel:
    """A model under LoRA whose adapter has moved away from zero."""
    peft = pytest.importorskip("peft")
    model = a_model(ARCHITECTURES["llama, grouped queries"])
    adapter = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"], lora_dropout=0.0)
    lora = peft.get_peft_model(model, adapter)
    torch.manual_seed(2)
    for name, parameter in lora.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.3 * torch.randn_like(parameter)
    return lora


def a_batch(groups: list[list[Completion]]) -> Batch:
    """The batch of what was sampled for PROMPTS."""
    return collate(
        [
            a_group([a_rollout(prompt, c.ids, c.log_probs) for c in group], [Outcome.PASSED] * len(group))
            for prompt, group in zip(PROMPTS, groups, strict=True)
        ]
    )


@peft_asks_by_an_old_name
@pytest.mark.parametrize("share_prompts", [False, True])
def test_a_lora_policy_samples_and_learns_by_the_same_probabilities(share_prompts: bool) -> None:
    model = a_lora_policy()
    batch = a_batch(sample(model, PROMPTS, SEEDS, temperature=0.7, max_new_tokens=24, end_id=5))
    learner = policy_learner(model, share_prompts=share_prompts, learning_rate=1e-3)
    assert learner.share_prompts is share_prompts
    log_probs_BT = learner.outputs(batch, 0.7)["log_probs"]
    assert (log_probs_BT - batch.columns["behavior_log_probs"]).abs().max() < 2e-5
    with model.disable_adapter():
        without_BT = learner.outputs(batch, 0.7)["log_probs"]
    assert (log_probs_BT - without_BT).abs().max() > 0.1


@peft_asks_by_an_old_name
def test_only_the_adapter_of_a_lora_policy_trains() -> None:
    model = a_lora_policy()
    batch = a_batch(sample(model, PROMPTS, SEEDS, temperature=1.0, max_new_tokens=24, end_id=5))
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    learner = policy_learner(model, learning_rate=1e-2, weight_decay=0.1)
    learner.step(batch.with_advantages(torch.ones(len(batch), 1)), (policy_gradient(),))
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert changed == {name for name in before if "lora_" in name}


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


def test_the_last_row_of_each_prompt_may_be_greedy(policy: Policy) -> None:
    """It is the completion of temperature 0, and the others are those that would be drawn without it."""
    seeds = [[1, 2], [3, 4], [5, 6]]
    mixed = sampled(policy, PROMPTS, [[*row, 0] for row in seeds], temperature=1.0, greedy_last=True)
    drawn, greedy = sampled(policy, PROMPTS, seeds, temperature=1.0), sampled(policy, PROMPTS, [[0]] * 3, temperature=0)
    for both, alone, likeliest in zip(mixed, drawn, greedy, strict=True):
        assert [completion.ids for completion in both[:2]] == [completion.ids for completion in alone]
        assert both[2].ids == likeliest[0].ids
        assert both[2].log_probs == pytest.approx(likeliest[0].log_probs, abs=1e-4)


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


def stopping(policy: Policy, strings: tuple[str, ...]) -> StopStrings:
    return StopStrings(strings, policy.tokenizer, policy.model.config.vocab_size)


STOPS = ("\n\n", "ab", "aab?", "return x\nd")


@pytest.fixture(scope="module")
def stop(policy: Policy) -> StopStrings:
    return stopping(policy, STOPS)


@given(text=st.text("ab?\nd rtunex1é", max_size=30))
def test_stop_strings_find_what_a_search_finds(policy: Policy, stop: StopStrings, text: str) -> None:
    ids = policy.encode(text)
    state = 0
    for n, token in enumerate(ids, start=1):
        state = int(stop.next_AV[state, token])
        assert (state == stop.matched) == any(string in policy.decode(ids[:n]) for string in STOPS)
    assert stop.cut(text) == text[: min((text.find(string) for string in STOPS if string in text), default=len(text))]


def test_a_stop_string_ends_a_row_and_changes_nothing_before(policy: Policy) -> None:
    prompts, seeds = PROMPTS * 8, [[100 * i + j for j in range(8)] for i in range(24)]
    strings = (policy.decode([40]), policy.decode([41, 42]))
    stop = stopping(policy, strings)
    free = sampled(policy, prompts, seeds)
    stopped = sample(policy.model, prompts, seeds, temperature=1.0, max_new_tokens=24, end_id=policy.end_id, stop=stop)
    ends = set()
    for long, short in zip(chain(*free), chain(*stopped), strict=True):
        assert short.ids == long.ids[: len(short.ids)]
        assert short.log_probs == pytest.approx(long.log_probs[: len(short.ids)], abs=1e-5)
        first = next((n for n in range(len(long.ids) + 1) if any(s in policy.decode(long.ids[:n]) for s in strings)), 0)
        assert (short.stop is StopReason.STOP_STRING) == bool(first)
        assert len(short.ids) == (first or len(long.ids))
        ends.add(short.stop)
    assert ends == {StopReason.END_OF_TEXT, StopReason.LENGTH, StopReason.STOP_STRING}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("    return x\n\n\nprint(f(1))\n", "    return x\n\n"),
        (
            "    y = [\n    1,\n]\n# why\n    return y\n@cache\ndef g(): pass",
            "    y = [\n    1,\n]\n# why\n    return y",
        ),
        ("def f(x):\n    return x\n", "def f(x):\n    return x\n"),
    ],
)
def test_dedent_ends_a_function(policy: Policy, text: str, kept: str) -> None:
    stop = stopping(policy, DEDENT)
    state = torch.tensor(0)
    for token in policy.encode(text):
        state = stop.next_AV[state, token]
    assert (int(state) == stop.matched) == (kept != text)
    assert stop.cut(text) == kept


@pytest.mark.parametrize("bad", ["", "é"])
def test_stop_strings_must_be_plain(policy: Policy, bad: str) -> None:
    with pytest.raises(UserError, match="expected non-empty ASCII"):
        stopping(policy, ("ok", bad))


def test_a_completion_is_continued_as_if_it_had_never_been_cut(policy: Policy) -> None:
    """Greedy: whatever part is written already, together with prompts of other lengths, the rest comes out again."""
    whole = [group[0] for group in sampled(policy, PROMPTS, [[0]] * 3, temperature=0.0)]
    for cuts in ((0, 3, 7), (5, 0, 1), (2, 2, 2)):
        written = [completion.ids[:cut] for completion, cut in zip(whole, cuts, strict=True)]
        rest = sample(
            policy.model, PROMPTS, [[0]] * 3, temperature=0.0, max_new_tokens=24, end_id=policy.end_id, written_P=written
        )  # fmt: skip
        for completion, cut, (added,) in zip(whole, cuts, rest, strict=True):
            assert added.ids == completion.ids[cut:]
            assert added.stop == completion.stop
            assert added.log_probs == pytest.approx(completion.log_probs[cut:], abs=1e-5)


def test_what_is_written_already_may_begin_a_stop_string(policy: Policy) -> None:
    """Greedy: a stop string made of the tokens on both sides of the cut ends the completion at the first of them."""
    whole = sampled(policy, [PROMPTS[1]], [[0]], temperature=0.0)[0][0]
    texts = [policy.decode([token]) for token in whole.ids]
    cut = next(t for t in range(1, 20) if all(text.isascii() and text for text in texts[t - 1 : t + 1]))
    stop = StopStrings([texts[cut - 1] + texts[cut]], policy.tokenizer, policy.model.config.vocab_size)
    added = sample(
        policy.model, [PROMPTS[1]], [[0]], temperature=0.0, max_new_tokens=24, end_id=policy.end_id, stop=stop,
        written_P=[whole.ids[:cut]],
    )[0][0]  # fmt: skip
    assert added.ids == whole.ids[cut : cut + 1]
    assert added.stop is StopReason.STOP_STRING


def test_nothing_can_be_added_to_a_completion_of_full_length(policy: Policy) -> None:
    with pytest.raises(ValueError, match="expected fewer than max_new_tokens"):
        sample(policy.model, [[9]], [[0]], temperature=1.0, max_new_tokens=2, end_id=0, written_P=[[5, 5]])
