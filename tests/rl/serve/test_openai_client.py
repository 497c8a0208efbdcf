"""OpenAI's own client against the real command: every field that it sends, and what it makes of the answers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import openai
import pytest

from rl.models import Policy, load_policy
from tests.command import Served

PROMPT = "Give a + b.\nf(2, 3) == 5\ndef f(a, b):\n"
EXAMPLES = {
    "example_tests": [{"input": [2, 3], "output": 5}],
    "entry_point": "f",
    "starter_code": "def f(a, b):\n",
}


@pytest.fixture(scope="module")
def client(served: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def policy(world_folder: Path) -> Policy:
    return load_policy(str(world_folder / "checkpoints" / "final"))


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    (model,) = client.models.list().data
    assert model.id == client.models.retrieve("world").id == "world"
    assert (model.model_extra or {})["critic_sampling"] is True


def test_a_completion_has_what_was_asked_for(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="world", prompt=PROMPT, n=3, seed=4, temperature=0.8, max_tokens=24)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert {choice.finish_reason for choice in answer.choices} <= {"stop", "length"}
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 0 < answer.usage.completion_tokens <= 72


def test_the_same_request_with_the_same_seed_has_the_same_answer(client: openai.OpenAI) -> None:
    def ask(seed: int, **more: Any) -> Any:
        answer = client.completions.create(
            model="world", prompt=PROMPT, seed=seed, temperature=1.0, max_tokens=24, n=2, logprobs=2, **more
        )
        return [choice.model_dump() for choice in answer.choices]

    assert ask(1) == ask(1)
    assert ask(1) != ask(2)


def test_token_ids_are_a_prompt_and_several_prompts_have_an_answer_each(client: openai.OpenAI, policy: Policy) -> None:
    texts = [PROMPT, "Give a - b.\n"]
    ids = [list(policy.encode(text)) for text in texts]
    by_text, by_ids = (
        client.completions.create(model="world", prompt=prompt, seed=1, n=2, max_tokens=12) for prompt in (texts, ids)
    )
    assert [choice.text for choice in by_text.choices] == [choice.text for choice in by_ids.choices]
    assert len(by_ids.choices) == 4
    one = client.completions.create(model="world", prompt=ids[0], temperature=0, max_tokens=12)
    assert one.usage is not None
    assert one.usage.prompt_tokens == len(ids[0])


def test_echo_and_log_probs_tell_of_the_prompt_too(client: openai.OpenAI, policy: Policy) -> None:
    ids = list(policy.encode(PROMPT))
    answer = client.completions.create(
        model="world",
        prompt=ids,
        echo=True,
        logprobs=1,
        max_tokens=1,
        temperature=0,
        extra_body={"return_token_ids": True},
    )
    choice = answer.choices[0]
    logprobs = choice.logprobs
    assert logprobs is not None
    assert choice.text.startswith(PROMPT)
    assert logprobs.tokens is not None
    assert logprobs.token_logprobs is not None
    assert logprobs.top_logprobs is not None
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(ids) + 1
    assert logprobs.token_logprobs[0] is None
    assert all(value <= 0 for value in logprobs.token_logprobs[1:])
    assert logprobs.token_logprobs[-1] == max(logprobs.top_logprobs[-1].values())  # greedy
    assert (choice.model_extra or {})["prompt_token_ids"] == ids


def test_a_prompt_alone_is_scored_with_no_token_generated(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="world", prompt=PROMPT, echo=True, logprobs=0, max_tokens=0)
    assert answer.choices[0].text == PROMPT
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 0


def test_stop_strings_end_a_completion_and_are_no_part_of_it(client: openai.OpenAI) -> None:
    def ask(stop: list[str] | str | None) -> Any:
        return client.completions.create(model="world", prompt=PROMPT, seed=3, max_tokens=24, stop=stop).choices[0]

    whole = ask(None)
    stop = whole.text[4:6]
    for form in (stop, ["never there", stop]):
        assert ask(form).text == whole.text.partition(stop)[0]
        assert ask(form).finish_reason == "stop"


def test_the_best_of_several_are_given(client: openai.OpenAI) -> None:
    kwargs: Any = {"model": "world", "prompt": PROMPT, "seed": 3, "max_tokens": 12, "temperature": 1.5, "logprobs": 0}
    all_four = client.completions.create(n=4, **kwargs).choices
    best = client.completions.create(n=1, best_of=4, **kwargs)

    def mean(choice: Any) -> float:
        return sum(choice.logprobs.token_logprobs) / len(choice.logprobs.token_logprobs)

    assert best.choices[0].text == max(all_four, key=mean).text
    assert best.usage is not None
    assert best.usage.completion_tokens == sum(len(choice.logprobs.tokens) for choice in all_four if choice.logprobs)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_chat_takes_both_names_of_the_longest_answer(client: openai.OpenAI, name: str) -> None:
    kwargs: Any = {name: 5}
    answer = client.chat.completions.create(
        model="world", messages=[{"role": "user", "content": PROMPT}], temperature=0, top_p=0.95, **kwargs
    )
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 5


def test_a_chat_has_log_probs(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="world",
        messages=[{"role": "system", "content": ""}, {"role": "user", "content": [{"type": "text", "text": PROMPT}]}],
        logprobs=True,
        top_logprobs=3,
        max_completion_tokens=4,
    )
    assert answer.choices[0].logprobs is not None
    content = answer.choices[0].logprobs.content
    assert content
    assert all(len(token.top_logprobs) == 3 for token in content)
    assert all(token.logprob <= token.top_logprobs[0].logprob + 1e-6 for token in content)


def test_a_stream_is_the_answer_in_pieces(client: openai.OpenAI) -> None:
    kwargs: Any = {
        "model": "world",
        "prompt": PROMPT,
        "n": 2,
        "seed": 5,
        "max_tokens": 24,
        "temperature": 1.0,
        "logprobs": 1,
    }
    whole = client.completions.create(**kwargs)
    chunks = list(client.completions.create(**kwargs, stream=True, stream_options={"include_usage": True}))
    for i, choice in enumerate(whole.choices):
        pieces = [piece for chunk in chunks for piece in chunk.choices if piece.index == i]
        assert "".join(piece.text for piece in pieces) == choice.text
        assert [piece.finish_reason for piece in pieces if piece.finish_reason] == [choice.finish_reason]
        assert choice.logprobs is not None
        told = [value for piece in pieces if piece.logprobs for value in piece.logprobs.token_logprobs or []]
        assert told == choice.logprobs.token_logprobs
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


def test_a_chat_streams(client: openai.OpenAI) -> None:
    kwargs: Any = {"model": "world", "messages": [{"role": "user", "content": PROMPT}], "seed": 5, "max_tokens": 24}
    whole = client.chat.completions.create(**kwargs).choices[0]
    chunks = list(client.chat.completions.create(**kwargs, stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.message.content
    assert chunks[-1].choices[0].finish_reason == whole.finish_reason
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_critic_sampling_chooses_the_answer(client: openai.OpenAI, chat: bool, stream: bool) -> None:
    kwargs: Any = {
        "model": "world",
        "n": 2,
        "seed": 2,
        "max_tokens": 24,
        "extra_body": {"critic": EXAMPLES | {"n": 8, "budget": 600}},
    }
    if chat:
        kwargs["messages"] = [{"role": "user", "content": PROMPT.rstrip()}]
    else:
        kwargs["prompt"] = PROMPT
    create: Any = client.chat.completions.create if chat else client.completions.create
    if stream:
        chunks = list(create(**kwargs, stream=True, stream_options={"include_usage": True}))
        firsts = [choice for chunk in chunks for choice in chunk.choices if (choice.model_extra or {}).get("critic")]
        usage = chunks[-1].usage
        texts = [choice.delta.content if chat else choice.text for choice in firsts]
    else:
        answer = create(**kwargs)
        firsts, usage = answer.choices, answer.usage
        texts = [choice.message.content if chat else choice.text for choice in firsts]
        ledger = answer.model_extra["critic"]["ledger"]
        assert ledger["tokens"] == usage.completion_tokens
    assert len(firsts) == 2
    assert 0 < usage.completion_tokens <= 600
    told = [choice.model_extra["critic"] for choice in firsts]
    assert told[0]["passed"] is True  # of what half knows the problem, one of many passes
    assert told[0]["program"] == EXAMPLES["starter_code"] + texts[0]
    assert all(0 <= one["pass_prob"] <= 1 for one in told)


def test_mistakes_are_the_clients_own_exceptions(client: openai.OpenAI) -> None:
    def ask(**kwargs: Any) -> None:
        client.completions.create(**({"model": "world", "prompt": "a", "max_tokens": 1} | kwargs))

    with pytest.raises(openai.NotFoundError, match="this server has 'world'") as missing:
        ask(model="gpt-4")
    assert missing.value.code == "model_not_found"
    for mistake, param in (
        ({"n": 1000}, "n"),
        ({"temperature": -1}, "temperature"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"prompt": [10**6]}, "prompt"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"best_of": 1, "n": 2}, "best_of"),
        ({"extra_body": {"critic": {"n": "many"}}}, "critic.n"),
    ):
        with pytest.raises(openai.BadRequestError) as wrong:
            ask(**mistake)
        assert wrong.value.param == param
    with pytest.raises(openai.BadRequestError, match="no room"):
        ask(prompt="a b " * 4000)


def test_a_stream_that_is_left_is_left(client: openai.OpenAI) -> None:
    stream = client.completions.create(model="world", prompt=PROMPT, max_tokens=400, stream=True, temperature=2.0)
    next(iter(stream))
    stream.close()
    assert math.isfinite(client.completions.create(model="world", prompt="a", max_tokens=1).created)
