"""An OpenAI-compatible server on this machine that behaves as badly as it is told to, request by request.

`python -m tests.rl.fake_server LOG` prints its port; the log gets a line per request that was answered in full.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class FakeServer(ThreadingHTTPServer):
    """Answers requests by a script of moods, one per request; `good` once the script is over."""

    daemon_threads = True

    def __init__(
        self, moods: Sequence[str] = (), text: str = " 5\n", log: Path | None = None, delay: float = 0
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.moods = list(moods)
        self.respond: Callable[[dict[str, Any]], str] = lambda body: text
        self.log, self.delay = log, delay
        self.asked: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str | None] = []
        self.mutex = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_: Any) -> None:
        """A client that hung up is what the tests want."""


class Handler(BaseHTTPRequestHandler):
    server: FakeServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.mutex:
            server.asked.append(body)
            server.paths.append(self.path)
            server.keys.append(self.headers["Authorization"])
            mood = server.moods.pop(0) if server.moods else "good"
            number = len(server.asked)
        time.sleep(server.delay)
        name, _, argument = mood.partition(" ")
        if name == "silent":
            time.sleep(float(argument))
            return
        if name == "status":
            self.reply(int(argument), b'{"error": "no: ' + (self.headers["Authorization"] or "").encode() + b'"}')
            return
        n = 1 if name == "one" else body["n"]
        reason = "length" if name == "cut" else "stop"
        text = server.respond(body).rstrip()
        texts = [f"{text} # {body['seed']} {number} {i}\n" for i in range(n)]
        if "messages" in body:
            choices = [{"message": {"role": "assistant", "content": t}, "finish_reason": reason} for t in texts]
        else:
            choices = [{"text": t, "finish_reason": reason} for t in texts]
        content = json.dumps({"model": "m", "choices": choices, "usage": {"total_tokens": 7}}).encode()
        if server.log is not None:
            with server.mutex, server.log.open("a") as log:
                log.write(json.dumps(body, sort_keys=True) + "\n")
        self.reply(200, content, keep=len(content) // 2 if name == "drop" else None)

    def reply(self, status: int, content: bytes, keep: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(content[:keep])
        self.wfile.flush()
        if keep is not None:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(moods: Sequence[str] = (), **settings: Any) -> Iterator[FakeServer]:
    """A server in a thread, while the block runs."""
    server = FakeServer(moods, **settings)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    alone = FakeServer(log=Path(sys.argv[1]), delay=0.02)
    print(alone.server_port, flush=True)
    alone.serve_forever()
