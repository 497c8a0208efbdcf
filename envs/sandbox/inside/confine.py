"""What a child gives up before it reads a program: resources, capabilities, files and system calls."""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import resource
import struct
from collections.abc import Callable, Sequence

libc = ctypes.PyDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

FIRST_OWN_DESCRIPTOR = 60
"""Descriptors from here on are the zygote's own; a child closes them before it reads anything."""

CLONE_NEWPID = 0x20000000
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 4, 22, 38, 1, 36
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAPSET = {"x86_64": 126, "aarch64": 91}
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_FS_READ_FILE, _FS_WRITE_FILE, _FS_READ_DIR = 1 << 2, 1 << 1, 1 << 3
_FS_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Every file right that a Landlock version knows; all are handled, so all that is not granted is refused."""
_NET_RIGHTS, _SCOPES = 0b11, 0b11
"""bind and connect over TCP; abstract sockets and signals."""


class ConfinementError(Exception):
    """A restriction could not be put in place."""


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise ConfinementError(f"{what}: {os.strerror(code)}")
    return result


def _require(result: int, what: str) -> None:
    _check(result, what)


def prctl(option: int, value: int, what: str) -> None:
    """Call prctl(2) with one argument."""
    _check(libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)), what)


def fork() -> int:
    """Fork by the C library alone.

    `os.fork` also runs what Python does after a fork in a process with threads, and the hooks of modules: half of the
    cost of a small child. The zygote has one thread, holds the interpreter lock during the call, and seeds the only
    generator that a hook would have reseeded; so the child finds everything as it should be.
    """
    return _check(libc.fork(), "fork")


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends."""
    prctl(_PR_SET_PDEATHSIG, 9, "PDEATHSIG")


def become_subreaper() -> None:
    """Adopt the orphans among one's descendants, so that they can be found and killed."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1, "CHILD_SUBREAPER")


def forbid_new_privileges() -> None:
    """Make set-user-id programs powerless; needed before a filter may be loaded without privileges."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1, "NO_NEW_PRIVS")


def make_private() -> None:
    """Refuse memory dumps and attachment by processes of the same user."""
    prctl(_PR_SET_DUMPABLE, 0, "DUMPABLE")


def enter_new_pid_namespace() -> None:
    """Let the next child be the first process of a namespace of its own."""
    _check(libc.unshare(CLONE_NEWPID), "unshare(CLONE_NEWPID)")


def return_to_pid_namespace(pidfd: int) -> None:
    """Let further children be born in the namespace of the process behind `pidfd`."""
    _check(libc.setns(pidfd, CLONE_NEWPID), "setns(CLONE_NEWPID)")


def has_capabilities() -> bool:
    """Whether this process has any capability to give up."""
    header = struct.pack("<Ii", _CAPABILITY_VERSION_3, 0)
    sets = ctypes.create_string_buffer(24)
    _check(libc.syscall(_CAPSET[platform.machine()] - 1, header, sets), "capget")
    return any(sets.raw)


def capability_dropper() -> Callable[[], None]:
    """Return a function that gives up every capability."""
    header = ctypes.create_string_buffer(struct.pack("<Ii", _CAPABILITY_VERSION_3, 0), 8)
    empty = ctypes.create_string_buffer(24)
    number = _CAPSET[platform.machine()]
    return lambda: _require(libc.syscall(number, header, empty), "capset")


def seccomp_loader(path: str) -> Callable[[], None]:
    """Read the prebuilt filter at `path`; return a function that loads it into the calling process."""
    with open(path, "rb") as file:
        code = file.read()
    instructions = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code) // 8, ctypes.addressof(instructions)))

    def load(_keep: object = instructions) -> None:
        _check(
            libc.prctl(
                _PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), program, ctypes.c_ulong(0), ctypes.c_ulong(0)
            ),
            "seccomp filter",
        )

    return load


def landlock_restrictor(readable: Sequence[str], devices: Sequence[str]) -> Callable[[], None]:
    """Build one rule set: `readable` paths may be read, `devices` also written, nothing else opened, nobody reached.

    Returns a function that puts the calling process under it. Raises ConfinementError where the kernel lacks Landlock
    or its signal scope (version 6).
    """
    version = _check(libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1)), "Landlock")
    if version < 6:
        raise ConfinementError(f"Landlock version {version} cannot refuse signals; version 6 (Linux 6.12) is needed")
    attributes = struct.pack("<QQQ", _FS_RIGHTS[5], _NET_RIGHTS, _SCOPES)
    rules = _check(
        libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)),
        "landlock_create_ruleset",
    )
    rules = _move_up(rules)
    for path in readable:
        _allow_path(rules, path, _FS_READ_FILE | (_FS_READ_DIR if os.path.isdir(path) else 0))
    for path in devices:
        _allow_path(rules, path, _FS_READ_FILE | _FS_WRITE_FILE)
    return lambda: _require(libc.syscall(_LANDLOCK_RESTRICT_SELF, rules, ctypes.c_uint32(0)), "landlock_restrict_self")


def _move_up(descriptor: int) -> int:
    """Move a descriptor out of the way of those that a child is given."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_OWN_DESCRIPTOR)
    os.close(descriptor)
    return moved


def _allow_path(rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise ConfinementError(f"{path}: {error.strerror}") from None
    rule = struct.pack("<Qi", rights, descriptor)
    _check(libc.syscall(_LANDLOCK_ADD_RULE, rules, 1, rule, ctypes.c_uint32(0)), f"landlock_add_rule {path}")
    os.close(descriptor)


def limit_zygote(processes: int | None) -> None:
    """Set the limits that are the same for every child on the zygote, whose children inherit them."""
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_MEMLOCK, 0), (resource.RLIMIT_NOFILE, 64)):
        resource.setrlimit(kind, (most, most))
    if processes is not None:
        resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))


def limit_child(memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Set the limits of one program, for good."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
