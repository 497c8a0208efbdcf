"""/v1/solve: what is found, how it came about, what it cost; and that who leaves takes the work along."""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from envs.grading import Grader, GradeRequest
from envs.problem import problem_from_row
from rl.models import Policy
from rl.serve.service import Service
from tests.processes import descendants
from tests.rl.serve.conftest import a_service
from tests.rl.serve.running import ask, asking, running, until
from tests.small_world import World

SUM = {
    "problem": "Give a + b.",
    "entry_point": "f",
    "starter_code": "def f(a, b):\n",
    "example_tests": [{"input": [2, 3], "output": 5}],
    "n": 8,
    "max_tokens": 24,
    "seed": 2,
    "temperature": 1.0,
    "budget": 1500,
}
ENDLESS = "import time\ntime.sleep(50)\n"
"""A test that takes all the time there is."""


@pytest.fixture(scope="module")
def url(inside: tuple[str, Service]) -> str:
    return inside[0]


def solved(url: str, **changes: Any) -> Any:
    reply = ask(f"{url}/v1/solve", SUM | changes)
    assert reply.status == 200, reply.body
    return reply.json


def test_programs_are_ranked_with_their_verdicts_and_the_ledger_adds_up(url: str) -> None:
    found = solved(url)
    programs, ledger = found["programs"], found["ledger"]
    assert found["solved"] is True
    assert programs[0]["examples"]["outcome"] == "passed"
    assert programs[0]["program"].startswith("def f(a, b):\n")
    keys = [(program["examples"]["outcome"] != "passed", -program["pass_prob"]) for program in programs]
    assert keys == sorted(keys)
    assert ledger["tokens"] == found["usage"]["completion_tokens"] == sum(p["n_generated"] for p in programs) <= 1500
    assert sum(spent["programs"] for spent in ledger["spent"].values()) == len(programs)


def test_the_history_tells_where_seeds_were_cut(url: str) -> None:
    found = solved(url)
    history = found["history"]
    assert [one["index"] for one in history] == list(range(len(history)))
    by_index = {program["index"]: program["program"] for program in found["programs"]}
    refined = [one for one in history if one["move"] == "refine"]
    assert refined
    for one in refined:
        seed = SUM["starter_code"] + one["kept_text"]
        assert one["kept_tokens"] > 0
        assert by_index[one["parent"]].startswith(seed)
        assert by_index[one["index"]].startswith(seed)


def test_failed_programs_are_repaired_where_none_passes(url: str) -> None:
    impossible = [{"input": [2, 3], "output": 77}]
    moves = {one["move"] for one in solved(url, example_tests=impossible, budget=500)["history"]}
    assert moves == {"sample", "repair"}
    found = solved(url, example_tests=impossible, budget=500, repair=False)
    assert {one["move"] for one in found["history"]} == {"sample"}
    assert found["solved"] is False


def test_the_same_seed_finds_the_same(url: str) -> None:
    first, second, other = solved(url), solved(url), solved(url, seed=4)
    assert first["programs"] == second["programs"] != other["programs"]


def test_a_budget_of_rounds_and_of_tokens_is_kept(url: str) -> None:
    assert solved(url, rounds=0, budget=400)["ledger"]["rounds"] == 1
    assert solved(url, budget=30)["usage"]["completion_tokens"] <= 30


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"example_tests": [{"input": [1], "output": 1}] * 65}, "at most 64"),
        ({"limits": {"cpu_s": 1000}}, "limits.cpu_s: expected at most 10"),
        ({"n": 65}, "n: expected at most 64"),
        ({"budget": 10**9}, "budget: expected at most"),
        ({"example_tests": [5]}, "example_tests[0]: expected"),
        ({"problem": "long " * 2000}, "no room"),
        ({"cut": "nowhere"}, "cut: "),
    ],
)
def test_what_is_not_given_is_refused(url: str, changes: Any, says: str) -> None:
    reply = ask(f"{url}/v1/solve", SUM | changes)
    assert reply.status == 400
    assert says in reply.error["message"]


def test_a_server_without_a_critic_says_so(small_world: World) -> None:
    with running(lambda _: Service("world", small_world.policy)) as url:
        until(lambda: ask(f"{url}/ready").status == 200)
        reply = ask(f"{url}/v1/solve", SUM)
        assert reply.status == 400
        assert "--critic" in reply.error["message"]


def test_a_hostile_program_is_a_verdict_and_a_crashing_grader_costs_nobody_an_answer(small_world: World) -> None:
    """Tests that attack; then supervisors that are killed again and again while one is solved and others ask."""
    before = descendants(os.getpid())
    service = a_service(small_world)
    with running(lambda _: service) as url:
        until(lambda: ask(f"{url}/ready").status == 200)
        attack = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nos._exit(0)\n"
        found = solved(url, example_tests=[attack], interface="assert", budget=200, n=2)
        assert found["solved"] is not True
        crashed: list[Any] = []
        solving = threading.Thread(target=lambda: crashed.append(solved(url, budget=200, n=4)))
        solving.start()
        for _ in range(5):
            for pid in descendants(os.getpid(), but=before)[:2]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            assert ask(f"{url}/v1/completions", {"model": "world", "prompt": "a", "max_tokens": 4}).status == 200
        solving.join(60)
        assert len(crashed) == 1
        assert solved(url)["solved"] is True


def endless(policy: Policy) -> Policy:
    """A policy like another that never ends a text."""
    model = copy.deepcopy(policy.model)

    def without_end(_module: nn.Module, _inputs: object, logits_BSV: torch.Tensor) -> torch.Tensor:
        return logits_BSV.index_fill(-1, torch.tensor([policy.end_id]), float("-inf"))

    model.get_output_embeddings().register_forward_hook(without_end)
    return Policy(model, policy.tokenizer)


def test_who_leaves_takes_completions_along(small_world: World) -> None:
    service = a_service(replace(small_world, policy=endless(small_world.policy)))
    long = {"max_tokens": 900, "n": 16}
    with running(lambda _: service) as url:
        until(lambda: ask(f"{url}/ready").status == 200)
        for path, body in (
            ("/v1/completions", {"model": "world", "prompt": "a"} | long),
            ("/v1/completions", {"model": "world", "prompt": "a", "stream": True} | long),
            ("/v1/solve", SUM | {"budget": 16 * 900} | long),
        ):
            with asking(f"{url}{path}", body):
                until(lambda: service.engine.load[0] > 0)
                work = service.engine._open[0][0]
            until(lambda: service.engine.load == (0, 0))
            assert work.cancelled
            assert all(row.stop is None for rows in work.rows for row in rows)


def test_who_leaves_stops_the_program_that_runs(inside: tuple[str, Service]) -> None:
    url, service = inside
    assert service.grader is not None
    body = SUM | {"example_tests": [ENDLESS], "interface": "assert", "limits": {"cpu_s": 10}, "n": 1, "budget": 24}
    grader = service.grader
    with asking(f"{url}/v1/solve", body):
        until(lambda: any(worker.outstanding for worker in grader._pool.feeders))
    until(lambda: not any(worker.outstanding for worker in grader._pool.feeders), seconds=15)
    assert solved(url)["solved"] is True


def test_a_grader_runs_nothing_that_was_cancelled(tmp_path: Path) -> None:
    problem = problem_from_row(
        {
            "id": "f",
            "statement": "",
            "entry_point": "f",
            "hidden_tests": [{"input": [1], "output": 2}],
            "limits": {"cpu_s": 9},
        }
    )

    def request(program: str) -> GradeRequest:
        return GradeRequest(problem, program, problem.hidden_tests)

    with Grader(1) as grader:
        running = grader.submit(request("import time\ntime.sleep(20)\n"))
        queued = [grader.submit(request(f"import time\ntime.sleep(20 + {i})\n")) for i in range(5)]
        wanted = grader.submit(request("def f(x): return x + 1"))
        shared = grader.submit(request("def f(x): return x + 1"))
        grader.cancel([running, *queued, shared])
        assert wanted.result(timeout=10).passed
        assert grader.submit(request("def f(x): return x + 1")).result(timeout=10).passed
