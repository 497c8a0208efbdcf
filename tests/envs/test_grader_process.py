"""The grader as a service: many callers, deaths in mid-batch, duplicates, the cache, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from pathlib import Path

import pytest

from envs.grading import Grader, GradeRequest
from envs.problem import Problem, problem_from_row
from envs.verdict import Outcome, Verdict
from tests.envs.conftest import LEVELS
from tests.processes import descendants


def problem(cpu_s: float = 2.0) -> Problem:
    tests = [{"input": [1], "output": 2}]
    row = {"id": "f", "statement": "", "entry_point": "f", "hidden_tests": tests, "limits": {"cpu_s": cpu_s}}
    return problem_from_row(row)


def request(program: str, of: Problem | None = None) -> GradeRequest:
    of = of or problem()
    return GradeRequest(of, program, of.hidden_tests)


@pytest.mark.slow
@pytest.mark.parametrize("level", [level for level in LEVELS if level != "L1"])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_kill_in_mid_batch_loses_no_verdict(level: str, depth: int) -> None:
    """Depth 0 is the supervisor, then what is below it: bubblewrap, the zygote, a program."""
    busy = "def f(x):\n    for _ in range(3 * 10**6): pass\n    return x + {}  # {}"
    others = descendants(os.getpid())
    with Grader(2, isolation=level) as grader:
        futures = [grader.submit(request(busy.format(1 + index % 2, index))) for index in range(12)]
        for _ in range(3):
            time.sleep(0.15)
            victims = descendants(os.getpid(), but=others)
            if len(victims) > depth:
                os.kill(victims[depth], signal.SIGKILL)
        outcomes = [future.result(timeout=60).outcome for future in futures]
    assert outcomes == [Outcome.PASSED, Outcome.WRONG_ANSWER] * 6


def test_close_leaves_no_process_and_no_descriptor() -> None:
    before = (set(os.listdir("/proc/self/fd")), descendants(os.getpid()), threading.active_count())
    with Grader(2) as grader:
        futures = [grader.submit(request(f"def f(x): return x + 1 # {index}")) for index in range(20)]
        assert all(future.result().passed for future in futures)
        below = descendants(os.getpid(), but=before[1])
    assert len(below) >= 4
    assert not any(Path(f"/proc/{pid}").exists() for pid in below)
    assert (set(os.listdir("/proc/self/fd")), descendants(os.getpid()), threading.active_count()) == before


def test_close_in_mid_batch_cancels_and_leaves_nothing() -> None:
    others = descendants(os.getpid())
    grader = Grader(1)
    futures = [grader.submit(request(f"while True: pass # {index}", problem(60))) for index in range(3)]
    while len(descendants(os.getpid(), but=others)) < 3:
        time.sleep(0.01)
    time.sleep(0.2)
    below = descendants(os.getpid(), but=others)
    began = time.monotonic()
    grader.close()
    assert time.monotonic() - began < 2
    for future in futures:
        with pytest.raises(CancelledError):
            future.result()
    while any(Path(f"/proc/{pid}").exists() for pid in below):  # a killed orphan is reaped by whoever adopts it
        assert time.monotonic() - began < 10
        time.sleep(0.01)
    with pytest.raises(RuntimeError, match="closed"):
        grader.submit(request("x = 1"))


def test_death_of_the_owner_ends_the_workers(tmp_path: Path) -> None:
    script = tmp_path / "owner.py"
    script.write_text(
        "import sys, time\nfrom tests.envs.test_grader_process import *\n"
        "grader = Grader(1)\ngrader.grade([request('def f(x): return x + 1')])\n"
        "grader.submit(request('while True: pass', problem(60)))\ntime.sleep(0.3)\n"
        "print(*descendants(os.getpid()), flush=True)\ntime.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    owner = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert owner.stdout is not None
    below = [int(pid) for pid in owner.stdout.readline().split()]
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert len(below) >= 3
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in below) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == []


def test_identical_programs_in_flight_run_once(tmp_path: Path) -> None:
    program = "import time\ndef f(x):\n    for _ in range(10**6): pass\n    return x + 1"
    with Grader(1) as grader:
        blocker = grader.submit(request("import time\ntime.sleep(0.3)\ndef f(x): return x + 1"))
        verdicts = [future.result() for future in [grader.submit(request(program)) for _ in range(8)]]
        assert blocker.result().passed
    assert all(verdict is verdicts[0] for verdict in verdicts)


def test_cache_gives_out_only_what_proved_deterministic(tmp_path: Path) -> None:
    steady, fickle = request("def f(x): return x + 1"), request("import os\ndef f(x): return os.urandom(8)")
    slow = request("while True: pass", problem(0.1))
    path = tmp_path / "verdicts.sqlite"
    with Grader(1, cache_path=path) as grader:
        first, second, third = (grader.grade([steady])[0] for _ in range(3))
        assert first is not second
        assert second is third
        a, b, c = (grader.grade([fickle])[0] for _ in range(3))
        assert a is not b
        assert b is not c
        d, e, f = (grader.grade([slow])[0] for _ in range(3))
        assert {d.outcome, e.outcome, f.outcome} == {Outcome.TIMEOUT}
        assert e is not f
    with Grader(1, cache_path=path) as grader:
        assert grader.grade([steady]) == [third]


def test_full_queue_blocks_the_producer_and_nothing_is_lost() -> None:
    with Grader(1, queue_size=2) as grader:
        futures: list[Future[Verdict]] = []
        largest = 0
        for index in range(40):
            futures.append(grader.submit(request(f"def f(x): return x + 1 # {index}")))
            largest = max(largest, sum(not future.done() for future in futures))
        assert all(future.result().passed for future in futures)
    assert largest <= 2 + 2 + 1  # queued, on the way to the worker, and the one just handed in


def test_threads_and_asyncio_share_one_grader() -> None:
    right: list[bool] = []
    with Grader(2) as grader:

        def ask(number: int) -> None:
            programs = [f"def f(x): return x + {1 + index % 2} # {number}" for index in range(10)]
            outcomes = [verdict.passed for verdict in grader.grade(map(request, programs))]
            right.append(outcomes == [True, False] * 5)

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        async def ask_all() -> list[Verdict]:
            futures = [grader.submit(request(f"def f(x): return x + 1 # async {index}")) for index in range(10)]
            return await asyncio.gather(*map(asyncio.wrap_future, futures))

        assert all(verdict.passed for verdict in asyncio.run(ask_all()))
    assert right == [True] * 6


def test_cancelled_request_disturbs_nobody() -> None:
    with Grader(1) as grader:
        blocker = grader.submit(request("import time\ntime.sleep(0.3)\ndef f(x): return x + 1"))
        first, second = (grader.submit(request("def f(x): return x + 1")) for _ in range(2))
        assert first.cancel()
        assert second.result().passed
        assert blocker.result().passed


def test_workers_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="workers: expected at least 1; got 0"):
        Grader(0)
