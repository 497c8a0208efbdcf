"""The warm process from which every program's process is forked; it forwards descriptors and never reads one.

It is started once per worker by `exec`, imports what programs usually import, rehearses the harness so that the
first fork finds every page warm, and then forks one child per message.
"""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import socket
import struct
import sys
import threading
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from . import confine, harness, remote

ORDER = struct.Struct("<QQQQ")
"""A message to the zygote: bytes of the job, of address space, CPU seconds, bytes of a file."""
ENDED = struct.Struct("<cidd")
"""Its answer: b'X', wait status, CPU seconds, peak memory in KiB."""
BORN, READY, FAILED = b"B", b"R", b"E"
"""The zygote is ready; a child is confined and about to read its job; something failed (a sentence follows)."""
MODES: dict[str, Callable[[dict[str, Any], bytes, list[bytes]], None]] = {
    "call": harness.run_calls,
    "script": harness.run_script,
    "serve": remote.serve,
    "test": remote.run_tests,
    "together": remote.run_together,
    "predicate": remote.run_predicate,
}

_SOCKET, _SPARE = confine.FIRST_OWN_DESCRIPTOR, 30
"""Descriptors: the socket to the supervisor; where those of a child are gathered before they take their places."""

PRELOADED = """
abc bisect collections copy datetime enum functools heapq io itertools json math operator random re string time types
typing
"""
"""What programs usually import; every page that the zygote holds costs every fork, so no rarer ones."""
_MAX_PROCESSES = 128
_THREAD_STACK, _MAX_THREAD_STACK = 2 << 20, 64 << 20


@dataclass(frozen=True)
class Birth:
    """What every child of this zygote needs."""

    level: str
    """L1, L2 or L3."""
    supervisor: socket.socket
    """Where answers go."""
    restrict: list[Callable[[], None]]
    """Steps that give up capabilities, files and system calls."""
    own_pidfd: int
    """The zygote itself, to come back to its process namespace (L3)."""


def main(level: str, connection: int, readable: list[str], devices: list[str], seccomp_path: str) -> None:
    """Prepare, say that the worker is ready, and fork until the supervisor at descriptor `connection` hangs up."""
    os.dup2(connection, _SOCKET)
    supervisor = socket.socket(fileno=_SOCKET)
    os.closerange(3, _SOCKET)
    try:
        _warm_up()
        restrict = _prepare(level, readable, devices, seccomp_path)
        own_pidfd = os.pidfd_open(os.getpid()) if level == "L3" else -1
    except (confine.ConfinementError, OSError, ImportError) as error:
        supervisor.send(FAILED + str(error).encode())
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # programs write what they like there, and nobody reads it
    birth = Birth(level, supervisor, restrict, own_pidfd)
    gc.collect()
    gc.freeze()
    supervisor.send(BORN)
    room = socket.CMSG_SPACE(8 * array("i").itemsize)
    while True:
        message, ancillary, _, _ = supervisor.recvmsg(ORDER.size, room, socket.MSG_CMSG_CLOEXEC)
        if not message:
            return
        received = array("i")
        for _, _, data in ancillary:
            received.frombytes(data)
        _run_child(birth, ORDER.unpack(message), received)
        for descriptor in received:
            os.close(descriptor)


def _prepare(level: str, readable: list[str], devices: list[str], seccomp_path: str) -> list[Callable[[], None]]:
    """Restrict this process where that is inherited, and return the steps that each child takes."""
    confine.limit_zygote(_MAX_PROCESSES if level == "L3" else None)  # elsewhere other processes of the user count
    if level == "L1":
        confine.die_with_parent()
        confine.become_subreaper()
        return []
    steps: list[Callable[[], None]] = []
    if level == "L2":
        confine.die_with_parent()
        confine.forbid_new_privileges()
        steps.append(confine.landlock_restrictor(readable, devices))
    confine.make_private()
    if confine.has_capabilities():
        steps.append(confine.capability_dropper())
    return [*steps, confine.seccomp_loader(seccomp_path)]


def _warm_up() -> None:
    for name in PRELOADED.split():
        __import__(name)
    import _sitebuiltins
    import builtins

    builtins.exit, builtins.quit = _sitebuiltins.Quitter("exit", "^D"), _sitebuiltins.Quitter("quit", "^D")
    _cap_thread_stacks()
    random.seed(0)  # what every child starts from
    sys.set_int_max_str_digits(0)  # problems were written before Python had that limit, and CPU time has one
    harness.rehearse()


def _cap_thread_stacks() -> None:
    """Let a program ask for any thread stack and get at most 64 MiB: it counts as address space, used or not."""
    set_size = threading.stack_size
    set_size(_THREAD_STACK)

    def stack_size(size: int = 0) -> int:
        return set_size(min(size, _MAX_THREAD_STACK))

    import _thread

    threading.stack_size = _thread.stack_size = stack_size


def _run_child(birth: Birth, order: tuple[int, int, int, int], descriptors: array[int]) -> None:
    try:
        if birth.level == "L3":
            confine.enter_new_pid_namespace()
        pid = confine.fork()
    except (OSError, confine.ConfinementError) as error:
        birth.supervisor.send(FAILED + f"no process could be started: {error}".encode())
        return
    if pid == 0:
        _be_child(birth, order, descriptors)
    if birth.level == "L3":
        confine.return_to_pid_namespace(birth.own_pidfd)
    _, status, usage = os.wait4(pid, 0)
    if birth.level == "L1":
        _kill_orphans(pid)
    birth.supervisor.send(ENDED.pack(b"X", status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss))


def _kill_orphans(group: int) -> None:
    """Kill what a program left running: its group, then every descendant that this process has adopted."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            for orphan in _children():
                os.kill(orphan, signal.SIGKILL)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def _be_child(birth: Birth, order: tuple[int, int, int, int], descriptors: array[int]) -> NoReturn:
    """Arrange descriptors, give everything up, say so, and run the job."""
    try:
        if birth.level != "L3":
            confine.die_with_parent()
            os.setsid()
        for target, source in zip((_SPARE + 3, _SPARE + 4, _SPARE + 1, _SPARE, _SPARE + 5), descriptors, strict=False):
            os.dup2(source, target)
        kept = len(descriptors) + 1  # standard error stays what it was
        for target in (0, 1, *range(3, kept)):
            os.dup2(_SPARE + target, target)
        os.closerange(kept, _SOCKET)
        confine.limit_child(*order[1:])
        for step in birth.restrict:
            step()
        os.write(_SOCKET, READY)
        os.closerange(_SOCKET, 2 * _SOCKET)
    except BaseException as error:
        os.write(_SOCKET, FAILED + f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    try:
        harness.run_job(order[0], MODES)
    finally:
        os._exit(1)
