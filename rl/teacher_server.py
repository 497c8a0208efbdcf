"""A teacher behind an OpenAI-compatible server, over /completions or /chat/completions; no other library is needed.

Keys come from the environment and go into one header; they are in no config, manifest, cache, log or error.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from envs.errors import UserError
from rl.teacher_cache import AnswerCache, Choice, key_of
from rl.teachers import Answer, Question, Teacher, cut_answer

MAX_STOPS = 4
"""Stop strings that servers take; the others cut the answer here."""
LONGEST_WAIT_S = 120.0
"""Longest pause between two tries of a request, whatever the server asks for."""
BUSY = (408, 409, 425, 429)
"""Statuses below 500 that a later try may change."""
REFUSED = (400, 401, 403, 404, 405, 413, 422, 429)
"""Statuses of requests that no server charges for."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Which server, what it is asked for, and how patiently."""

    server: str
    """URL up to and with the version, such as `http://localhost:8000/v1`."""
    model: str
    """Name of the model on the server."""
    temperature: float
    """Sampling temperature."""
    max_new_tokens: int
    """Longest answer, in tokens of the server."""
    api: Literal["completions", "chat"] = "completions"
    """`chat` reads a prompt's text as a JSON list of messages, `completions` as the text to be continued."""
    stop: tuple[str, ...] = ()
    """Strings that end an answer; the first four go to the server, all of them cut its text."""
    per_request: int = 8
    """Most answers that one request asks for."""
    parallel: int = 4
    """Questions in flight."""
    tries: int = 6
    """Times that a request is sent before the run gives up."""
    timeout_s: float = 300.0
    """Seconds without a byte after which a try has failed."""
    first_pause_s: float = 0.5
    """Seconds before the second try; each further pause is twice as long, unless the server says how long."""
    key_variable: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; without it requests carry none."""

    def __post_init__(self) -> None:
        parts = urllib.parse.urlsplit(self.server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"teacher.server: expected a URL such as http://localhost:8000/v1; got {self.server!r}")
        if parts.username or parts.password:
            raise UserError(f"teacher.server: a URL holds no key; set the environment variable {self.key_variable}")


def server_teacher(settings: ServerSettings, cache: AnswerCache) -> Teacher:
    """The model of a server; what is in `cache` is not asked again.

    Raises UserError where the server refuses, gives no answer in `tries` tries, or a budget of the cache is spent; what
    was answered until then is in the cache.
    """

    def answer(questions: Sequence[Question]) -> Iterator[list[Answer]]:
        over = threading.Event()
        failures: list[UserError] = []

        def one(question: Question) -> list[Answer]:
            try:
                return _answers(settings, cache, question, over)
            except UserError as error:
                failures.append(error)
                over.set()  # nobody shall pay for what follows
                return []

        pool = ThreadPoolExecutor(settings.parallel)
        try:
            for future in [pool.submit(one, question) for question in questions]:
                answers = future.result()
                if failures:
                    raise failures[0]
                yield answers
        finally:
            over.set()
            # Requests in flight are paid for: they end, and the cache keeps their answers.
            pool.shutdown(wait=True, cancel_futures=True)

    return answer


def _answers(settings: ServerSettings, cache: AnswerCache, question: Question, over: threading.Event) -> list[Answer]:
    """As many answers as there are seeds, by as many requests as that takes: a server may give fewer than asked."""
    found: list[Answer] = []
    while len(found) < len(question.seeds):
        n = min(settings.per_request, len(question.seeds) - len(found))
        body = _body(settings, question.prompt.text, n, question.seeds[len(found)])
        key = key_of({"server": settings.server.rstrip("/"), "api": settings.api, **body})
        choices = cache.get(key)
        if choices is None:
            choices = _ask(settings, cache, key, body, over)
        found += [cut_answer(choice["text"], choice["finish_reason"], settings.stop) for choice in choices[:n]]
    return found


def _body(settings: ServerSettings, prompt: str, n: int, seed: int) -> dict[str, Any]:
    asked = {"messages": json.loads(prompt)} if settings.api == "chat" else {"prompt": prompt}
    body = {
        "model": settings.model,
        **asked,
        "n": n,
        "temperature": settings.temperature,
        "max_tokens": settings.max_new_tokens,
        "seed": seed % 2**31,
    }
    return body | ({"stop": list(settings.stop[:MAX_STOPS])} if settings.stop else {})


def _ask(
    settings: ServerSettings, cache: AnswerCache, key: str, body: Mapping[str, Any], over: threading.Event
) -> Sequence[Choice]:
    """Send a request until it is answered, and keep the answer; no more is sent once `over` is set."""
    asked = json.dumps(body.get("messages", body.get("prompt")), ensure_ascii=False)
    at_most = len(asked.encode()) + body["n"] * body["max_tokens"]  # a token has at least one byte
    failure = "none was made"
    for attempt in range(settings.tries):
        if over.is_set():
            break
        number = cache.spend(at_most)
        pause = settings.first_pause_s * 2**attempt * random.uniform(1.0, 1.5)  # chance, so that threads part
        try:
            reply = _post(settings, body)
            choices = [_choice(choice) for choice in reply["choices"]]
            if not choices:
                raise ValueError("no choices")
        except urllib.error.HTTPError as error:
            failure = f"status {error.code}: {_said(error, settings)}"
            if error.code in REFUSED:
                cache.refused(number)
            if error.code < 500 and error.code not in BUSY:
                hint = f"; the key is read from {settings.key_variable}" if error.code in (401, 403) else ""
                raise UserError(f"teacher.server: {settings.server} refused: {failure}{hint}") from None
            pause = _asked_pause(error.headers.get("Retry-After"), pause)
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            if isinstance(getattr(error, "reason", error), ConnectionRefusedError):
                cache.refused(number)
            failure = f"{type(error).__name__}: {error}"
        else:
            facts = {"model": reply.get("model"), "seed": body["seed"], "time": datetime.now(UTC).isoformat()}
            cache.add(number, key, choices, (reply.get("usage") or {}).get("total_tokens"), facts)
            return choices
        if attempt + 1 < settings.tries:
            over.wait(min(LONGEST_WAIT_S, pause))
    raise UserError(
        f"teacher.server: {settings.server} gave no answer in {settings.tries} tries; the last one: {failure}; what "
        f"was answered is kept in {cache.file.parent}: start the run again to go on"
    )


def _post(settings: ServerSettings, body: Mapping[str, Any]) -> dict[str, Any]:
    path = "chat/completions" if settings.api == "chat" else "completions"
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(settings.key_variable):
        headers["Authorization"] = f"Bearer {key}"
    url = f"{settings.server.rstrip('/')}/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(request, timeout=settings.timeout_s) as reply:
        found: dict[str, Any] = json.loads(reply.read())
    return found


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the key to another host, so it is an error."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _choice(choice: Mapping[str, Any]) -> Choice:
    text = choice["text"] if "text" in choice else choice["message"]["content"]
    return {"text": text or "", "finish_reason": choice.get("finish_reason")}


def _asked_pause(retry_after: str | None, otherwise: float) -> float:
    """Seconds that a header Retry-After asks for, as a number or as a date; `otherwise` where it says nothing."""
    try:
        if retry_after is None or retry_after.strip().isdecimal():
            return otherwise if retry_after is None else float(retry_after)
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return otherwise


def _said(error: urllib.error.HTTPError, settings: ServerSettings) -> str:
    """The start of what the server says, on one line; some servers repeat the key, which is taken out."""
    try:
        text = error.read(2000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        text = ""
    if key := os.environ.get(settings.key_variable):
        text = text.replace(key, f"<{settings.key_variable}>")
    return " ".join(text.split())[:300] or str(error.reason)
