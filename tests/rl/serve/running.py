"""A server in this process, whose inside can be looked at, and plain requests to any server."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn

from rl.serve.app import create_app
from rl.serve.gate import GateSettings
from rl.serve.metrics import Metrics
from rl.serve.service import Service

OPEN = GateSettings()


@dataclass(frozen=True)
class Reply:
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


@contextlib.contextmanager
def running(load: Callable[[Metrics], Service], gate: GateSettings = OPEN) -> Iterator[str]:
    """The app under uvicorn in a thread of this process; its URL."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    failures: list[BaseException] = []
    config = uvicorn.Config(create_app(load, gate, failures.append), log_level="error", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
    if failures:
        raise failures[0]


def ask(url: str, body: Any = None, headers: Mapping[str, str] = {}, *, method: str | None = None) -> Reply:
    """GET without a body, otherwise POST it: bytes as they are, anything else as JSON."""
    with connected(url) as connection:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(
            method or ("GET" if body is None else "POST"), urllib.parse.urlsplit(url).path, data, kind | dict(headers)
        )
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read())


@contextlib.contextmanager
def connected(url: str) -> Iterator[http.client.HTTPConnection]:
    """A connection to where a URL points; it ends with the block."""
    parts = urllib.parse.urlsplit(url)
    assert parts.hostname is not None
    with contextlib.closing(http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)) as connection:
        connection.connect()
        yield connection


@contextlib.contextmanager
def asking(url: str, body: Any) -> Iterator[http.client.HTTPConnection]:
    """A request that is sent, and whose answer nobody has read; who asked leaves with the block."""
    with connected(url) as connection:
        connection.request(
            "POST", urllib.parse.urlsplit(url).path, json.dumps(body), {"Content-Type": "application/json"}
        )
        yield connection


def events(body: bytes) -> list[Any]:
    """The data of a stream's events; its comments are left out."""
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]", lines
    return [json.loads(line) for line in lines[:-1]]


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)
