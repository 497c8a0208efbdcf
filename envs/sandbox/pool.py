"""A queue of programs, and whoever takes from it: worker processes of this machine, or of others.

The Grader stands in front of it; a Ray actor holds one of its own.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from envs.sandbox.jail import Level
from envs.sandbox.supervisor import (
    KEPT_SPECIFICATIONS,
    could_not_tell,
    receive_frame,
    send_frame,
    verdict_from_row,
)
from envs.verdict import Outcome, Verdict

RETRIES = 2
"""Times that a program is run again when a worker dies or cannot tell; no program can bring that about."""
_GRACE_S = 2.0
"""Seconds that a supervisor has to end by itself when its socket closes."""


@dataclass(frozen=True, slots=True)
class Specification:
    """A problem with one of its test lists, written for a supervisor."""

    key: str
    """Hash of the text."""
    text: str
    """As `specification_text` writes it."""
    n_tests: int
    """Number of tests."""


@dataclass(slots=True)
class Job:
    """One program that is to be graded."""

    key: str
    """Hash of program, specification and level."""
    specification: Specification
    """What it is run by."""
    program: bytes
    """Source exactly as extracted."""
    is_abandoned: Callable[[], bool] = lambda: False
    """Whether nobody waits for it any more; who says so has forgotten it, and it is not run."""
    tries: int = 0
    """Times that it was running when a worker died or could not tell."""

    def unjudged(self, level: str, reason: str) -> Verdict:
        """The verdict where nothing is known about it."""
        return could_not_tell(self.specification.n_tests, level, reason)


Finish: TypeAlias = Callable[[Job, Verdict, "str | None"], None]
"""(job, its verdict, digest of all that the program gave): called once per job, from any thread."""


class Feeder(threading.Thread, ABC):
    """A thread that takes jobs from a pool's queue, has them run and reports their verdicts."""

    @abstractmethod
    def stop(self) -> None:
        """Make `run` return soon: programs that are running are given up."""

    def give_up(self, keys: Collection[str]) -> None:
        """Stop what runs of these programs, for which nobody waits, where that is worth it; by default they run on."""


class Pool:
    """A queue of jobs and the feeders that take from it; every job is finished once, or given up at `close`."""

    def __init__(self, level: Level, finish: Finish, queue_size: int = 0) -> None:
        """`put` blocks while `queue_size` jobs are queued; 0 is no limit."""
        self.level = level
        self.finish = finish
        self.queue: queue.Queue[Job | None] = queue.Queue(queue_size)
        self.feeders: list[Feeder] = []
        self.closed = False

    def start(self, feeders: Sequence[Feeder]) -> None:
        """Let these feeders take jobs."""
        self.feeders = list(feeders)
        for feeder in self.feeders:
            feeder.start()

    def put(self, job: Job) -> None:
        """Queue a job; blocks while the queue is full."""
        self.queue.put(job)

    def get(self, *, block: bool) -> Job | None:
        """The next job that somebody waits for; None at the end. Raises queue.Empty where there is none yet."""
        while True:
            job = self.queue.get(block=block)
            if job is None or not job.is_abandoned():
                return job

    def give_up(self, keys: Collection[str]) -> None:
        """Stop the programs with these keys, for which nobody waits any more."""
        for feeder in self.feeders:
            feeder.give_up(keys)

    def report(self, job: Job, verdict: Verdict, digest: str | None) -> None:
        """Finish a job; where we could not tell, try again on a fresh worker."""
        if verdict.outcome is Outcome.SANDBOX_ERROR:
            if self.closed:
                return  # it was stopped, and nobody waits for it
            if job.tries < RETRIES:
                job.tries += 1
                self.put_again(job)
                return
        self.finish(job, verdict, digest)

    def put_again(self, job: Job) -> None:
        """Queue a job that was taken, past the limit of the queue: a feeder must never wait for room."""
        with self.queue.mutex:
            self.queue.queue.append(job)
            self.queue.unfinished_tasks += 1
            self.queue.not_empty.notify()

    def close(self) -> None:
        """Stop the feeders; jobs that are queued or running are given up."""
        self.closed = True
        for feeder in self.feeders:
            feeder.stop()
        with contextlib.suppress(queue.Empty):
            while True:
                self.queue.get_nowait()
        for _ in self.feeders:
            self.queue.put(None)
        for feeder in self.feeders:
            feeder.join()


def local_pool(level: Level, workers: int, finish: Finish, queue_size: int = 0) -> Pool:
    """A pool of worker processes of this machine."""
    pool = Pool(level, finish, queue_size)
    pool.start([ProcessFeeder(pool, index) for index in range(workers)])
    return pool


class ProcessFeeder(Feeder):
    """Feeds one supervisor process: two programs on the way at most, so that it never waits for the next."""

    def __init__(self, pool: Pool, index: int) -> None:
        super().__init__(name=f"grader-{index}", daemon=True)
        self.pool, self.level = pool, pool.level
        self.process: subprocess.Popen[bytes] | None = None
        self.connection: socket.socket | None = None
        self.sent: OrderedDict[str, None] = OrderedDict()
        self.outstanding: deque[Job] = deque()
        self.failed_starts = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        """Grade until told to stop."""
        try:
            while True:
                job = self._next_job()
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

    def give_up(self, keys: Collection[str]) -> None:
        """End the supervisor if it runs one of these; another program would only be run again."""
        outstanding, connection = list(self.outstanding), self.connection
        runs_first = outstanding and outstanding[0].specification.key in self.sent
        if connection is not None and runs_first and outstanding[0].key in keys:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _next_job(self) -> Job | None:
        """Wait for a job, or with one on the way take another only if there is one."""
        if self.stopped.is_set():
            return None
        if self.outstanding and self.pool.queue.qsize() < len(self.pool.feeders):
            return None  # the last programs of a batch go to whoever is free
        try:
            return self.pool.get(block=not self.outstanding)
        except queue.Empty:
            return None

    def _send(self, job: Job) -> None:
        self.outstanding.append(job)
        header: dict[str, Any] = {"key": job.specification.key}
        try:
            if self.connection is None:
                self._start_process()  # which takes long enough for everybody to leave
                if job.is_abandoned():
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
        self.pool.report(self.outstanding.popleft(), verdict_from_row(answer["verdict"]), answer.get("digest"))

    def _lose_worker(self, reason: str) -> None:
        """The first program on the way was running and is tried again; the others were only waiting."""
        self._end_process()
        lost, self.outstanding = list(self.outstanding), deque()
        for job in lost[1:]:
            self.pool.put_again(job)
        for job in lost[:1]:
            self.pool.report(job, job.unjudged(self.level, reason), None)

    def _start_process(self) -> None:
        self.connection, inner = socket.socketpair()
        self.sent.clear()
        root = str(Path(__file__).resolve().parent.parent.parent)
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
