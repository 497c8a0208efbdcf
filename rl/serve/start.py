"""Start the server on this machine: its socket, its keys, uvicorn, and a quiet end."""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import resource
import signal
import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from envs.errors import UserError

try:
    import uvicorn

    from rl.serve.app import create_app
    from rl.serve.gate import GateSettings
    from rl.serve.service import Models, Shares, load_service
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] not in ("fastapi", "prometheus_client", "starlette", "uvicorn"):
        raise
    raise UserError(f"serving needs {error.name}; run `pip install 'rl-train[serve]'`") from None

KEYS_VARIABLE = "RL_TRAIN_KEYS"
"""Environment variable with keys, separated by commas or white space."""
OPEN_FILES = 65536
"""Open files, and so connections, that the server asks the system for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server listens, and how it starts and ends."""

    host: str
    """Name or address."""
    port: int
    """0 takes a free one."""
    grace_s: int
    """Seconds that requests in flight have to end once the server is told to stop."""
    workers: int | None
    """Grader processes; one per core by default."""
    isolation: str | None
    """Jail for programs; the best that works by default."""


@dataclass(frozen=True, slots=True)
class Serving:
    """All that a server is started with."""

    models: Models
    """What is served."""
    shares: Shares
    """How much one request may have."""
    gate: GateSettings
    """Who may come in."""
    place: Place
    """Where."""


def serving_of(options: argparse.Namespace) -> Serving:
    """The options of `rl-train serve`. Raises UserError for a file of keys that has none."""
    critic = options.policy / "checkpoints" / "critic" if options.critic == Path() else options.critic
    return Serving(
        Models(options.policy, critic, options.repair, options.name),
        Shares(
            max_rows=options.max_rows,
            max_tokens=options.max_tokens,
            max_budget=options.max_budget,
            max_tests=options.max_tests,
            max_cpu_s=options.max_cpu_s,
        ),
        GateSettings(
            keys=read_keys(options.keys), max_body=options.max_body_mb * 2**20, max_requests=options.max_requests
        ),
        Place(options.host, options.port, options.grace_s, options.workers, options.isolation),
    )


def serve(serving: Serving, as_json: bool) -> int:
    """Serve until SIGINT or SIGTERM; the URL is printed once the socket listens.

    Raises UserError where the socket cannot be had, for an open address without keys, and for models that cannot be
    read.
    """
    models, gate, place = serving.models, serving.gate, serving.place
    check_keys(place.host, gate)
    _allow_connections()
    listening = _listen(place.host, place.port)
    failures: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    load = partial(load_service, models, serving.shares, workers=place.workers, isolation=place.isolation)
    app = create_app(load, gate, failed)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=place.grace_s
    )
    server = uvicorn.Server(config)
    # uvicorn raises again the signal that ended it: after a graceful end SIGTERM has nothing more to say.
    signal.signal(signal.SIGTERM, lambda *_: None)
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(json.dumps({"url": url}) if as_json else f"serving {models.policy} at {url}/v1 (Ctrl-C ends it)", flush=True)
    server.run(sockets=[listening])
    if failures:
        raise failures[0]
    return 0


def read_keys(file: Path | None) -> tuple[str, ...]:
    """Keys of a file, one a line, and of the environment. Raises UserError for a file without one."""
    keys = os.environ.get(KEYS_VARIABLE, "").replace(",", " ").split()
    if file is not None:
        try:
            found = file.read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"--keys: {file} cannot be read: {error}") from None
        if not found:
            raise UserError(f"--keys: expected a key on each line of {file}; it has none")
        keys += found
    return tuple(keys)


def check_keys(host: str, gate: GateSettings) -> None:
    """Programs of whoever reaches the server run there: from outside only with a key. Raises UserError."""
    try:
        local = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local and not gate.keys:
        raise UserError(
            f"--host {host}: other machines could reach the server, and run programs here; expected keys, by --keys "
            f"FILE or {KEYS_VARIABLE}"
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise UserError(f"--host {host} --port {port}: cannot listen there: {error}") from None


def _allow_connections() -> None:
    """Every connection is an open file, of which the system gives few unless asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
