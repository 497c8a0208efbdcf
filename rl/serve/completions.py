"""/v1/completions and /v1/chat/completions, whole and streamed, sampled or chosen by critic sampling."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from critics.candidates import Candidate, SamplingResult
from envs.rollout import Prompt, StopReason
from rl.serve import answers
from rl.serve.engine import Ask, Row, Told, Work
from rl.serve.errors import ApiError, bad_request, internal
from rl.serve.schemas import ChatRequest, CompletionRequest, _Sampling
from rl.serve.search import Search, planned
from rl.serve.service import Service
from rl.serve.text import TextSoFar
from rl.write import rollout_seed

DEFAULT_COMPLETION = 16
"""Tokens of a completion whose request does not say; a chat has as many as there is room for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to sample, resolved."""

    chat: bool
    """Which of the two surfaces."""
    body: _Sampling
    """What was sent."""
    prompts: list[tuple[int, ...]]
    """Ids of each prompt."""
    texts: list[str]
    """Their texts."""
    asks: list[Ask]
    """What the engine is asked."""
    n: int
    """Choices per prompt: fewer than are sampled where the best are taken."""
    echo: bool
    """Whether a choice begins with its prompt."""
    id: str
    """Of the answer."""
    created: int
    """Unix time."""


async def asked_completion(service: Service, body: CompletionRequest) -> Asked:
    """Resolve a request; raises ApiError for what this server does not do."""
    if body.suffix:
        raise bad_request("suffix: this server only writes on; expected none", "suffix")
    prompts, texts = await _prompts(service, body)
    n, best_of = body.n or 1, body.best_of or body.n or 1
    if best_of < n:
        raise bad_request(f"best_of: expected at least n, which is {n}; got {best_of}", "best_of")
    if best_of > n and body.stream:
        raise bad_request("best_of: the best are known once all are written; expected no stream", "best_of")
    wanted = DEFAULT_COMPLETION if body.max_tokens is None else body.max_tokens
    top = body.logprobs if body.logprobs is not None else 0 if best_of > n else None
    asks = _asks(service, body, prompts, wanted, best_of, top, score=bool(body.echo and body.logprobs is not None))
    return Asked(False, body, prompts, texts, asks, n, bool(body.echo), *_name("cmpl"))


async def asked_chat(service: Service, body: ChatRequest) -> Asked:
    """Resolve a request; raises ApiError for what this server does not do."""
    if body.top_logprobs and not body.logprobs:
        raise bad_request("top_logprobs: expected logprobs to be true as well", "top_logprobs")
    text = chat_text(service, body)
    prompts = [await service.encode(text)]
    wanted = body.max_tokens if body.max_completion_tokens is None else body.max_completion_tokens
    n = body.n or 1
    asks = _asks(service, body, prompts, wanted, n, (body.top_logprobs or 0) if body.logprobs else None)
    return Asked(True, body, prompts, [text], asks, n, False, *_name("chatcmpl"))


async def answer(service: Service, asked: Asked) -> dict[str, Any]:
    """Sample, and answer as a whole."""
    [work] = [work async for work in service.steps(asked.asks, every_token=False)]
    choices: list[dict[str, Any]] = []
    for place, rows in enumerate(work.rows):
        for row in _best(rows, asked.n):
            choices.append(_choice(service, asked, work, place, len(choices), row))
    generated = sum(len(row.ids) for rows in work.rows for row in rows)
    return _envelope(service, asked, choices) | {"usage": answers.usage(asked.prompts, generated)}


async def stream(service: Service, asked: Asked) -> AsyncGenerator[str, None]:
    """Sample, and answer token by token as server-sent events; a failure is the last of them."""
    try:
        generated = 0
        writers = [_ChoiceStream(service, asked, i) for i in range(len(asked.asks) * asked.n)]
        async with aclosing(service.steps(asked.asks, every_token=True)) as steps:
            async for work in steps:
                for place, rows in enumerate(work.rows):
                    for i, row in enumerate(rows):
                        for choice in writers[place * asked.n + i].news(work, place, row):
                            yield answers.event(_envelope(service, asked, [choice], chunk=True))
                generated = sum(len(row.ids) for rows in work.rows for row in rows)
        if asked.body.include_usage:
            yield answers.event(
                _envelope(service, asked, [], chunk=True) | {"usage": answers.usage(asked.prompts, generated)}
            )
        yield answers.END_OF_STREAM
    except ApiError as error:
        yield answers.event(error.body())
    except Exception:
        yield answers.event(internal().body())
        raise


async def searched(service: Service, asked: Asked) -> Search:
    """What critic sampling is to do for a request; raises ApiError where it cannot."""
    body = asked.body
    assert body.critic is not None
    if len(asked.prompts) > 1 or asked.echo or asked.asks[0].top is not None:
        raise bad_request("critic: expected one prompt, without echo and logprobs", "critic")
    statement = asked.texts[0]
    if isinstance(body, ChatRequest):
        statement = next((m.text for m in reversed(body.messages) if m.role == "user"), statement)
    ask = asked.asks[0]
    return planned(
        service,
        body.critic,
        statement=statement,
        prompt=Prompt("request", asked.texts[0], mode="chat" if asked.chat else "plain"),
        wanted=ask.max_new_tokens,
        temperature=ask.temperature,
        seed=body.seed if body.seed is not None else secrets.randbits(31),
    )


def chosen(service: Service, asked: Asked, found: SamplingResult) -> dict[str, Any]:
    """The answer of critic sampling: the first programs, with what is known of each, and what all cost."""
    choices: list[dict[str, Any]] = []
    for candidate in found.candidates[: asked.n]:
        reason = "length" if candidate.rollout.stop is StopReason.LENGTH else "stop"
        text = candidate.rollout.text
        content = {"message": _message(text)} if asked.chat else {"text": text}
        choices.append(
            {"index": len(choices), **content, "logprobs": None, "finish_reason": reason, "critic": told(candidate)}
        )
    spent = answers.usage(asked.prompts, found.ledger.tokens)
    spent["completion_tokens_details"] = {
        "visible_tokens": sum(len(c.rollout.completion_ids) for c in found.candidates[: asked.n])
    }
    row = found.as_dict()
    return _envelope(service, asked, choices) | {"usage": spent, "critic": {"ledger": row["ledger"]}}


def as_chunks(service: Service, asked: Asked, whole: dict[str, Any]) -> list[str]:
    """An answer that is there already, as a stream: each choice in one piece."""
    events = []
    for choice in whole["choices"]:
        reason = choice["finish_reason"]
        if asked.chat:
            piece = {
                "index": choice["index"],
                "delta": choice["message"],
                "finish_reason": None,
                "critic": choice["critic"],
            }
            last: dict[str, Any] = {"index": choice["index"], "delta": {}, "finish_reason": reason}
        else:
            piece = choice | {"finish_reason": None}
            last = {"index": choice["index"], "text": "", "logprobs": None, "finish_reason": reason}
        events += [answers.event(_envelope(service, asked, [one], chunk=True)) for one in (piece, last)]
    if asked.body.include_usage:
        events.append(answers.event(_envelope(service, asked, [], chunk=True) | {"usage": whole["usage"]}))
    return [*events, answers.END_OF_STREAM]


def told(candidate: Candidate) -> dict[str, Any]:
    """What is known of one program."""
    feedback = candidate.feedback
    return {
        "program": candidate.rollout.program,
        "passed": candidate.passed,
        "pass_prob": candidate.pass_prob,
        "move": str(candidate.move),
        "outcome": None if feedback is None else str(feedback.outcome),
    }


def chat_text(service: Service, body: ChatRequest) -> str:
    """A chat as the model's template writes it; without a template the contents, each on lines of its own."""
    tokenizer = service.policy.tokenizer
    if not tokenizer.chat_template:
        return "".join(f"{message.text.rstrip()}\n" for message in body.messages)
    messages = [{"role": message.role, "content": message.text} for message in body.messages]
    try:
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
    except Exception as error:  # a template raises what it likes, for roles that it does not know
        raise bad_request(f"messages: the model's chat template refuses them: {error}"[:500], "messages") from None


class _ChoiceStream:
    """One choice of a stream, piece by piece."""

    def __init__(self, service: Service, asked: Asked, index: int) -> None:
        self.service, self.asked, self.index = service, asked, index
        self.text = TextSoFar(service.policy.decode, asked.asks[0].stop)
        self.n_seen = 0
        self.offset = 0
        self.begun = self.ended = False

    def news(self, work: Work, place: int, row: Row) -> list[dict[str, Any]]:
        """What there is to tell since the last time."""
        if self.ended:
            return []
        reason = answers.finish_reason(row)  # looked at first: an ended row grows no more
        ids = row.ids[self.n_seen :]
        told = row.told[self.n_seen : self.n_seen + len(ids)]
        self.n_seen += len(ids)
        piece = "".join(map(self.text.add, ids)) + (self.text.end() if reason else "")
        choices = [] if self.begun else self._first(work, place)
        self.begun = True
        if piece or told or (ids and self.asked.body.return_token_ids):
            choices.append(self._piece(piece, ids, told))
        if reason:
            self.ended = True
            choices.append(self._piece("", (), ()) | {"finish_reason": reason})
            if self.asked.chat:
                choices[-1]["delta"] = {}
        return choices

    def _first(self, work: Work, place: int) -> list[dict[str, Any]]:
        if self.asked.chat:
            return [{"index": self.index, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
        if not self.asked.echo:
            return []
        return [self._piece(self.asked.texts[place], self.asked.prompts[place], work.prompts[place])]

    def _piece(self, text: str, ids: Sequence[int], told: Sequence[Told | None]) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": self.index, "finish_reason": None, "logprobs": None}
        choice |= {"delta": {"content": text}} if self.asked.chat else {"text": text}
        if ids and told:
            if self.asked.chat:
                choice["logprobs"] = answers.chat_log_probs(self.service, ids, cast(Sequence[Told], told))
            else:
                choice["logprobs"] = answers.completion_log_probs(self.service, ids, told, self.offset)
        if self.asked.body.return_token_ids and ids:
            choice["token_ids"] = list(ids)
        self.offset += len(text)
        return choice


async def _prompts(service: Service, body: CompletionRequest) -> tuple[list[tuple[int, ...]], list[str]]:
    """Ids and texts of the prompts, in whatever form they come."""
    given = body.prompt
    several = cast(list[Any], given if isinstance(given, list) and not isinstance(given[0], int) else [given])
    if len(several) > service.shares.max_prompts:
        raise bad_request(
            f"prompt: expected at most {service.shares.max_prompts} prompts; got {len(several)}", "prompt"
        )
    prompts, texts = [], []
    for prompt in several:
        if isinstance(prompt, str):
            prompts.append(await service.encode(prompt))
            texts.append(prompt)
        else:
            if (largest := max(prompt)) >= service.engine.vocabulary:
                raise bad_request(
                    f"prompt: expected token ids below {service.engine.vocabulary}; got {largest}", "prompt"
                )
            prompts.append(tuple(prompt))
            texts.append(service.policy.decode(prompt))
    return prompts, texts


def _asks(
    service: Service,
    body: _Sampling,
    prompts: Sequence[tuple[int, ...]],
    wanted: int | None,
    n: int,
    top: int | None,
    score: bool = False,
) -> list[Ask]:
    for name in ("presence_penalty", "frequency_penalty", "logit_bias"):
        if getattr(body, name):
            raise bad_request(f"{name}: this server samples from the model's own distribution; expected none", name)
    if n > service.shares.max_rows:
        raise bad_request(f"n: expected at most {service.shares.max_rows} choices; got {n}", "n")
    seed = secrets.randbits(63) if body.seed is None else body.seed
    temperature = 1.0 if body.temperature is None else body.temperature
    asks = []
    for place, prompt in enumerate(prompts):
        longest = service.longest(prompt, wanted)
        seeds = tuple(rollout_seed(seed, place, "completions", i) for i in range(n))
        top_p = body.top_p if body.top_p is not None and temperature > 0 else 1.0
        asks.append(Ask(prompt, seeds, longest, temperature, top_p, body.stops, top, score))
    return asks


def _best(rows: Sequence[Row], n: int) -> list[Row]:
    """The n rows of the highest log-prob per token, where there are more."""
    if len(rows) <= n:
        return list(rows)
    return sorted(rows, key=lambda row: -sum(one.log_prob for one in row.told) / max(1, len(row.told)))[:n]


def _choice(service: Service, asked: Asked, work: Work, place: int, index: int, row: Row) -> dict[str, Any]:
    text = answers.text_of(service, row)
    choice: dict[str, Any] = {"index": index, "finish_reason": answers.finish_reason(row), "logprobs": None}
    if asked.chat:
        choice["message"] = _message(text)
        if row.ask.top is not None:
            choice["logprobs"] = answers.chat_log_probs(service, row.ids, row.told)
    else:
        ids, told = list(row.ids), list[Told | None](row.told)
        if asked.echo:
            text, ids, told = asked.texts[place] + text, [*asked.prompts[place], *ids], [*work.prompts[place], *told]
        choice["text"] = text
        if cast(CompletionRequest, asked.body).logprobs is not None:
            choice["logprobs"] = answers.completion_log_probs(service, ids, told)
    if asked.body.return_token_ids:
        choice |= {"token_ids": row.ids, "prompt_token_ids": list(asked.prompts[place])}
    return choice


def _message(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "refusal": None}


def _envelope(service: Service, asked: Asked, choices: list[dict[str, Any]], chunk: bool = False) -> dict[str, Any]:
    kind = "text_completion" if not asked.chat else "chat.completion.chunk" if chunk else "chat.completion"
    return {"id": asked.id, "object": kind, "created": asked.created, "model": service.name, "choices": choices}


def _name(kind: str) -> tuple[str, int]:
    return f"{kind}-{uuid.uuid4().hex}", int(time.time())
