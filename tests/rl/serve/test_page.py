"""The page: what is sent for it, and people's ways through it in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from critics.model import build_critic
from envs.problem_sets import load_problems
from envs.prompts import plain
from rl.models import load_policy
from rl.serve.page import FILES
from rl.serve.service import Service
from rl.write import by_reference
from tests.command import Served, serving
from tests.environments import environment
from tests.rl.serve.conftest import a_service
from tests.rl.serve.running import ask, events, running, until
from tests.rl.serve.test_solve import SUM
from tests.small_world import World, fit_policy

FLOWS = Path(__file__).parent / "page_flows.py"
HOSTILE = "<img src=x onerror=window.owned=1>"


def test_the_page_loads_nothing_from_elsewhere_and_runs_only_its_own_scripts(inside: tuple[str, Service]) -> None:
    url, _ = inside
    for path, (_, kind) in FILES.items():
        reply = ask(url + path)
        headers = {name.lower(): value for name, value in reply.headers.items()}
        assert reply.status == 200
        assert headers["content-type"].startswith(kind)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        text = reply.body.decode().replace("http://www.w3.org/2000/svg", "")
        for forbidden in ("http://", "https://", "innerHTML", "insertAdjacent", "document.write", " style=", "onclick"):
            assert forbidden not in text, (path, forbidden)


def test_problems_to_begin_with_have_example_tests_only(inside: tuple[str, Service]) -> None:
    url, _ = inside
    found = ask(f"{url}/v1/problems").json["data"]
    known = {problem.id: problem for problem in load_problems("basics", "test")}
    assert len(found) == 12
    for row in found:
        assert set(row) == {"id", "problem", "interface", "entry_point", "starter_code", "example_tests"}
        assert len(row["example_tests"]) == len(list(known[row["id"]].example_tests))


def test_a_search_is_told_as_it_goes_on(inside: tuple[str, Service]) -> None:
    url, _ = inside
    whole = ask(f"{url}/v1/solve", SUM).json
    *told, answer = events(ask(f"{url}/v1/solve", SUM | {"stream": True}).body)
    for changing in ("id", "created"):
        del whole[changing], answer[changing]
    assert answer == whole
    kinds: dict[str, list[Any]] = {"solve.round": [], "solve.written": [], "solve.program": []}
    for event in told:
        kinds[event["object"]].append(event)
    rounds, written, judged = kinds.values()
    assert [event["round"] for event in rounds] == list(range(1, answer["ledger"]["rounds"] + 1))
    assert [event["index"] for event in written] == [event["index"] for event in judged] == list(range(len(judged)))
    assert [move for event in rounds for move in event["moves"]] == [event["move"] for event in judged]
    by_index = {program["index"]: program for program in answer["programs"]}
    for first, second in zip(written, judged, strict=True):
        assert first["program"] == second["program"]
        assert second.items() >= by_index[second["index"]].items()
        text = "".join(token["text"] for token in second["tokens"])
        assert SUM["starter_code"] + text == second["program"]
        assert all(0 <= token["pass_prob"] <= 1 for token in second["tokens"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: to be looked at, under RL_TRAIN_SCREENSHOTS."""
    kept = os.environ.get("RL_TRAIN_SCREENSHOTS")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of an environment that can drive the system's Chromium."""
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed; on Debian: apt-get install chromium")
    return environment("playwright==1.65.2") / "python"


def flow(python: Path, name: str, url: str, folder: Path) -> subprocess.Popen[str]:
    words = [str(python), str(FLOWS), name, url, str(folder)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


@pytest.mark.soak
@pytest.mark.parametrize("name", ["solves", "shows", "corrects", "stops"])
def test_people_find_their_way(name: str, served: Served, python: Path, folder: Path) -> None:
    finished(flow(python, name, served.url, folder))


@pytest.mark.soak
def test_a_lost_connection_is_told_and_what_arrived_stays(world_folder: Path, python: Path, folder: Path) -> None:
    with serving("--policy", str(world_folder), "--critic", "--workers", "1") as served:
        process = flow(python, "loses", served.url, folder)
        assert process.stdout is not None
        said = process.stdout.readline()
        served.process.kill()
        assert said == "searching\n", said + process.stdout.read()
        finished(process)


@pytest.mark.soak
def test_a_server_with_keys_is_asked_with_one(
    world_folder: Path, python: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RL_TRAIN_KEYS", "right")
    with serving("--policy", str(world_folder), "--critic", "--workers", "1") as served:
        finished(flow(python, "shows_its_key", served.url, folder))


@pytest.fixture
def hostile(small_world: World) -> Iterator[str]:
    """A server whose model has learned to write markup, by name and by program."""
    solution = f'def f(a, b):\n    return "{HOSTILE}"\n'
    statement = f"Give a + b.{HOSTILE}"
    problem = replace(small_world.problems[0], statement=statement, solutions=(solution,))
    policy = load_policy("scratch:nano", [plain(problem).text + solution] * 8, seed=1)
    imitated = list(by_reference(policy, ask=plain)([problem], 0))
    fit_policy(policy, imitated, steps=60)
    critic = build_critic("scratch:nano", policy.tokenizer, seed=1).eval()
    service = a_service(replace(small_world, policy=policy, critic=critic))
    service.name = HOSTILE
    with running(lambda _: service) as url:
        until(lambda: ask(f"{url}/ready").status == 200)
        yield url


@pytest.mark.soak
def test_what_models_and_programs_write_stays_text(hostile: str, python: Path, folder: Path) -> None:
    finished(flow(python, "stays_text", hostile, folder))
