"""The surface without a client library: status codes, headers, keys, and bodies that nobody should send."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import Any

import pytest

from rl.serve.gate import GateSettings
from rl.serve.metrics import Metrics
from rl.serve.service import Service
from tests.command import Served
from tests.rl.serve.conftest import a_service
from tests.rl.serve.running import Reply, ask, asking, connected, events, running, until
from tests.small_world import World

COMPLETION = {"model": "world", "prompt": "def f(a, b):\n", "max_tokens": 8, "seed": 1}


def curl(*words: str) -> tuple[int, str]:
    """Status and body, as curl has them."""
    done = subprocess.run(["curl", "-sS", "-w", "\n%{http_code}", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_curl_gets_what_the_readme_shows(served: Served) -> None:
    assert curl(f"{served.url}/health") == (200, '{"status":"alive"}')
    kind = ("-H", "Content-Type: application/json")
    status, body = curl(f"{served.url}/v1/completions", *kind, "-d", json.dumps(COMPLETION))
    assert status == 200
    assert json.loads(body)["choices"][0]["finish_reason"] in ("stop", "length")
    status, body = curl("-N", f"{served.url}/v1/completions", *kind, "-d", json.dumps(COMPLETION | {"stream": True}))
    assert status == 200
    assert "".join(event["choices"][0]["text"] for event in events(body.encode()))
    status, body = curl(f"{served.url}/v1/nothing")
    assert (status, json.loads(body)["error"]["type"]) == (404, "not_found_error")


def test_health_answers_at_once_and_the_rest_once_the_models_are_loaded(small_world: World) -> None:
    may_load = threading.Event()

    def load(_: Metrics) -> Service:
        may_load.wait(30)
        return a_service(small_world)

    with running(load) as url:
        try:
            assert ask(f"{url}/health").status == 200
            for reply in (ask(f"{url}/ready"), ask(f"{url}/v1/models"), ask(f"{url}/v1/completions", COMPLETION)):
                assert (reply.status, reply.error["code"]) == (503, "loading")
                assert int(reply.headers["retry-after"]) > 0
        finally:
            may_load.set()
        until(lambda: ask(f"{url}/ready").status == 200)
        assert ask(f"{url}/v1/completions", COMPLETION).status == 200


def test_with_keys_only_health_and_readiness_are_open(small_world: World) -> None:
    with running(lambda _: a_service(small_world), GateSettings(keys=("right", "also right"))) as url:
        until(lambda: ask(f"{url}/ready").status == 200)
        assert ask(f"{url}/health").status == 200
        for path in ("/v1/models", "/metrics", "/openapi.json", "/nothing"):
            for given in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": "Basic right"},
                {"Authorization": "Bearer "},
            ):
                reply = ask(f"{url}{path}", headers=given)
                assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
                assert reply.headers["www-authenticate"] == "Bearer"
        for key in ("right", "also right"):
            assert ask(f"{url}/v1/completions", COMPLETION, {"Authorization": f"Bearer {key}"}).status == 200


def test_who_comes_when_too_many_are_here_is_told_to_come_again(small_world: World) -> None:
    service = a_service(small_world)
    with running(lambda _: service, GateSettings(max_requests=1)) as url:
        until(lambda: ask(f"{url}/ready").status == 200)
        with asking(f"{url}/v1/completions", COMPLETION | {"max_tokens": 900, "n": 8, "temperature": 2.0}):
            until(lambda: service.engine.load[0] > 0)
            reply = ask(f"{url}/v1/completions", COMPLETION)
            assert (reply.status, reply.error["type"]) == (429, "rate_limit_error")
            assert int(reply.headers["retry-after"]) > 0
            assert ask(f"{url}/health").status == 200
        until(lambda: ask(f"{url}/v1/completions", COMPLETION).status == 200)


def test_a_request_has_an_id_and_what_was_ignored_is_said(served: Served) -> None:
    body = COMPLETION | {"guided_choice": ["a"], "critic": None, "min_p": 0.1, "stream_options": {"other": 1}}
    first = ask(f"{served.url}/v1/completions", body, {"X-Request-Id": "mine-1"})
    assert first.status == 200
    assert first.headers["x-request-id"] == "mine-1"
    assert first.headers["warning"] == '299 - "ignored: guided_choice, min_p, stream_options.other"'
    second = ask(f"{served.url}/v1/completions", COMPLETION, {"X-Request-Id": "x" * 1000})
    assert len(second.headers["x-request-id"]) == 32
    assert "warning" not in second.headers


HOSTILE: dict[str, Any] = {
    "nothing": b"",
    "no JSON": b"{",
    "a number": b"5",
    "invalid UTF-8": b'{"model": "world", "prompt": "\xff\xfe"}',
    "half a character": b'{"model": "world", "prompt": "\\ud800"}',
    "deep lists": b'{"model": "world", "prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep tests": b'{"problem": "x", "example_tests": [' + b"[" * 900 + b"]" * 900 + b"]}",
    "a long number": b'{"model": "world", "prompt": "a", "seed": ' + b"9" * 10_000 + b"}",
    "not a number": b'{"model": "world", "prompt": "a", "temperature": NaN}',
    "infinity": b'{"model": "world", "prompt": "a", "top_p": Infinity}',
    "a negative id": b'{"model": "world", "prompt": [-1]}',
    "an empty prompt of ids": b'{"model": "world", "prompt": []}',
    "mixed prompts": b'{"model": "world", "prompt": ["a", 5, null]}',
    "an empty stop": b'{"model": "world", "prompt": "a", "stop": ""}',
    "texts for numbers": b'{"model": "world", "prompt": "a", "n": "5"}',
    "a test of the wrong form": b'{"problem": "x", "entry_point": "f", "example_tests": [5]}',
    "half a character in a test": b'{"problem": "x", "example_tests": [{"input": "\\ud800", "output": ""}]}',
    "no name to call": b'{"problem": "x", "example_tests": [{"input": [1], "output": 1}]}',
    "an empty problem": b'{"problem": ""}',
    "large tests": b'{"problem": "x", "example_tests": [{"input": "' + b"x" * 70_000 + b'", "output": ""}]}',
    "a hostile name": b'{"model": "world", "prompt": 5, "\\ud800\\r\\nSet-Cookie: a": 1}',
}


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions", "/v1/solve"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused_in_one_sentence(served: Served, name: str, path: str) -> None:
    reply = ask(f"{served.url}{path}", HOSTILE[name])
    assert reply.status == 400, reply.body
    assert reply.error["type"] == "invalid_request_error"
    assert 0 < len(reply.error["message"]) < 1000


def test_a_large_body_is_refused_before_it_is_read(served: Served) -> None:
    with connected(served.url) as connection:
        connection.putrequest("POST", "/v1/completions")
        connection.putheader("Content-Length", str(50 * 2**20))
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read())["error"]["code"] == "body_too_large"


def test_a_large_body_without_a_length_is_refused_too(served: Served) -> None:
    with connected(served.url) as connection:
        connection.putrequest("POST", "/v1/completions")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        chunk = b"%x\r\n%s\r\n" % (2**16, b" " * 2**16)
        for _ in range(65):
            connection.send(chunk)
        response = connection.getresponse()
        assert response.status == 413
        response.read()


def test_methods_and_paths_that_are_not_there(served: Served) -> None:
    def said(reply: Reply) -> tuple[int, str]:
        return reply.status, reply.error["type"]

    assert said(ask(f"{served.url}/v1/completions")) == (405, "invalid_request_error")
    assert said(ask(f"{served.url}/nowhere")) == (404, "not_found_error")
    assert said(ask(f"{served.url}/v1/models/other")) == (404, "not_found_error")


def test_metrics_count_what_happened(served: Served) -> None:
    def counted(name: str) -> float:
        text = ask(f"{served.url}/metrics").body.decode()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)), 0.0)

    name = 'rl_train_requests_total{path="/v1/completions",status="200"}'
    before, tokens = counted(name), counted("rl_train_generated_tokens_total")
    used = ask(f"{served.url}/v1/completions", COMPLETION | {"n": 3}).json["usage"]["completion_tokens"]
    until(lambda: counted(name) == before + 1)
    assert counted("rl_train_generated_tokens_total") == tokens + used
    assert counted("rl_train_open_completions") == 0


def test_the_schema_is_there_and_no_page_that_loads_from_elsewhere(served: Served) -> None:
    assert set(ask(f"{served.url}/openapi.json").json["paths"]) >= {
        "/v1/completions",
        "/v1/chat/completions",
        "/v1/solve",
    }
    assert ask(f"{served.url}/docs").status == 404
