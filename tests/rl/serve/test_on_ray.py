"""The server on Ray Serve: the same app, and a replica that dies under load."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from envs.errors import UserError
from tests.command import Served, rl_train, serving
from tests.processes import descendants
from tests.ray_cluster import one_raylet
from tests.rl.serve.running import Reply, ask, asking, events, until
from tests.rl.serve.test_solve import SUM

LONG = {"model": "world", "prompt": "def f(a, b):\n", "max_tokens": 400, "temperature": 2.0, "n": 2}
CLIENTS, SECONDS = 8, 40


@pytest.fixture(scope="module")
def on_ray(world_folder: Path) -> Iterator[Served]:
    """Two replicas on a cluster of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    with one_raylet(cpus=4) as cluster:
        os.environ["RAY_ADDRESS"] = cluster.address
        words = ("--on", "ray", "--replicas", "2", "--port", port, "--workers", "1")
        try:
            with serving("--policy", str(world_folder), "--critic", *words, seconds=300) as served:
                yield served
        finally:
            del os.environ["RAY_ADDRESS"]


def replicas() -> list[int]:
    """Processes of replicas on this machine."""
    found = []
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            if b"ServeReplica:rl-train:Replica" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@pytest.mark.soak
def test_it_is_the_same_app(on_ray: Served) -> None:
    assert ask(f"{on_ray.url}/ready").json["model"] == "world"
    assert b"<!doctype html>" in ask(f"{on_ray.url}/").body
    whole = ask(f"{on_ray.url}/v1/solve", SUM).json
    assert whole["solved"] is True
    assert events(ask(f"{on_ray.url}/v1/solve", SUM | {"stream": True}).body)[-1]["programs"] == whole["programs"]
    assert ask(f"{on_ray.url}/v1/solve", SUM | {"n": 1000}).error["message"].startswith("n: expected at most 64")
    assert ask(f"{on_ray.url}/nowhere").status == 404


@pytest.mark.soak
def test_a_replica_that_dies_under_load_costs_only_what_it_worked_on(on_ray: Served) -> None:
    found: list[tuple[float, bool, Reply]] = []
    failures: list[Exception] = []
    until(lambda: len(replicas()) == 2, seconds=60)
    end = time.monotonic() + SECONDS

    def client(number: int) -> None:
        try:
            while time.monotonic() < end:
                stream = number % 2 == 1
                began = time.monotonic()
                found.append((began, stream, ask(f"{on_ray.url}/v1/completions", LONG | {"stream": stream})))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    until(lambda: len(found) >= 2 * CLIENTS, seconds=SECONDS)
    first, second = replicas()
    below = descendants(first)
    killed_at = time.monotonic()
    os.kill(first, signal.SIGKILL)
    for thread in threads:
        thread.join()

    assert not failures
    lost = [(began, stream, error) for began, stream, reply in found if (error := lost_of(stream, reply))]
    print(Counter(reply.status for _, _, reply in found), f"{len(lost)} lost")
    assert 0 < len(lost) <= CLIENTS
    for began, _, error in lost:
        assert error["type"] == "server_error"
        assert error["code"] == "lost"
        assert began < killed_at + 1
    assert any(began > killed_at and reply.status == 200 for began, _, reply in found)
    until(lambda: second in replicas() and len(replicas()) == 2, seconds=60)
    assert below
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))


def lost_of(stream: bool, reply: Reply) -> Any:
    """What a request was told that the replica lost; None of one that was answered. Anything else fails."""
    if reply.status == 503:
        assert reply.headers["retry-after"] == "1"
        return reply.error
    assert reply.status == 200, reply.body
    if not stream:
        assert len(reply.json["choices"]) == 2
        return None
    if reply.body.endswith(b"data: [DONE]\n\n"):
        return None
    return yaml.safe_load(reply.body.decode().split("data: ")[-1])["error"]


@pytest.mark.soak
def test_who_leaves_a_replica_takes_the_work_along(on_ray: Served) -> None:
    """Else every later request would wait behind ten thousand completions."""
    many = LONG | {"n": 64, "prompt": ["def f(a, b):\n"] * 200, "max_tokens": 900}
    for _ in range(2):
        with asking(f"{on_ray.url}/v1/completions", many):
            time.sleep(2)
    for seed in range(4):  # whichever replica answers
        assert ask(f"{on_ray.url}/v1/completions", LONG | {"seed": seed}).status == 200
    assert b"rl_train_requests_in_flight 0.0" in ask(f"{on_ray.url}/metrics").body


@pytest.mark.soak
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # ray.serve's own, where it is imported
def test_a_serve_config_builds_the_application(on_ray: Served, world_folder: Path) -> None:
    from rl.serve.on_ray import application

    words = ["serve", "--policy", str(world_folder), "--critic"]
    assert application({"words": words}) is not None
    with pytest.raises(UserError, match="expected keys"):
        application({"words": [*words, "--host", "0.0.0.0"]})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--on", "ray", "--port", "0"), "--port 0: Ray Serve listens"),
        (("--on", "ray", "--host", "0.0.0.0"), "expected keys"),
        (("--replicas", "2"), "expected --on ray"),
        (("--on", "ray"), "no Ray cluster can be joined"),
    ],
)
def test_what_it_cannot_start_with_is_one_line(
    world_folder: Path, words: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    done = rl_train("serve", "--policy", str(world_folder), *words)
    assert (done.returncode, says in done.stderr) == (2, True), done.stderr
    assert done.stderr.count("\n") == 1


def test_the_manifest_is_a_ray_service_that_needs_keys() -> None:
    words = ("--policy", "/shared/run", "--critic", "--replicas", "1:4")
    done = rl_train("submit", "--print-manifest", "--machines", "3", "--", "serve", *words)
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(done.stdout)
    assert found["kind"] == "RayService"
    (application,) = yaml.safe_load(found["spec"]["serveConfigV2"])["applications"]
    assert application["import_path"] == "rl.serve.on_ray:application"
    assert application["args"] == {"words": ["serve", *words, "--host", "0.0.0.0"]}
    cluster = found["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        (variable,) = container["env"]
        assert variable["name"] == "RL_TRAIN_KEYS"
        assert variable["valueFrom"]["secretKeyRef"]["name"] == "rl-train-keys"
    refused = rl_train("submit", "--", "serve", *words)
    assert refused.returncode == 2
    assert "expected --print-manifest" in refused.stderr
