"""The same Grader on Ray actors: the programs of one process, run on all machines of a cluster.

An actor holds a pool of worker processes as a machine of its own would. The Grader's side has a thread per actor, which
takes programs when its actor has room for more, so work goes to whoever is free.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

import ray
from ray._private.state import available_resources_per_node, total_resources_per_node
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from envs.errors import UserError
from envs.grading import Grader
from envs.sandbox.jail import Level
from envs.sandbox.levels import IsolationError, choose_level
from envs.sandbox.pool import Feeder, Finish, Job, Pool, Specification, local_pool
from envs.sandbox.supervisor import KEPT_SPECIFICATIONS, verdict_from_row, verdict_to_row
from envs.verdict import Verdict

BATCH = 128
"""Most programs that an actor holds: two batches of 64, one that runs and one that waits for it."""
PROCESSES = 8
"""Most worker processes of one actor: what is run again when it dies stays small."""
START_S = 300.0
"""Seconds that the first actors have to start, imports included."""
ROOM_S = 30.0
"""Seconds that the only actor of a process waits for room after a death, until it shares the CPUs of this machine."""
GATHER_S, POLL_S = 0.1, 0.05
"""Seconds that an actor goes on collecting verdicts after the first; and that it waits for a first one."""
DEATHS = 5
"""Times in a row that an actor may die before it has given one verdict, until its programs count as not judged."""

Answer: TypeAlias = tuple[str, dict[str, Any], "str | None"]
"""(key of a program, its verdict as a row, digest of all that it gave)."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an actor runs."""

    node: str
    """Id of the machine in the cluster."""
    processes: int
    """Worker processes there; each takes a CPU of Ray's."""
    shares_cpus: bool = False
    """Whether they take none, so that there is room wherever Ray runs."""


def connect(asked_by: str = "graders.on", log_to_driver: bool = False) -> None:
    """Join the cluster that RAY_ADDRESS or this machine names; raises UserError, by what the user set, without one."""
    if ray.is_initialized():
        return
    try:
        _reach(os.environ.get("RAY_ADDRESS", ""))
        ray.init(address="auto", log_to_driver=log_to_driver, logging_level=logging.ERROR)
    except (OSError, RayError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"{asked_by}: no Ray cluster can be joined: {reason}; start one with `ray start --head`, name one by "
            f"RAY_ADDRESS, or do without"
        ) from None


def _reach(address: str) -> None:
    """Raise OSError soon where nobody listens at host:port, whom Ray would wait for for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "://" not in address:
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            raise OSError(f"{address}, named by RAY_ADDRESS, does not answer: {error.strerror or error}") from None


def find_places(ranks: int = 1, at_most: int | None = None) -> list[Place]:
    """Room for actors: the CPUs that are free now, but never all that a machine has. Actors alternate between machines.

    There are as many as `ranks` or more where there is room for them; `at_most` bounds the processes of all of them.
    """
    total, free = total_resources_per_node(), available_resources_per_node()
    room = {
        node: max(0, int(min(having.get("CPU", 0) - 1, free.get(node, {}).get("CPU", 0))))
        for node, having in total.items()
    }
    left = min(sum(room.values()), sum(room.values()) if at_most is None else at_most)
    largest = min(PROCESSES, max(1, left // ranks))
    places = []
    while left:
        for node in sorted(room, key=lambda node: (-room[node], node)):
            processes = min(largest, room[node], left)
            if processes:
                places.append(Place(node, processes))
                room[node] -= processes
                left -= processes
    return places


def ray_grader(places: Sequence[Place], *, min_isolation: str = "L2", isolation: str | None = None) -> Grader:
    """A Grader on actors at these places, of the strongest level that all of them reach.

    Raises UserError where no actor starts, and IsolationError where a machine cannot reach `min_isolation`.
    """
    return Grader(pool=partial(actor_pool, places, min_isolation, isolation))


class GraderActor:
    """The worker processes of one actor. Called by one thread; every program is given back once."""

    def __init__(self, processes: int) -> None:
        """Nothing runs before `begin`."""
        self.processes = processes
        self.finished: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.specifications: OrderedDict[str, Specification] = OrderedDict()
        self.outstanding = 0
        self.pool: Pool | None = None

    def best_level(self, min_isolation: str, isolation: str | None) -> tuple[str, str]:
        """(level, "") of this machine, or ("", why not)."""
        try:
            return str(choose_level(min_isolation, isolation)), ""
        except IsolationError as error:
            return "", str(error)

    def begin(self, level: str) -> str:
        """Start the processes at exactly this level; returns why that is not possible."""
        reason = self.best_level(level, level)[1]
        if not reason:
            self.pool = local_pool(Level(level), self.processes, self._finish)
        return reason

    def exchange(self, programs: Sequence[tuple[str, Specification | str, bytes]]) -> list[Answer]:
        """Take (key, specification, source) of new programs, and return what has run by now.

        A specification that was sent before, within the last KEPT_SPECIFICATIONS, is named by its key. Waits for a
        first verdict for POLL_S, then for others for GATHER_S, but leaves the processes something to run meanwhile.
        """
        assert self.pool is not None
        for key, given, program in programs:
            if isinstance(given, str):
                specification = self.specifications[given]
            else:
                specification = given
                _remember(self.specifications, given.key, given)
            self.pool.put(Job(key, specification, program))
        self.outstanding += len(programs)
        answers = self._collect(self.outstanding - self._left())
        self.outstanding -= len(answers)
        return answers

    def _left(self) -> int:
        """Programs that may still run when verdicts are given back: those that keep all processes at work."""
        if self.outstanding <= self.processes:
            return 0
        return BATCH // 2 if self.outstanding > BATCH // 2 else min(2 * self.processes, self.outstanding // 2)

    def _collect(self, wanted: int) -> list[Answer]:
        found: list[Answer] = []
        until = time.monotonic() + POLL_S
        while self.outstanding > len(found):
            try:
                if len(found) < wanted:
                    found.append(self.finished.get(timeout=max(0.0, until - time.monotonic())))
                else:
                    found.append(self.finished.get_nowait())
            except queue.Empty:
                break
            if len(found) == 1:
                until = time.monotonic() + GATHER_S
        return found

    def _finish(self, job: Job, verdict: Verdict, digest: str | None) -> None:
        self.finished.put((job.key, verdict_to_row(verdict), digest))


def actor_pool(places: Sequence[Place], min_isolation: str, isolation: str | None, finish: Finish) -> Pool:
    """Start the actors, agree on a level, and feed them."""
    actors = [_start_actor(place) for place in places]
    asked = {
        actor.best_level.remote(min_isolation, isolation): (actor, place)
        for actor, place in zip(actors, places, strict=True)
    }
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=START_S) if asked else ([], [])
    if not ready:
        raise UserError(
            f"graders: no grader could be started on the Ray cluster within {START_S:.0f} s; expected room for one "
            f"({_room()}); add machines, ask for fewer graders.workers, or set graders.on = local"
        )
    levels, why_not = zip(*ray.get(ready), strict=True)
    for reason in filter(None, why_not):
        raise IsolationError(f"a machine of the Ray cluster: {reason}")
    pool = Pool(Level(min(levels)), finish, queue_size=BATCH * len(places))
    pool.start([_ActorFeeder(pool, place, actor) for actor, place in asked.values()])
    return pool


def _start_actor(place: Place) -> Any:
    """An actor at a place, or where that machine is gone at another; it waits until there are CPUs for it."""
    strategy = NodeAffinitySchedulingStrategy(place.node, soft=True)
    cpus = 0 if place.shares_cpus else place.processes
    options = {"num_cpus": cpus, "scheduling_strategy": strategy, "max_restarts": 0}
    return ray.remote(GraderActor).options(**options).remote(place.processes)


def _room() -> str:
    free = ray.available_resources().get("CPU", 0)
    return f"{free:g} of {ray.cluster_resources().get('CPU', 0):g} CPUs are free"


class _ActorFeeder(Feeder):
    """Feeds one actor, and starts another where it dies; what it was running is put back into the queue."""

    def __init__(self, pool: Pool, place: Place, actor: Any) -> None:
        super().__init__(name=f"grader-on-{place.node[:8]}", daemon=True)
        self.pool, self.place = pool, place
        self.actor: Any = actor
        self.begun = False
        self.sent: OrderedDict[str, None] = OrderedDict()
        self.outstanding: dict[str, Job] = {}
        self.deaths = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        """Grade until told to stop."""
        try:
            while not self.stopped.is_set() and ray.is_initialized():
                try:
                    if not self.begun:
                        self._begin()
                    elif not self._exchange(self._next_jobs()):
                        return
                except (RayError, _StartError) as error:
                    self._lose_actor(str(error))
        finally:
            self._end_actor()

    def stop(self) -> None:
        """Make `run` return soon: programs that are running are given up."""
        self.stopped.set()
        actor = self.actor
        if actor is not None:
            _kill(actor)

    def _begin(self) -> None:
        """Wait until the actor runs, however long the cluster has no room for it while others do the work."""
        if self.actor is None:
            self.actor = _start_actor(self.place)
        began = self.actor.begin.remote(str(self.pool.level))
        waiting_since = time.monotonic()
        while not self.stopped.is_set():
            ready, _ = ray.wait([began], timeout=0.5)
            if ready:
                if reason := ray.get(began):
                    raise _StartError(reason)
                self.begun = True
                return
            waited_s = time.monotonic() - waiting_since
            if not self.place.shares_cpus and waited_s > ROOM_S and self._is_last():
                self.place = Place(ray.get_runtime_context().get_node_id(), 1, shares_cpus=True)
                raise _StartError(f"no room for a grader ({_room()}); one runs beside what uses the CPUs here")
            if waited_s > START_S and self._is_last():
                raise _StartError(f"no grader starts within {START_S:.0f} s")

    def _is_last(self) -> bool:
        """Whether no actor runs."""
        return not any(isinstance(feeder, _ActorFeeder) and feeder.begun for feeder in self.pool.feeders)

    def _next_jobs(self) -> list[Job]:
        """Wait for a program, or with some on the way take more only if there are.

        A fair share of the queue at most, so that its end is spread; but never so little that a process must wait.
        """
        jobs: list[Job] = []
        share = self.pool.queue.qsize() // len(self.pool.feeders)
        share = max(share, 2 * self.place.processes - len(self.outstanding))
        while len(jobs) < min(share, BATCH - len(self.outstanding)):
            try:
                job = self.pool.get(block=not jobs and not self.outstanding)
            except queue.Empty:
                break
            if job is None:
                break
            jobs.append(job)
        return jobs

    def _exchange(self, jobs: Sequence[Job]) -> bool:
        """Hand programs over and take verdicts; False where there is neither."""
        if not jobs and not self.outstanding:
            return False
        self.outstanding |= {job.key: job for job in jobs}
        programs = [(job.key, self._once(job.specification), job.program) for job in jobs]
        for key, row, digest in ray.get(self.actor.exchange.remote(programs)):
            self.deaths = 0
            self.pool.report(self.outstanding.pop(key), verdict_from_row(row), digest)
        return True

    def _once(self, specification: Specification) -> Specification | str:
        """A specification, or its key where the actor holds it already."""
        if specification.key in self.sent:
            return specification.key
        _remember(self.sent, specification.key, None)
        return specification

    def _lose_actor(self, reason: str) -> None:
        """Have what was running run again elsewhere: a death says nothing about a program.

        Where no actor lives and this one dies time after time, its programs count as not judged.
        """
        if self.stopped.is_set():
            return
        self._end_actor()
        self.deaths += 1
        lost, self.outstanding = list(self.outstanding.values()), {}
        reason = " ".join(reason.split())
        logger.warning("a grader on machine %s is lost, %d programs run again: %s", self.place.node, len(lost), reason)
        if self.deaths < DEATHS or not self._is_last():
            for job in lost:
                self.pool.put_again(job)
        else:
            for job in lost or self._one_queued():
                self.pool.report(job, job.unjudged(self.pool.level, f"graders die one after another: {reason}"), None)
        self.stopped.wait(min(0.1 * 2**self.deaths, 5.0))

    def _one_queued(self) -> list[Job]:
        try:
            job = self.pool.get(block=False)
        except queue.Empty:
            return []
        return [] if job is None else [job]

    def _end_actor(self) -> None:
        actor, self.actor = self.actor, None
        self.begun = False
        self.sent.clear()
        if actor is not None:
            _kill(actor)


class _StartError(Exception):
    """An actor could not be started; the sentence says why."""


def _kill(actor: Any) -> None:
    with contextlib.suppress(RayError, RuntimeError):  # the cluster may be gone
        ray.kill(actor)


_Kept = TypeVar("_Kept")


def _remember(kept: OrderedDict[str, _Kept], key: str, value: _Kept) -> None:
    """Keep the last KEPT_SPECIFICATIONS; both sides do, so that each knows what the other has."""
    while len(kept) >= KEPT_SPECIFICATIONS:
        kept.popitem(last=False)
    kept[key] = value
