"""The FastAPI app: OpenAI's surface, /v1/solve with its page, and what an operator asks for.

/  /v1/models  /v1/completions  /v1/chat/completions  /v1/solve  /v1/problems  /health  /ready  /metrics
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from critics.candidates import SamplingResult
from rl.serve import answers, completions, page
from rl.serve.completions import Asked
from rl.serve.errors import ApiError, Json, internal, invalid_body, printable, shutting_down
from rl.serve.gate import Gate, GateSettings
from rl.serve.metrics import Metrics
from rl.serve.progress import News, RoundBegun, Say, as_event, unheard
from rl.serve.schemas import ChatRequest, CompletionRequest, SolveRequest, unknown_fields
from rl.serve.search import Errand, LeftError, Search, planned, search
from rl.serve.service import Service

KEEP_ALIVE_S = 10.0
"""Seconds of silence in a stream after which a comment says that the server is there."""
OPEN_PATHS = ("/health", "/ready", *page.FILES)
"""Answered without a key: whoever keeps the server alive asks there, and the page is where people give theirs."""
KEYED_PATHS = ("/v1/models", "/v1/completions", "/v1/chat/completions", "/v1/solve", "/v1/problems", "/metrics")

router = APIRouter()


def create_app(
    load: Callable[[Metrics], Service], gate: GateSettings, failed: Callable[[BaseException], object]
) -> FastAPI:
    """The app. `load` is called in a thread once it runs; until it returns, requests get 503; `failed` if it raises."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(_load(app, partial(load, metrics), failed))
        yield
        await loading
        if app.state.service is not None:
            await asyncio.to_thread(app.state.service.close)

    app = FastAPI(title="rl-train", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service, app.state.metrics = None, metrics
    app.include_router(router)
    app.include_router(page.router)
    app.add_middleware(
        Gate, settings=gate, metrics=metrics, paths=OPEN_PATHS + KEYED_PATHS, open_paths=frozenset(OPEN_PATHS)
    )
    app.add_exception_handler(ApiError, lambda _, error: error.response())
    app.add_exception_handler(RequestValidationError, lambda _, error: invalid_body(error.errors()).response())
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, lambda *_: internal().response())
    return app


async def _load(app: FastAPI, load: Callable[[], Service], failed: Callable[[BaseException], object]) -> None:
    try:
        app.state.service = await asyncio.to_thread(load)
    except Exception as error:
        failed(error)


def _http_error(_: Request, error: Exception) -> Response:
    """Starlette's own: no such path, another method, a body that is not JSON."""
    assert isinstance(error, HTTPException)
    status = 400 if error.status_code == 422 else error.status_code
    response = ApiError(status, str(error.detail)).response()
    response.headers.update(error.headers or {})
    return response


def loaded(request: Request) -> Service:
    """The service; raises ApiError while it loads."""
    service: Service | None = request.app.state.service
    if service is None:
        raise ApiError(503, "the models are being loaded", code="loading", retry_after=5)
    return service


Loaded = Annotated[Service, Depends(loaded)]


@router.get("/health")
async def health() -> dict[str, str]:
    """Whether the process answers."""
    return {"status": "alive"}


@router.get("/ready")
async def ready(service: Loaded) -> dict[str, str]:
    """Whether the models are loaded."""
    return {"status": "ready", "model": service.name}


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counters for Prometheus."""
    return metrics_text(request.app.state.metrics)


def metrics_text(metrics: Metrics) -> Response:
    """Counters as Prometheus reads them."""
    return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")


@router.get("/v1/models")
async def models(service: Loaded) -> dict[str, Any]:
    """The one model that is served."""
    return {"object": "list", "data": [_card(service)]}


@router.get("/v1/models/{name:path}")
async def model(name: str, service: Loaded) -> dict[str, Any]:
    """The same by its name."""
    _check_model(service, name)
    return _card(service)


@router.post("/v1/completions")
async def complete(body: CompletionRequest, service: Loaded) -> Response:
    """Continue prompts."""
    _check_model(service, body.model)
    return await _respond(service, await completions.asked_completion(service, body))


@router.post("/v1/chat/completions")
async def chat(body: ChatRequest, service: Loaded) -> Response:
    """Answer a chat."""
    _check_model(service, body.model)
    return await _respond(service, await completions.asked_chat(service, body))


@router.post("/v1/solve")
async def solve(body: SolveRequest, service: Loaded) -> Response:
    """Search for a program by critic sampling: every program that was tried, the best first, and what it cost.

    With `stream` events come first: `solve.round` as programs are begun, `solve.written` for each one that is to be
    run, `solve.program` for each that was run and read, with p(passed) after each of its tokens; then the answer.
    """
    if body.model is not None:
        _check_model(service, body.model)
    wanted = planned(
        service,
        body,
        statement=body.problem,
        prompt=None,
        wanted=body.max_tokens,
        temperature=body.temperature,
        seed=secrets.randbits(31) if body.seed is None else body.seed,
    )
    if body.stream:
        events = _search_events(
            service,
            wanted,
            tell=lambda news: answers.event(as_event(news, service.policy)),
            end=lambda found: [answers.event(_solved(service, wanted, found)), answers.END_OF_STREAM],
        )
        return _streamed(events, _warning(body))
    found = await _found(service, wanted, say=unheard)
    return Json(_solved(service, wanted, found), headers=_warning(body))


async def _respond(service: Service, asked: Asked) -> Response:
    body, headers = asked.body, _warning(asked.body)
    wanted = await completions.searched(service, asked) if body.critic is not None else None
    if wanted is None and body.stream:
        return _streamed(completions.stream(service, asked), headers)
    if wanted is None:
        return Json(await completions.answer(service, asked), headers=headers)
    if body.stream:
        events = _search_events(
            service,
            wanted,
            tell=_comment,
            end=lambda found: completions.as_chunks(service, asked, completions.chosen(service, asked, found)),
        )
        return _streamed(events, headers)
    found = await _found(service, wanted, say=unheard)
    return Json(completions.chosen(service, asked, found), headers=headers)


class _Events(StreamingResponse):
    """A stream whose generator is closed with it: what it waits for is cancelled at once."""

    def __init__(self, events: AsyncGenerator[str, None], **options: Any) -> None:
        super().__init__(events, **options)
        self.events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.events.aclose()


def _streamed(events: AsyncGenerator[str, None], headers: dict[str, str]) -> Response:
    return _Events(events, headers=headers | {"Cache-Control": "no-store"}, media_type="text/event-stream")


def _comment(news: News) -> str | None:
    """What a client of OpenAI's skips, and a person may read."""
    if not isinstance(news, RoundBegun):
        return None
    return answers.comment(f"round {news.number}: {len(news.moves)} programs")


async def _search_events(
    service: Service,
    wanted: Search,
    tell: Callable[[News], str | None],
    end: Callable[[SamplingResult], list[str]],
) -> AsyncGenerator[str, None]:
    """A search as a stream: what `tell` makes of its news, in the thread of the search, then what `end` makes of it."""
    loop, texts = asyncio.get_running_loop(), asyncio.Queue[str | None]()

    def say(news: News) -> None:
        if text := tell(news):
            loop.call_soon_threadsafe(texts.put_nowait, text)

    task = asyncio.create_task(_found(service, wanted, say))
    task.add_done_callback(lambda _: texts.put_nowait(None))
    try:
        while True:
            try:
                async with asyncio.timeout(KEEP_ALIVE_S):
                    text = await texts.get()
            except TimeoutError:
                text = answers.comment("still searching")
            if text is None:
                break
            yield text
        for text in end(await task):
            yield text
    except ApiError as error:
        yield answers.event(error.body())
    except Exception:
        yield answers.event(internal().body())
        raise
    finally:
        task.cancel()


async def _found(service: Service, wanted: Search, say: Say) -> SamplingResult:
    """Run a search in a thread; whoever stops waiting cancels it."""
    errand = Errand()
    try:
        work = partial(search, service, wanted, errand, say)
        future = asyncio.get_running_loop().run_in_executor(service.searches, work)
    except RuntimeError:  # the executor is shut down
        raise shutting_down() from None
    try:
        return await future
    except LeftError:
        raise shutting_down() from None
    finally:
        errand.cancel()


def _solved(service: Service, wanted: Search, found: SamplingResult) -> dict[str, Any]:
    """The answer of /v1/solve: programs, the best first; how each came about, in the order of writing; the ledger."""
    row: dict[str, Any] = found.as_dict()
    best = found.candidates[0] if found.candidates else None
    read = service.policy.encode(wanted.prompt.text)
    history = [
        {
            "index": one.index,
            "move": str(one.move),
            "parent": one.parent,
            "kept_tokens": one.kept,
            "kept_text": service.policy.decode(one.rollout.completion_ids[: one.kept]),
            "passed": one.passed,
            "pass_prob": one.pass_prob,
        }
        for one in sorted(found.candidates, key=lambda one: one.index)
    ]
    return {
        "id": f"solve-{uuid.uuid4().hex}",
        "object": "solve",
        "created": int(time.time()),
        "model": service.name,
        "seed": wanted.settings.seed,
        "solved": None if best is None else best.passed,
        "programs": row["candidates"],
        "history": history,
        "ledger": row["ledger"],
        "usage": answers.usage([read], found.ledger.tokens),
    }


def _card(service: Service) -> dict[str, Any]:
    """A model as a list of models shows it; what it can do beside OpenAI's fields."""
    return {
        "id": service.name,
        "object": "model",
        "created": 0,
        "owned_by": "rl-train",
        "max_model_len": service.policy.positions,
        "critic_sampling": service.critic is not None,
        "repair": service.repair_engine is not None,
    }


def _check_model(service: Service, name: str) -> None:
    if name != service.name:
        message = f"model: this server has {service.name!r}; got {printable(name, 100)!r}"
        raise ApiError(404, message, code="model_not_found", param="model")


def _warning(body: BaseModel) -> dict[str, str]:
    """A header that names fields which were ignored."""
    names = [printable(name, 50) for name in unknown_fields(body)[:20] if name.isprintable()]
    quoted = ", ".join(names).replace("\\", "/").replace('"', "'")
    return {"Warning": f'299 - "ignored: {quoted}"'} if names else {}
