"""What every request passes before it is answered: its id, its key, its size, the queue; and who has left is dropped.

The body is read here in full, so that what comes from the connection afterwards can only say that the client has left:
then the work on its request is cancelled, whatever it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rl.serve.errors import ApiError, shutting_down
from rl.serve.metrics import Metrics

_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True)
class GateSettings:
    """Who may come in, and how much of it."""

    keys: Sequence[str] = ()
    """Any of these is a right key; without one nobody is asked for it."""
    max_body: int = 4 * 2**20
    """Bytes of a request's body."""
    max_requests: int = 256
    """Requests that are answered at once; a further one is told to come again."""
    patience_s: float = 60.0
    """Seconds that a client may take to send its body, and to read a part of the answer."""


class Gate:
    """The middleware."""

    def __init__(
        self, app: ASGIApp, settings: GateSettings, metrics: Metrics, paths: Sequence[str], open_paths: frozenset[str]
    ) -> None:
        """`paths` are counted by name, others together; `open_paths` are answered without a key."""
        self.app, self.settings, self.metrics = app, settings, metrics
        self.paths, self.open_paths = frozenset(paths), open_paths
        self.keys = [_digest(key) for key in settings.keys]
        self.in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()
        path = scope["path"] if scope["path"] in self.paths else "other"
        status, started = "left", time.perf_counter()  # the client, before an answer began

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            try:
                async with asyncio.timeout(self.settings.patience_s):
                    await send(message)
            except TimeoutError:
                raise _SlowReaderError from None

        try:
            self._check_key(scope["path"], headers)
            body = await self._body(headers, receive)
            if body is not None:
                with self._counted(scope):
                    await self._answer(scope, body, receive, send_on)
        except ApiError as error:
            await error.response()(scope, receive, send_on)
        except asyncio.CancelledError:  # by uvicorn, which has waited long enough for the end
            if status == "left":
                await shutting_down().response()(scope, receive, send_on)
        except _SlowReaderError:
            status = "slow"  # uvicorn closes the connection of an answer that was not finished
        finally:
            self.metrics.requests.labels(path, status).inc()
            self.metrics.seconds.labels(path).observe(time.perf_counter() - started)

    def _check_key(self, path: str, headers: dict[bytes, bytes]) -> None:
        if not self.keys or path in self.open_paths:
            return
        scheme, _, key = headers.get(b"authorization", b"").partition(b" ")
        known = [hmac.compare_digest(_digest(key.strip()), right) for right in self.keys]
        if scheme.lower() != b"bearer" or not any(known):
            raise ApiError(
                401, "expected a right key in the header `Authorization: Bearer KEY`", code="invalid_api_key"
            )

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes | None:
        """The whole body; None where the client has left."""
        too_large = ApiError(
            413,
            f"the body is larger than {self.settings.max_body} bytes, which is all this server reads",
            code="body_too_large",
        )
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.settings.max_body:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.settings.patience_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.settings.max_body:
                        raise too_large
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise ApiError(408, f"the body did not arrive in {self.settings.patience_s:.0f} seconds") from None

    @contextlib.contextmanager
    def _counted(self, scope: Scope) -> Iterator[None]:
        """Count what takes work; refuse it where too much is on the way."""
        if scope["method"] != "POST":
            yield
            return
        if self.in_flight >= self.settings.max_requests:
            raise ApiError(
                429, f"{self.in_flight} requests are being answered; try again soon", code="busy", retry_after=1
            )
        self.in_flight += 1
        self.metrics.in_flight.set(self.in_flight)
        try:
            yield
        finally:
            self.in_flight -= 1
            self.metrics.in_flight.set(self.in_flight)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Let the app answer, unless the client leaves first."""
        app = asyncio.ensure_future(self.app(scope, _replay(body), send))
        left = asyncio.ensure_future(_until_left(receive))
        try:
            await asyncio.wait({app, left}, return_when=asyncio.FIRST_COMPLETED)
            if app.done():
                await app
        finally:
            for task in (app, left):
                task.cancel()
            await asyncio.gather(app, left, return_exceptions=True)


class _SlowReaderError(Exception):
    """The client has not read a part of its answer for too long."""


def _replay(body: bytes) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # the gate watches the connection
        raise AssertionError("unreachable")

    return receive


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _digest(key: str | bytes) -> bytes:
    """Keys are compared by digests: of equal length, in constant time."""
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()
