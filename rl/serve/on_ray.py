"""The server on Ray Serve: replicas that each hold the whole app, behind a front that every request passes.

Ray's own proxy answers a bare 500 where a replica dies; the front tells its clients 503, as OpenAI's clients read it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from envs.errors import UserError

try:
    import ray
    from ray import serve
    from ray.exceptions import RayActorError
    from ray.serve.exceptions import RayServeException
    from ray.serve.handle import DeploymentHandle

    from envs.ray_graders import connect
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "ray":
        raise
    raise UserError("--on ray: Ray is not installed; run `pip install 'rl-train[ray,serve]'`") from None

from rl.cli_parser import parse
from rl.serve import answers
from rl.serve.app import KEYED_PATHS, OPEN_PATHS, create_app, metrics_text
from rl.serve.errors import ApiError
from rl.serve.gate import Gate, GateSettings
from rl.serve.metrics import Metrics
from rl.serve.service import load_service
from rl.serve.start import Serving, check_keys, serving_of

NAME = "rl-train"
"""Of the application on a cluster; another one of this name is replaced."""
WANTED_EACH = 8
"""Requests in flight per replica that autoscaling aims at: the searches of one service."""
ANSWER_S = 30.0
"""Seconds that the front has to answer once Ray says that it runs."""
_SENT_ON = ("type", "http_version", "method", "scheme", "path", "raw_path", "query_string", "headers", "client")


class Replica:
    """The app with models, engines and graders of its own; it takes requests once the models are loaded."""

    async def __init__(self, serving: Serving) -> None:  # type: ignore[misc]  # Ray awaits it
        failures: list[BaseException] = []
        place = serving.place
        load = partial(load_service, serving.models, serving.shares, workers=place.workers, isolation=place.isolation)
        # The front has asked for the key, and counted.
        self.app = create_app(load, GateSettings(max_body=serving.gate.max_body, max_requests=2**31), failures.append)
        self.life = self.app.router.lifespan_context(self.app)
        await self.life.__aenter__()
        while self.app.state.service is None and not failures:
            await asyncio.sleep(0.05)
        if failures:
            raise RuntimeError(f"the models cannot be loaded: {failures[0]}")

    async def __del__(self) -> None:
        await self.life.__aexit__(None, None, None)

    async def answer(self, scope: dict[str, Any], body: bytes) -> AsyncGenerator[Message, None]:
        """What the app sends for a request; who stops listening cancels the work on it."""
        received: asyncio.Queue[Message] = asyncio.Queue()
        sent: asyncio.Queue[Message | None] = asyncio.Queue()
        received.put_nowait({"type": "http.request", "body": body, "more_body": False})
        task = asyncio.create_task(self.app(scope, received.get, sent.put))
        task.add_done_callback(lambda _: sent.put_nowait(None))
        try:
            while (message := await sent.get()) is not None:
                yield message
            await task
        finally:
            task.cancel()


@serve.ingress()
class Front:
    """Keys, sizes and the queue; then a replica answers."""

    def __init__(self, replicas: DeploymentHandle, gate: GateSettings) -> None:
        self.replicas, self.gate = replicas, gate

    def __serve_build_asgi_app__(self) -> ASGIApp:
        app = FastAPI(openapi_url=None)
        metrics = Metrics()
        paths = OPEN_PATHS + KEYED_PATHS
        app.add_middleware(Gate, settings=self.gate, metrics=metrics, paths=paths, open_paths=frozenset(OPEN_PATHS))
        app.add_route("/metrics", lambda _: metrics_text(metrics))
        app.mount("/", _to(self.replicas.options(stream=True)))
        return app


def _to(replicas: DeploymentHandle) -> ASGIApp:
    """An app that lets a replica answer."""

    async def forward(scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]  # whole: the gate has read it
        messages = replicas.answer.remote({name: scope[name] for name in _SENT_ON if name in scope}, body)
        start: Message | None = None
        started = False
        try:
            async for message in messages:
                if message["type"] == "http.response.start":
                    start = message  # held back until there is more: until then a lost replica is told by its status
                    start["headers"] = [one for one in message["headers"] if one[0] != b"x-request-id"]  # the gate's
                    continue
                if start is not None:
                    await send(start)
                    start, started = None, True
                await send(message)
        except (RayActorError, RayServeException):
            lost = ApiError(
                503, "the replica that worked on this request was lost; send it again", code="lost", retry_after=1
            )
            if not started:
                await lost.response()(scope, receive, send)
                return
            await send({"type": "http.response.body", "body": answers.event(lost.body()).encode(), "more_body": False})
        finally:
            messages.cancel()

    return forward


def application(args: dict[str, Any]) -> serve.Application:
    """The application of a serve config: `args.words` are those that would follow `rl-train`."""
    options, _ = parse(args["words"])
    return bound(serving_of(options), options.replicas or (1, 1))


def bound(serving: Serving, replicas: tuple[int, int]) -> serve.Application:
    """The front, one, and at least and at most so many replicas, each with a CPU, and a GPU where the cluster has them.

    Raises UserError for an open address without keys.
    """
    check_keys(serving.place.host, serving.gate)
    most = serving.gate.max_requests
    gpus = ray.cluster_resources().get("GPU", 0) >= replicas[0]
    workers = serve.deployment(
        Replica,
        max_ongoing_requests=most,
        ray_actor_options={"num_cpus": 1, "num_gpus": int(gpus)},
        autoscaling_config={
            "min_replicas": replicas[0],
            "initial_replicas": replicas[0],
            "max_replicas": replicas[1],
            "target_ongoing_requests": WANTED_EACH,
        },
        graceful_shutdown_timeout_s=serving.place.grace_s,
    )
    front = serve.deployment(Front, max_ongoing_requests=2 * most, ray_actor_options={"num_cpus": 0})
    return front.bind(workers.bind(serving), serving.gate)


def serve_on_ray(serving: Serving, replicas: tuple[int, int], as_json: bool) -> int:
    """Serve on the cluster that RAY_ADDRESS or this machine names, until SIGINT or SIGTERM.

    Raises UserError where there is none, where replicas do not come up, and where the front does not answer.
    """
    place = serving.place
    if place.port == 0:
        raise UserError("--port 0: Ray Serve listens on a port that is named; expected one, such as 8000")
    check_keys(place.host, serving.gate)
    connect("--on ray")
    asked_to_end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_end.set())
    serve.start(http_options={"host": place.host, "port": place.port})
    try:
        serve.run(bound(serving, replicas), name=NAME)
        url = f"http://{place.host}:{place.port}"
        _check_answers(url)
        text = f"serving {serving.models.policy} at {url}/v1 on Ray (Ctrl-C ends it)"
        print(json.dumps({"url": url}) if as_json else text, flush=True)
        asked_to_end.wait()
    except RuntimeError as error:
        said = str(error).strip().splitlines()
        cause = next((line for line in reversed(said) if "cannot be loaded" in line), said[0])
        raise UserError(f"--on ray: {cause.strip()}") from None
    finally:
        with contextlib.suppress(RayServeException):  # there is none where it never ran
            serve.delete(NAME)
    return 0


def _check_answers(url: str) -> None:
    """Serve's address is set once per cluster: a cluster that serves something else keeps to its own."""
    try:
        urllib.request.urlopen(f"{url}/ready", timeout=ANSWER_S).close()
    except (urllib.error.URLError, OSError) as error:
        raise UserError(
            f"--host, --port: nobody answers at {url}: {error}; a cluster that serves already keeps its address until "
            f"`serve shutdown`"
        ) from None
