"""Grader: many programs in, verdicts out.

Each request is one program under one list of tests. The tests' expected values stay in trusted processes; a program
only ever receives inputs.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from envs.problem import ExampleTests, HiddenTests, Problem
from envs.sandbox.levels import choose_level
from envs.sandbox.pool import Finish, Job, Pool, Specification, local_pool
from envs.sandbox.supervisor import specification_text
from envs.sandbox.verdict_cache import VerdictCache
from envs.verdict import Verdict


@dataclass(frozen=True, slots=True)
class GradeRequest:
    """One program to run under one list of tests of its problem."""

    problem: Problem
    """How the program is called, and its limits."""
    program: str | bytes
    """Source exactly as extracted; bytes are run as they are."""
    tests: ExampleTests | HiddenTests
    """Which tests decide: hidden ones for rewards and evaluation, example ones for feedback."""

    def __post_init__(self) -> None:
        if not self.tests:
            raise ValueError(f"problem {self.problem.id}: no tests to grade by; an empty list would pass every program")


MakePool: TypeAlias = Callable[[Finish], Pool]
"""What is to be told of every verdict -> the pool that finds them."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A test list written for a supervisor. It keeps both objects alive, so that their ids stay theirs."""

    problem: Problem
    tests: ExampleTests | HiddenTests
    specification: Specification


class Grader:
    """Grades programs in worker processes; thread-safe. Use it as a context manager, or call `close`.

    `submit` blocks while the queue is full, so a producer can never run far ahead; from asyncio use
    `await asyncio.wrap_future(await asyncio.to_thread(grader.submit, request))`.
    """

    level: str
    """Isolation level found by probing: L1, L2 or L3."""

    def __init__(
        self,
        workers: int | None = None,
        *,
        min_isolation: str = "L2",
        isolation: str | None = None,
        queue_size: int | None = None,
        cache_size: int = 65536,
        cache_path: Path | None = None,
        pool: MakePool | None = None,
    ) -> None:
        """Start `workers` workers (one per core by default) at the best level that works here.

        `isolation` asks for exactly one level. Raises `IsolationError`, one sentence, when the machine cannot reach
        `min_isolation`. `cache_path` is a file that keeps verdicts of programs that proved deterministic. `pool` makes
        other workers than processes of this machine; then the first four arguments are its own business.
        """
        self._lock = threading.Lock()
        self._in_flight: dict[str, list[Future[Verdict]]] = {}
        self._written: OrderedDict[tuple[int, int], _Written] = OrderedDict()
        self._cache = VerdictCache(cache_size, cache_path)
        self._closed = False
        make = pool or partial(_processes, workers, min_isolation, isolation, queue_size)
        self._pool = make(self._finish)
        self.level = str(self._pool.level)

    def __enter__(self) -> Grader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, request: GradeRequest) -> Future[Verdict]:
        """Queue one program; identical ones that are in flight are run once. Blocks while the queue is full."""
        program = request.program
        source = program.encode("utf-8", "surrogatepass") if isinstance(program, str) else bytes(program)
        future: Future[Verdict] = Future()
        with self._lock:
            if self._closed:
                raise RuntimeError("the grader is closed")
            specification = self._specification(request)
            key = hashlib.sha256(f"{self.level} {specification.key} ".encode() + source).hexdigest()
            known = self._cache.get(key)
            if known is not None:
                future.set_result(known)
                return future
            same = self._in_flight.get(key)
            if same is not None:
                same.append(future)
                return future
            self._in_flight[key] = [future]
        self._pool.put(Job(key, specification, source, partial(self._forget_abandoned, key)))
        return future

    def grade(self, requests: Iterable[GradeRequest]) -> list[Verdict]:
        """Grade all requests and return their verdicts in order."""
        return [future.result() for future in [self.submit(request) for request in requests]]

    def cancel(self, futures: Iterable[Future[Verdict]]) -> None:
        """Give up some programs: unless somebody else waits for one, it is not run, and is stopped where it runs."""
        for future in futures:
            future.cancel()
        with self._lock:
            abandoned = {key for key, waiting in self._in_flight.items() if _is_cancelled(waiting)}
        self._pool.give_up(abandoned)

    def close(self) -> None:
        """Stop the workers; what is still queued is cancelled. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._pool.close()
        with self._lock:
            abandoned, self._in_flight = list(self._in_flight.values()), {}
        for waiting in abandoned:
            for future in waiting:
                future.cancel()
        self._cache.close()

    def _specification(self, request: GradeRequest) -> Specification:
        """Write a problem's tests once, not once per program."""
        ids = (id(request.problem), id(request.tests))
        found = self._written.get(ids)
        if found is None:
            text = specification_text(request.problem, request.tests)
            specification = Specification(hashlib.sha256(text.encode()).hexdigest(), text, len(request.tests))
            found = self._written[ids] = _Written(request.problem, request.tests, specification)
            if len(self._written) > 4096:
                self._written.popitem(last=False)
        return found.specification

    def _forget_abandoned(self, key: str) -> bool:
        """Whether nobody waits for a program any more; then nobody finds it in flight either."""
        with self._lock:
            if abandoned := _is_cancelled(self._in_flight.get(key, [])):
                self._in_flight.pop(key, None)
            return abandoned

    def _finish(self, job: Job, verdict: Verdict, digest: str | None) -> None:
        """Give a verdict to all who wait for it."""
        with self._lock:
            waiting = self._in_flight.pop(job.key, [])
            if digest is not None:
                self._cache.add(job.key, verdict, digest)
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(verdict)


def _is_cancelled(waiting: Iterable[Future[Verdict]]) -> bool:
    return all(future.cancelled() for future in waiting)


def _processes(
    workers: int | None, min_isolation: str, isolation: str | None, queue_size: int | None, finish: Finish
) -> Pool:
    """Worker processes of this machine."""
    if workers is None:
        workers = len(os.sched_getaffinity(0))
    if workers < 1:
        raise ValueError(f"workers: expected at least 1; got {workers}")
    return local_pool(choose_level(min_isolation, isolation), workers, finish, queue_size or 64 * workers)
