"""Completions as OpenAI's clients read them: choices with their log-probs, usage, and the chunks of a stream."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from envs.rollout import StopReason
from rl.serve.engine import Row, Told
from rl.serve.service import Service
from rl.serve.text import TextSoFar

END_OF_STREAM = "data: [DONE]\n\n"


def finish_reason(row: Row) -> str | None:
    """None while a completion is open."""
    return None if row.stop is None else "length" if row.stop is StopReason.LENGTH else "stop"


def usage(prompts: Sequence[Sequence[int]], completion_tokens: int) -> dict[str, Any]:
    """Tokens read and generated."""
    read = sum(map(len, prompts))
    return {"prompt_tokens": read, "completion_tokens": completion_tokens, "total_tokens": read + completion_tokens}


def event(data: Mapping[str, Any]) -> str:
    """One event of a stream."""
    return f"data: {json.dumps(data)}\n\n"


def comment(text: str) -> str:
    """A line of a stream that clients skip: it keeps the connection alive and tells people of progress."""
    return f": {text}\n\n"


def text_of(service: Service, row: Row) -> str:
    """The text of a completion that has ended, before its stop string."""
    text = TextSoFar(service.policy.decode, row.ask.stop)
    for token in row.ids if row.ask.stop else ():
        text.add(token)
    text.end()
    return text.text if row.ask.stop else service.policy.decode(row.ids)


def completion_log_probs(
    service: Service, ids: Sequence[int], told: Sequence[Told | None], offset: int = 0
) -> dict[str, Any]:
    """`logprobs` of /v1/completions; `offset` is the place of the first character."""
    texts = [service.token_text(token) for token in ids]
    offsets = []
    for text in texts:
        offsets.append(offset)
        offset += len(text)
    top = [None if one is None else _top(service, token, one) for token, one in zip(ids, told, strict=True)]
    return {
        "tokens": texts,
        "token_logprobs": [None if one is None else one.log_prob for one in told],
        "top_logprobs": top,
        "text_offset": offsets,
    }


def _top(service: Service, token: int, told: Told) -> dict[str, float]:
    """The likeliest tokens and the one that is there, by text."""
    found: dict[str, float] = {}
    for other, log_prob in (*told.top, (token, told.log_prob)):
        found.setdefault(service.token_text(other), log_prob)
    return found


def chat_log_probs(service: Service, ids: Sequence[int], told: Sequence[Told]) -> dict[str, Any]:
    """`logprobs` of /v1/chat/completions."""

    def entry(token: int, log_prob: float) -> dict[str, Any]:
        text = service.token_text(token)
        return {"token": text, "logprob": log_prob, "bytes": list(text.encode("utf-8", "replace"))}

    content = [
        entry(token, one.log_prob) | {"top_logprobs": [entry(*other) for other in one.top]}
        for token, one in zip(ids, told, strict=True)
    ]
    return {"content": content, "refusal": None}
