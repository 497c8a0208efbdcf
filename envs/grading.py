"""Grader: many programs in, verdicts out.

Each request is one program under one list of tests. The tests' expected values stay in trusted processes; a program
only ever receives inputs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import socket
import subprocess
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from envs.problem import ExampleTests, HiddenTests, Problem
from envs.sandbox.jail import Level
from envs.sandbox.levels import choose_level
from envs.sandbox.supervisor import (
    KEPT_SPECIFICATIONS,
    could_not_tell,
    receive_frame,
    send_frame,
    specification_text,
    verdict_from_row,
)
from envs.sandbox.verdict_cache import VerdictCache
from envs.verdict import Outcome, Verdict

_RETRIES = 2
"""Times that a program is run again when a worker dies or cannot tell; no program can bring that about."""
_GRACE_S = 2.0
"""Seconds that a supervisor has to end by itself when its socket closes."""


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


@dataclass(frozen=True, slots=True)
class _Specification:
    """A problem with one of its test lists, written for a supervisor."""

    problem: Problem
    tests: ExampleTests | HiddenTests
    text: str
    key: str


@dataclass(slots=True)
class _Job:
    """One program that is being graded, and everybody who waits for it."""

    key: str
    specification: _Specification
    program: bytes
    waiting: list[Future[Verdict]] = field(default_factory=list)
    tries: int = 0
    """Times that it was running when a worker died or could not tell."""

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it any more."""
        return all(future.cancelled() for future in self.waiting)


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
    ) -> None:
        """Start `workers` workers (one per core by default) at the best level that works here.

        `isolation` asks for exactly one level. Raises `IsolationError`, one sentence, when the machine cannot reach
        `min_isolation`. `cache_path` is a file that keeps verdicts of programs that proved deterministic.
        """
        if workers is None:
            workers = len(os.sched_getaffinity(0))
        if workers < 1:
            raise ValueError(f"workers: expected at least 1; got {workers}")
        level = choose_level(min_isolation, isolation)
        self.level = str(level)
        self._jobs: queue.Queue[_Job | None] = queue.Queue(queue_size or 64 * workers)
        self._lock = threading.Lock()
        self._in_flight: dict[str, _Job] = {}
        self._specifications: OrderedDict[tuple[int, int], _Specification] = OrderedDict()
        self._cache = VerdictCache(cache_size, cache_path)
        self._closed = False
        self._workers = [_WorkerThread(self, level, index) for index in range(workers)]
        for worker in self._workers:
            worker.start()

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
            job = self._in_flight.get(key)
            if job is not None:
                job.waiting.append(future)
                return future
            job = self._in_flight[key] = _Job(key, specification, source, [future])
        self._jobs.put(job)
        return future

    def grade(self, requests: Iterable[GradeRequest]) -> list[Verdict]:
        """Grade all requests and return their verdicts in order."""
        return [future.result() for future in [self.submit(request) for request in requests]]

    def cancel(self, futures: Iterable[Future[Verdict]]) -> None:
        """Give up some programs: unless somebody else waits for one, it is not run, and is stopped where it runs."""
        for future in futures:
            future.cancel()
        with self._lock:
            abandoned = [job for job in self._in_flight.values() if job.abandoned]
        for worker in self._workers:
            worker.give_up(abandoned)

    def close(self) -> None:
        """Stop the workers; what is still queued is cancelled. May be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        for worker in self._workers:
            worker.stop()
        with contextlib.suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()
        for _ in self._workers:
            self._jobs.put(None)
        for worker in self._workers:
            worker.join()
        with self._lock:
            abandoned, self._in_flight = list(self._in_flight.values()), {}
        for job in abandoned:
            for future in job.waiting:
                future.cancel()
        self._cache.close()

    def _specification(self, request: GradeRequest) -> _Specification:
        """Write a problem's tests once, not once per program. The entry keeps both objects alive: ids stay theirs."""
        ids = (id(request.problem), id(request.tests))
        found = self._specifications.get(ids)
        if found is None:
            text = specification_text(request.problem, request.tests)
            key = hashlib.sha256(text.encode()).hexdigest()
            found = self._specifications[ids] = _Specification(request.problem, request.tests, text, key)
            if len(self._specifications) > 4096:
                self._specifications.popitem(last=False)
        return found

    def _finish(self, job: _Job, verdict: Verdict, digest: str | None) -> None:
        """Give a verdict to all who wait for it; where we could not tell, try again on a fresh worker."""
        if verdict.outcome is Outcome.SANDBOX_ERROR:
            if self._closed:
                return  # it was stopped, and `close` cancels it
            if job.tries < _RETRIES:
                job.tries += 1
                self._retry(job)
                return
        with self._lock:
            self._in_flight.pop(job.key, None)
            waiting = list(job.waiting)
            if digest is not None:
                self._cache.add(job.key, verdict, digest)
        for future in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(verdict)

    def _is_abandoned(self, job: _Job) -> bool:
        """Whether nobody waits for a job; then nobody finds it in flight any more either."""
        with self._lock:
            if job.abandoned:
                self._in_flight.pop(job.key, None)
            return job.abandoned

    def _retry(self, job: _Job) -> None:
        with self._jobs.mutex:  # past the limit of the queue: a worker must never wait for room
            self._jobs.queue.append(job)
            self._jobs.unfinished_tasks += 1
            self._jobs.not_empty.notify()


class _WorkerThread(threading.Thread):
    """Feeds one supervisor process: two programs on the way at most, so that it never waits for the next."""

    def __init__(self, grader: Grader, level: Level, index: int) -> None:
        super().__init__(name=f"grader-{index}", daemon=True)
        self.grader, self.level = grader, level
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: socket.socket | None = None
        self.sent: OrderedDict[str, None] = OrderedDict()
        self.outstanding: deque[_Job] = deque()
        self.failed_starts = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        """Grade until told to stop."""
        try:
            while True:
                job = self._next_job()
                if job is not None and self.grader._is_abandoned(job):
                    continue
                if job is not None:
                    self._send(job)
                elif not self.outstanding:
                    return
                if self.outstanding and (job is None or len(self.outstanding) > 1):
                    self._receive()
        finally:
            self._end_process()

    def stop(self) -> None:
        """Make `run` return soon: the program that is running is given up."""
        self.stopped.set()
        connection = self.connection
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def give_up(self, jobs: Sequence[_Job]) -> None:
        """End the supervisor if it runs one of these, which nobody waits for; another job would only be run again."""
        outstanding, connection = list(self.outstanding), self.connection
        runs_any = outstanding and outstanding[0].specification.key in self.sent
        if connection is not None and runs_any and any(outstanding[0] is job for job in jobs):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _next_job(self) -> _Job | None:
        """Wait for a job, or with one on the way take another only if there is one."""
        if self.stopped.is_set():
            return None
        if self.outstanding and self.grader._jobs.qsize() < len(self.grader._workers):
            return None  # the last programs of a batch go to whoever is free
        try:
            return self.grader._jobs.get(block=not self.outstanding)
        except queue.Empty:
            return None

    def _send(self, job: _Job) -> None:
        self.outstanding.append(job)
        header: dict[str, Any] = {"key": job.specification.key}
        try:
            if self.connection is None:
                self._start_process()  # which takes long enough for everybody to leave
                if self.grader._is_abandoned(job):
                    self.outstanding.pop()
                    return
            assert self.connection is not None
            if job.specification.key not in self.sent:
                header["specification"] = job.specification.text
                while len(self.sent) >= KEPT_SPECIFICATIONS:
                    self.sent.popitem(last=False)
                self.sent[job.specification.key] = None
            send_frame(self.connection, header, job.program)
        except _StartError as error:
            self._lose_worker(str(error))
            self.failed_starts += 1
            self.stopped.wait(min(0.1 * 2**self.failed_starts, 5.0))
        except OSError:
            self._lose_worker("the supervisor died")

    def _receive(self) -> None:
        assert self.connection is not None
        frame = receive_frame(self.connection)
        if frame is None:
            self._lose_worker("the supervisor died")
            return
        answer = frame[0]
        self.grader._finish(self.outstanding.popleft(), verdict_from_row(answer["verdict"]), answer.get("digest"))

    def _lose_worker(self, reason: str) -> None:
        """The first program on the way was running and is tried again; the others were only waiting."""
        self._end_process()
        lost, self.outstanding = list(self.outstanding), deque()
        for job in lost[1:]:
            self.grader._retry(job)
        for job in lost[:1]:
            self.grader._finish(job, could_not_tell(len(job.specification.tests), self.level, reason), None)

    def _start_process(self) -> None:
        self.connection, inner = socket.socketpair()
        self.sent.clear()
        root = str(Path(__file__).resolve().parent.parent)
        start = f"import sys; sys.path.insert(0, {root!r}); from envs.sandbox import supervisor; "
        start += f"supervisor.main({str(self.level)!r})"
        try:
            with inner:
                self.process = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", start],
                    stdin=inner.fileno(),
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                    cwd="/",
                )
        except OSError as error:
            raise _StartError(f"a supervisor could not be started: {error.strerror}") from None
        if self.stopped.is_set():
            self.connection.shutdown(socket.SHUT_RDWR)
        frame = receive_frame(self.connection)
        if frame is None:
            raise _StartError("a supervisor died while it started")
        if "failed" in frame[0]:
            raise _StartError(f"a worker could not be started: {frame[0]['failed']}")
        self.failed_starts = 0

    def _end_process(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        if self.process is not None:
            try:
                self.process.wait(timeout=_GRACE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


class _StartError(Exception):
    """A worker could not be started; the sentence says why."""
