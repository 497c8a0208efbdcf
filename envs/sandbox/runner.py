"""One worker: a zygote in its jail, and the running of single processes under limits, seen from outside."""

from __future__ import annotations

import array
import contextlib
import fcntl
import math
import os
import select
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from envs.problem import Limits
from envs.sandbox.inside.zygote import BORN, ENDED, FAILED, ORDER, READY
from envs.sandbox.jail import Interpreter, Level, worker_user, zygote_command, zygote_environment
from envs.sandbox.processes import address_space, cpu_time, longest_wait, prefer_as_victim, thread_count

POLL_S = 0.02
"""Time between two looks at a running program: limits fire at most this much late, plus scheduling."""
START_S = 20.0
"""Time that a zygote, or the set-up of a child, may take on a very busy machine."""
MAX_PROCESSES = 128
"""Threads that one program may have."""
_MIB = 1 << 20
_RECORDS = 256 << 10
"""Bytes of results that are our own words, not the program's: they do not count as output."""


class SandboxError(Exception):
    """The sandbox failed, not the program; the sentence says why."""


class Abandoned(Exception):  # noqa: N818 - not an error: nobody waits for the result any more
    """The other side has hung up."""


class Killed(StrEnum):
    """Why a running program was stopped from outside."""

    CPU = "cpu"
    WALL = "wall"
    THREADS = "threads"


@dataclass(frozen=True)
class Ended:
    """How one process ended, as its parent and the clock saw it, and the files that it left."""

    status: int
    """Exit status, or minus the signal that ended it."""
    killed: Killed | None
    """Why we stopped it, if we did."""
    cpu_s: float
    """CPU seconds."""
    wall_s: float
    """Seconds from the moment it was ready."""
    peak_memory_mb: float
    """Largest resident memory."""
    results: bytes
    """What the harness wrote."""
    printed: bytes
    """What went to standard output."""
    output_exceeded: bool
    """Whether one of the two files, or both together, passed the limit."""


def memory_file(content: bytes) -> int:
    """Return a descriptor of a new file in memory that holds `content`; the offset is at its start."""
    descriptor = os.memfd_create("job", os.MFD_ALLOW_SEALING)
    with contextlib.closing(open(descriptor, "wb", buffering=0, closefd=False)) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, 0xF)  # F_SEAL_SEAL, SHRINK, GROW, WRITE
    return descriptor


class Run:
    """One process that has been ordered from a zygote and is being watched."""

    def __init__(self, worker: Worker, limits: Limits, job: int, given: int | None, channel: int | None) -> None:
        self.worker, self.limits = worker, limits
        self.cap = limits.output_kb * 1024
        self.results_file = os.memfd_create("results")
        self.printed_file = os.memfd_create("printed")
        self.pid = 0
        self.started = 0.0
        self.ordered = time.monotonic()
        self.killed: Killed | None = None
        self.answer: tuple[int, float, float] | None = None
        self.cpu_s = 0.0
        self.ended_at = 0.0
        job_size = os.fstat(job).st_size
        memory = worker.base_memory + int(limits.memory_mb * _MIB) + 2 * job_size
        order = ORDER.pack(job_size, memory, math.ceil(limits.cpu_s) + 2, self.cap + _RECORDS)
        descriptors = [job, self.results_file, self.printed_file, worker.no_input if given is None else given]
        worker.send(order, descriptors if channel is None else [*descriptors, channel])

    def step(self) -> None:
        """Take one message from the zygote, if there is one."""
        message, pid = self.worker.receive()
        kind = message[:1]
        if kind == READY:
            self.pid, self.started = pid, time.monotonic()
        elif kind == FAILED:
            raise SandboxError(f"a child could not be set up: {message[1:].decode(errors='replace')}")
        elif message and len(message) == ENDED.size:
            _, status, self.cpu_s, peak = ENDED.unpack(message)
            self.answer = (status, self.cpu_s, peak)
            self.ended_at = time.monotonic()
        else:
            raise SandboxError("the zygote died")

    def watch(self, waited: float) -> None:
        """Stop the program if it has used up a limit; `waited` is how long it, or its partner, had no processor."""
        now = time.monotonic()
        if self.answer is not None or self.killed is not None:
            return
        if not self.pid:
            if now - self.ordered > START_S:
                raise SandboxError(f"a child was not ready within {START_S:.0f} s")
            return
        wall = now - self.started
        if cpu_time(self.pid) > self.limits.cpu_s:
            self.kill(Killed.CPU)
        elif wall - waited > self.limits.wall_s:
            self.kill(Killed.WALL)
        elif thread_count(self.pid) > MAX_PROCESSES:
            self.kill(Killed.THREADS)

    def kill(self, why: Killed) -> None:
        """Kill the process; at L3 its namespace dies with it."""
        with contextlib.suppress(ProcessLookupError):
            pidfd = os.pidfd_open(self.pid)
            try:
                if self.worker.has_message():
                    return  # it has ended by itself, and its number may be another's by now
                self.killed = why
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)

    def result(self) -> Ended:
        """Read what the dead process left behind. Raises SandboxError where we cannot tell what happened."""
        assert self.answer is not None
        status, cpu_s, peak_kb = self.answer
        if not self.pid:
            raise SandboxError("a child ended before it was ready")
        code = os.waitstatus_to_exitcode(status)
        results, printed = (os.fstat(file).st_size for file in (self.results_file, self.printed_file))
        over_cpu = cpu_s >= self.limits.cpu_s
        if code == -signal.SIGKILL and self.killed is None and not over_cpu and self.worker.level is not Level.L1:
            # no program can send this signal to itself, so the system did when short of memory, or a person
            raise SandboxError("a child was killed from outside")
        return Ended(
            status=code,
            killed=self.killed or (Killed.CPU if over_cpu else None),
            cpu_s=cpu_s,
            wall_s=self.ended_at - self.started,
            peak_memory_mb=peak_kb / 1024,
            results=os.pread(self.results_file, results, 0),
            printed=os.pread(self.printed_file, min(printed, self.cap), 0),
            output_exceeded=printed > self.cap or printed + results >= self.cap + _RECORDS,
        )

    def close(self) -> None:
        """Make sure that the process is dead, and free the files."""
        if self.answer is None and self.pid:
            self.kill(Killed.WALL)
        os.close(self.results_file)
        os.close(self.printed_file)


class Worker:
    """A zygote in its jail. Not thread-safe; used by one supervisor."""

    def __init__(self, level: Level, interpreter: Interpreter) -> None:
        """Start a zygote; raises SandboxError with the reason where that fails."""
        self.level = level
        self.zygote = -1
        self.socket, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.no_input = os.open(os.devnull, os.O_RDONLY)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.errors = os.memfd_create("errors")
        try:
            command = zygote_command(level, interpreter, inner.fileno())
            user = worker_user(level, interpreter)
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                pass_fds=[inner.fileno()],
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                env=zygote_environment(),
                cwd="/",
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        except OSError as error:
            self._close_descriptors()
            raise SandboxError(f"{error.strerror or error}") from None
        finally:
            inner.close()
        self.base_memory = 0
        try:
            self._await_birth()
        except SandboxError:
            self.close()
            raise

    def _await_birth(self) -> None:
        prefer_as_victim(self.process.pid)
        if not select.select([self.socket], [], [], START_S)[0]:
            raise SandboxError(f"the zygote was not ready within {START_S:.0f} s")
        message, pid = self.receive()
        if message[:1] == FAILED:
            raise SandboxError(message[1:].decode(errors="replace"))
        if message[:1] != BORN:
            self.process.wait(timeout=START_S)
            words = os.pread(self.errors, 2000, 0).decode(errors="replace").strip().splitlines()
            raise SandboxError(words[-1] if words else f"the zygote ended with status {self.process.returncode}")
        os.ftruncate(self.errors, 0)
        self.zygote = os.pidfd_open(pid)
        self.base_memory = address_space(pid)

    def send(self, order: bytes, descriptors: Sequence[int]) -> None:
        """Give the zygote an order."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        try:
            self.socket.sendmsg([order], rights)
        except OSError:
            raise SandboxError("the zygote died") from None

    def receive(self) -> tuple[bytes, int]:
        """Return the next message (empty at the end) and the process that sent it, as the kernel vouches."""
        try:
            message, ancillary, _, _ = self.socket.recvmsg(4096, _CREDENTIALS_ROOM)
        except OSError:
            return b"", 0
        pid = 0
        for kind, number, data in ancillary:
            if (kind, number) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid = _CREDENTIALS.unpack(data)[0]
        return message, pid

    def has_message(self) -> bool:
        """Whether a message is waiting."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def close(self) -> None:
        """End the zygote and everything below it."""
        self.socket.close()
        if self.zygote >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.zygote, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()
        self._close_descriptors()

    def _close_descriptors(self) -> None:
        self.socket.close()
        for descriptor in (self.errors, self.no_input, self.zygote):
            if descriptor >= 0:
                os.close(descriptor)


_CREDENTIALS = struct.Struct("iII")
_CREDENTIALS_ROOM = socket.CMSG_SPACE(_CREDENTIALS.size)


class Jail:
    """The workers of one supervisor: one for programs, and one, started when it is first needed, for test scripts."""

    def __init__(self, level: Level, interpreter: Interpreter, hang_up: int | None = None) -> None:
        """Start the worker for programs. `hang_up` is the socket of those who wait: when it closes, runs end."""
        self.level, self.interpreter, self.hang_up = level, interpreter, hang_up
        self.programs = Worker(level, interpreter)
        self.tests: Worker | None = None

    def run(self, job: int, limits: Limits, given: int | None = None) -> Ended:
        """Run one job (a sealed file) to its end, with the file `given` as standard input."""
        (ended,) = _watch([Run(self.programs, limits, job, given, None)], self.hang_up)
        return ended

    def run_test(self, job: int, limits: Limits) -> Ended:
        """Run code of the data set on plain values."""
        (ended,) = _watch([Run(self._tester(), limits, job, None, None)], self.hang_up)
        return ended

    def run_pair(self, program: int, test: int, limits: Limits) -> tuple[Ended, Ended]:
        """Run a program and the tests that call it in two processes with a socket between them."""
        ends = socket.socketpair()
        runs: list[Run] = []
        try:
            runs.append(Run(self.programs, limits, program, None, ends[0].fileno()))
            runs.append(Run(self._tester(), limits, test, None, ends[1].fileno()))
        except SandboxError:
            for run in runs:
                run.close()
            raise
        finally:
            for end in ends:
                end.close()
        ended_program, ended_test = _watch(runs, self.hang_up)
        return ended_program, ended_test

    def _tester(self) -> Worker:
        if self.tests is None:
            self.tests = Worker(self.level, self.interpreter)
        return self.tests

    def close(self) -> None:
        """End the workers and everything below them."""
        self.programs.close()
        if self.tests is not None:
            self.tests.close()


def _watch(runs: list[Run], hang_up: int | None) -> list[Ended]:
    """Watch processes until all have ended; when one is stopped or fails, so are the others.

    `hang_up` is a socket whose other side wants the results; raises Abandoned when it closes.
    """
    poll = select.poll()
    by_descriptor = {run.worker.socket.fileno(): run for run in runs}
    for descriptor in by_descriptor:
        poll.register(descriptor, select.POLLIN)
    if hang_up is not None:
        poll.register(hang_up, select.POLLRDHUP)
    try:
        while any(run.answer is None for run in runs):
            ready = dict(poll.poll(POLL_S * 1000))
            if hang_up in ready:
                raise Abandoned
            for descriptor in ready:
                by_descriptor[descriptor].step()
            if not ready:
                _enforce(runs)
        return [run.result() for run in runs]
    finally:
        for run in runs:
            run.close()


def _enforce(runs: list[Run]) -> None:
    late = any(run.pid and time.monotonic() - run.started > run.limits.wall_s for run in runs)
    waited = sum(longest_wait(run.pid) for run in runs) if late else 0.0  # a busy machine is no sleep
    for run in runs:
        run.watch(waited)
    stopped = next((run.killed for run in runs if run.killed is not None), None)
    if stopped is not None:
        for run in runs:
            if run.pid and run.answer is None and run.killed is None:
                run.kill(stopped)
