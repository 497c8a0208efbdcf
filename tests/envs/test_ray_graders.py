"""The grader on a real Ray cluster of three raylets: the same verdicts, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import ray
from ray._private.state import actors
from ray.cluster_utils import Cluster

from envs import ray_graders
from envs.errors import UserError
from envs.grading import Grader, GradeRequest
from envs.ray_graders import Place, actor_pool, connect, find_places, ray_grader
from envs.sandbox.pool import Finish, Job, Pool
from envs.verdict import Outcome, Verdict
from tests.command import in_a_fork
from tests.envs.test_grader_process import problem, request
from tests.envs.test_soak import requests
from tests.ray_cluster import MEMORY, three_raylets

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

BUSY = "def f(x):\n    for _ in range(10**6): pass\n    return x + {}  # {}"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with three_raylets() as cluster:
        yield cluster


class Counted:
    """A Grader on actors that counts how often each program got a verdict."""

    def __init__(self, places: list[Place]) -> None:
        self.verdicts: Counter[str] = Counter()
        self.grader = Grader(pool=partial(self._pool, places))

    def _pool(self, places: list[Place], finish: Finish) -> Pool:
        def count(job: Job, verdict: Verdict, digest: str | None) -> None:
            self.verdicts[job.key] += 1
            finish(job, verdict, digest)

        return actor_pool(places, "L2", None, count)


def grader_processes() -> list[int]:
    """Processes of the actors that live."""
    return [actor["Pid"] for actor in actors().values() if actor["State"] == "ALIVE" and actor["Pid"]]


def survives(places: list[Place], harm: Callable[[], None], n: int = 120) -> bool:
    """Whether each of n programs gets its right verdict once, while something happens to the cluster."""
    counted = Counted(places)
    with counted.grader as grader, ThreadPoolExecutor(1) as pool:
        futures = [grader.submit(request(BUSY.format(1 + index % 2, index))) for index in range(n)]
        harmed = pool.submit(harm)
        outcomes = [future.result(timeout=300).outcome for future in futures]
        harmed.result()
    return (
        outcomes == [Outcome.PASSED, Outcome.WRONG_ANSWER] * (n // 2)
        and set(counted.verdicts.values()) == {1}
        and len(counted.verdicts) == n
    )


def test_verdicts_are_those_of_worker_processes(cluster: Cluster) -> None:
    asked = list(requests(60))
    with ray_grader(find_places()) as grader:
        verdicts = grader.grade([one for one, _ in asked])
        assert grader.level in {verdict.level for verdict in verdicts}
    assert [verdict.outcome for verdict in verdicts] == [expected for _, expected in asked]


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_places_leave_a_cpu_of_every_machine_free(cluster: Cluster) -> None:
    wait_until(lambda: len(find_places(ranks=6)) == 6)  # the actors of the test before are gone
    assert sorted(place.processes for place in find_places()) == [2, 2, 2]
    assert len({place.node for place in find_places()}) == 3
    assert sorted(place.processes for place in find_places(ranks=4)) == [1] * 6
    assert sum(place.processes for place in find_places(at_most=4)) == 4


def test_killed_actors_cost_no_verdict(cluster: Cluster) -> None:
    killed = []

    def kill() -> None:
        for _ in range(3):
            wait_until(lambda: bool(set(grader_processes()) - set(killed)))
            killed.append(next(pid for pid in grader_processes() if pid not in killed))
            os.kill(killed[-1], signal.SIGKILL)
            time.sleep(0.3)

    assert survives(find_places(), kill)
    assert len(killed) == 3


def test_a_removed_machine_costs_no_verdict(cluster: Cluster) -> None:
    machine = cluster.add_node(num_cpus=3, object_store_memory=MEMORY)
    cluster.wait_for_nodes()
    places = find_places()
    assert machine.node_id in {place.node for place in places}
    assert survives(places, lambda: cluster.remove_node(machine))


def test_the_last_grader_shares_cpus_where_its_machine_is_lost_and_no_other_has_room(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_graders, "ROOM_S", 1.0)
    wait_until(lambda: sum(place.processes for place in find_places()) == 6)  # the actors of the test before are gone
    busy = [ray.remote(Busy).options(num_cpus=3).remote() for _ in range(3)]
    ray.get([one.there.remote() for one in busy])
    machine = cluster.add_node(num_cpus=3, object_store_memory=MEMORY)
    cluster.wait_for_nodes()
    (place,) = find_places()
    assert place.node == machine.node_id
    assert survives([place], lambda: cluster.remove_node(machine))
    for one in busy:
        ray.kill(one)
    wait_until(lambda: len(find_places()) == 3)


class Busy:
    """Holds CPUs."""

    def there(self) -> bool:
        return True


def test_close_in_mid_batch_cancels_and_leaves_nothing(cluster: Cluster) -> None:
    threads = threading.active_count()
    grader = ray_grader(find_places())
    futures = [grader.submit(request(f"while True: pass # {index}", problem(60))) for index in range(9)]
    time.sleep(1.0)
    actors = grader_processes()
    assert len(actors) == 3
    grader.close()
    for future in futures:
        with pytest.raises(CancelledError):
            future.result()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in actors))
    assert threading.active_count() <= threads


def test_too_many_specifications_are_sent_again(cluster: Cluster) -> None:
    """More test lists than an actor remembers, each asked for twice, far apart."""
    from envs.problem import problem_from_row

    row = {"id": "f", "statement": "", "entry_point": "f"}
    sets = [problem_from_row(row | {"hidden_tests": [{"input": [n], "output": n + 1}]}) for n in range(300)]
    asked = [
        GradeRequest(one, f"def f(x): return x + 1  # {turn}", one.hidden_tests) for turn in (1, 2) for one in sets
    ]
    with ray_grader(find_places(at_most=1)) as grader:
        assert all(verdict.passed for verdict in grader.grade(asked))


def join_nothing() -> int:
    try:
        connect()
    except UserError as error:
        print(error)
        return 2
    return 0


def test_without_a_cluster_it_is_one_line() -> None:
    os.environ["RAY_ADDRESS"] = "127.0.0.1:1"
    try:
        done = in_a_fork(join_nothing)
    finally:
        del os.environ["RAY_ADDRESS"]
    assert done.returncode == 2
    assert done.stdout.startswith("graders.on: no Ray cluster can be joined: ")
    assert done.stdout.count("\n") == 1
