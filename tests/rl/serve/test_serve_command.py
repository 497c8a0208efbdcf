"""`rl-train serve` as a process: how it starts, what it refuses to start with, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.command import rl_train, serving
from tests.processes import descendants
from tests.rl.serve.running import ask, asking, connected, until

LONG = {"model": "world", "prompt": "def f(a, b):\n", "max_tokens": 600, "temperature": 2.0, "n": 4, "seed": 1}


@pytest.mark.slow
def test_told_to_stop_it_answers_what_is_in_flight_and_leaves_nothing(world_folder: Path) -> None:
    with serving("--policy", str(world_folder), "--critic", "--workers", "1") as served:
        pid = served.process.pid
        assert pid is not None
        solve = {"problem": "a", "example_tests": ["assert 1"], "budget": 20, "max_tokens": 10, "n": 1}
        assert ask(f"{served.url}/v1/solve", solve).status == 200
        below = descendants(pid)
        with connected(served.url), asking(f"{served.url}/v1/completions", LONG) as connection:
            until(lambda: b"rl_train_requests_in_flight 1.0" in ask(f"{served.url}/metrics").body)
            os.kill(pid, signal.SIGTERM)
            response = connection.getresponse()
            assert response.status == 200
            assert len(json.loads(response.read())["choices"]) == 4
        served.process.join(30)
        assert served.process.exitcode == 0
        assert below
        assert not any(Path(f"/proc/{one}").exists() for one in below)
        assert served.stderr.read_text() == ""
        with pytest.raises(ConnectionRefusedError):
            ask(f"{served.url}/health")


@pytest.mark.slow
def test_what_does_not_end_in_time_is_told_so(world_folder: Path) -> None:
    with serving("--policy", str(world_folder), "--grace-s", "1", "--max-rows", "64") as served:
        many = LONG | {"n": 64, "prompt": ["def f(a, b):\n"] * 64, "max_tokens": 900}
        with asking(f"{served.url}/v1/completions", many) as connection:
            until(lambda: b"rl_train_requests_in_flight 1.0" in ask(f"{served.url}/metrics").body)
            served.process.terminate()
            response = connection.getresponse()
            assert response.status == 503
            assert "shutting down" in json.loads(response.read())["error"]["message"]
        served.process.join(20)
        assert served.process.exitcode == 0


def test_keys_come_from_a_file_and_the_environment(
    world_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keys").write_text("from-file\n")
    monkeypatch.setenv("RL_TRAIN_KEYS", "from-environment, another")
    with serving("--policy", str(world_folder), "--keys", str(tmp_path / "keys"), "--name", "mine") as served:
        assert ask(f"{served.url}/v1/models").status == 401
        for key in ("from-file", "from-environment", "another"):
            reply = ask(f"{served.url}/v1/models", headers={"Authorization": f"Bearer {key}"})
            assert reply.json["data"][0]["id"] == "mine"


def test_what_it_cannot_start_with_is_said_in_one_line(world_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words, says in (
            (("--policy", str(world_folder), "--port", port), "cannot listen there"),
            (("--policy", str(world_folder), "--host", "0.0.0.0"), "expected keys"),
            (("--policy", str(tmp_path / "none"), "--port", "0"), "cannot load"),
            (
                ("--policy", str(world_folder), "--port", "0", "--critic", str(tmp_path)),
                "expected the folder of a critic",
            ),
            (("--policy", str(world_folder), "--port", "0", "--repair", str(world_folder)), "expected --critic"),
            (("--policy", str(world_folder), "--port", "0", "--keys", str(tmp_path / "empty")), "expected a key"),
        ):
            done = rl_train("serve", *words)
            assert (done.returncode, says in done.stderr) == (2, True), (words, done.stderr)
            assert done.stderr.count("\n") == 1
