"""Which isolation levels this machine offers, found by trying the attacks that each of them promises to refuse."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.errors import UserError
from envs.problem import Limits
from envs.sandbox.inside.harness import pack_job
from envs.sandbox.inside.typed_values import decode, encode
from envs.sandbox.jail import Level, find_interpreter
from envs.sandbox.runner import Jail, SandboxError, memory_file

_LIMITS = Limits(cpu_s=5.0, memory_mb=512)


class IsolationError(UserError):
    """The machine cannot isolate programs as asked; one sentence with what would help."""


@dataclass(frozen=True)
class Finding:
    """What trying one level showed."""

    level: Level
    """The level that was tried."""
    works: bool
    """Whether every attack was refused, and a right program still got its answer."""
    reason: str
    """Why not; empty where it works."""
    remedy: str
    """What an administrator can do about it; empty where it works."""


def choose_level(min_isolation: str, isolation: str | None = None) -> Level:
    """Return the best level that works here, or exactly `isolation` where it is given.

    L1 protects nothing but the verdict, so it is taken only when it is named. Raises IsolationError, one sentence,
    when the level that is asked for does not work, and ValueError for a word that is no level.
    """
    for word in (min_isolation, *([] if isolation is None else [isolation])):
        if word not in list(Level):
            raise ValueError(f"isolation: expected one of {', '.join(Level)}; got {word!r}")
    if sys.platform != "linux":
        raise IsolationError(
            f"programs can be graded on Linux only; this is {sys.platform}: run it in a Linux container"
        )
    if isolation is not None:
        wanted = [Level(isolation)]
    else:
        wanted = [level for level in (Level.L3, Level.L2, Level.L1) if level >= Level(min_isolation)]
    findings = []
    for level in wanted:
        finding = probe(level)
        if finding.works:
            return level
        findings.append(finding)
    told = "; ".join(f"{finding.level} does not work: {finding.reason}" for finding in findings)
    raise IsolationError(
        f"no isolation of {isolation or min_isolation} here: {told}. {findings[-1].remedy} "
        "(--isolation L1 runs programs without protecting this machine)"
    )


@functools.cache
def probe(level: Level) -> Finding:
    """Try the attacks at one level, once per process."""
    try:
        worked = _try_attacks(level)
    except (SandboxError, OSError) as error:
        return Finding(level, False, str(error), _remedy(level, str(error)))
    if worked and level is not Level.L1:
        reason = f"a program could {', '.join(worked)}"
        return Finding(level, False, reason, _remedy(level, reason))
    return Finding(level, True, "", "")


def _try_attacks(level: Level) -> list[str]:
    """Names of the attacks that worked. Raises SandboxError where the level cannot even be entered."""
    interpreter = find_interpreter()
    jail = Jail(level, interpreter)
    try:
        if level is Level.L1:
            return []  # nothing is promised, so nothing is tried: the attacks would hit this process
        with _targets() as targets:
            arguments = [*targets, [hidden for hidden in interpreter.hidden if os.listdir(hidden)]]
            source = (Path(__file__).parent / "attacks.py").read_bytes()
            header = {"mode": "call", "cases": 1, "max_parts": 1 << 16}
            job = memory_file(pack_job(header, source, [encode(("attack", arguments, {}, False))]))
            try:
                ended = jail.run(job, _LIMITS)
            finally:
                os.close(job)
    finally:
        jail.close()
    records = [json.loads(line) for line in ended.results.splitlines()]
    if not records or "v" not in records[-1]:
        raise SandboxError(f"the probe did not finish: {ended.results.decode(errors='replace').strip() or ended}")
    worked: list[str] = decode(json.dumps(records[-1]["v"]))
    return worked


@contextlib.contextmanager
def _targets() -> Iterator[list[Any]]:
    """Things to attack: this process, open sockets, a private file, writable folders."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rl-train-probe-"))
        except OSError:  # a full or read-only machine: what cannot be written here cannot be attacked either
            yield [os.getpid(), 9, "nobody", "/nonexistent", "/nonexistent", []]
            return
        secret = Path(folder, "secret")
        secret.write_text("secret")
        tcp = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        pathname, name = str(Path(folder, "socket")), f"rl-train-probe-{os.getpid()}-{os.urandom(4).hex()}"
        unix.bind(pathname)
        abstract.bind("\0" + name)
        for listening in (unix, abstract):
            listening.listen()
        folders = [folder, "/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~"), os.getcwd()]
        yield [os.getpid(), tcp.getsockname()[1], name, pathname, str(secret), folders]


def _remedy(level: Level, reason: str) -> str:
    if platform.machine() not in ("x86_64", "aarch64"):
        return f"There is no system-call filter for {platform.machine()}."
    if level is Level.L3 and shutil.which("bwrap") is None:
        return "Install bubblewrap: apt install bubblewrap."
    if level is Level.L3:
        return (
            "Allow user namespaces: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), sysctl -w "
            "user.max_user_namespaces=15000, or in Docker --security-opt seccomp=unconfined --security-opt "
            "apparmor=unconfined."
        )
    if "Landlock" in reason:
        return "Use Linux 6.12 or newer with Landlock switched on (lsm=landlock,... on the kernel command line)."
    return "Install bubblewrap (apt install bubblewrap) and allow user namespaces for L3."


def doctor() -> list[str]:
    """Say in lines what this machine can isolate, and how to get more."""
    if sys.platform != "linux":
        return [f"isolation: programs can be graded on Linux only; this is {sys.platform}"]
    interpreter = find_interpreter()
    lines = [f"isolation on {platform.machine()}, Linux {platform.release()}, as {_who()}"]
    lines.append(f"programs run under {interpreter.executable} (Python {platform.python_version()})")
    for level, promise in (
        (Level.L3, "own process namespace, nothing outside is there"),
        (Level.L2, "Landlock and a system-call filter, nothing outside can be reached"),
        (Level.L1, "limits only: verdicts cannot be forged, this machine is not protected"),
    ):
        finding = probe(level)
        lines.append(f"{level}  {'works' if finding.works else 'no   '}  {promise}")
        if not finding.works:
            lines += [f"    because {finding.reason}", f"    {finding.remedy}"]
    best = next((level for level in (Level.L3, Level.L2) if probe(level).works), None)
    lines.append(f"programs are graded at {best}" if best else "programs are not graded unless --isolation L1 is given")
    return lines


def _who() -> str:
    return "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
