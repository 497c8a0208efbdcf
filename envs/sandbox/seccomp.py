"""The system-call filter of the jail: a readable allow-list, and the small assembler that turns it into BPF.

The two filters in `inside/` are built by `python -m envs.sandbox.seccomp`; a test builds them again and compares.
An allow-list is used because a kernel grows system calls that no deny-list knows.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""AUDIT_ARCH value of each machine for which a filter is built."""

ENOSYS, EPERM = 38, 1
_RET_KILL, _RET_ERRNO, _RET_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_OFFSET_NUMBER, _OFFSET_ARCH, _OFFSET_ARGS = 0, 4, 16
_X32_BIT = 0x40000000

CLONE_THREAD = 0x00010000
_NAMESPACES = 0x7E020080
"""CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""
_AF_UNIX, _SOCK_STREAM, _SOCK_FLAGS = 1, 1, 0o2004000
_FCNTL = (0, 1, 2, 3, 4, 1030, 1032, 1034)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_GET_SEALS: no locks, leases, owners."""
_IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: what CPython asks of a descriptor."""
_PRCTL = (15, 16)
"""PR_SET_NAME, PR_GET_NAME."""


@dataclass(frozen=True)
class Rule:
    """When one system call is allowed: tests of the low 32 bits of its arguments, all of which must hold."""

    name: str
    """Name of the call."""
    one_of: tuple[tuple[int, int, tuple[int, ...]], ...] = ()
    """(argument, mask, values): `argument & mask` is one of the values."""
    null: int | None = None
    """Argument that must be a null pointer (64 bits)."""
    errno: int = EPERM
    """What the caller is told otherwise."""


_ALLOWED = """
read readv pread64 preadv write writev pwrite64 pwritev close close_range lseek dup dup3 pipe2
fstat newfstatat statx statfs fstatfs openat faccessat faccessat2 readlinkat getcwd chdir fchdir getdents64
ftruncate fsync fdatasync umask
ppoll pselect6 epoll_create1 epoll_ctl epoll_pwait eventfd2
sendto recvfrom sendmsg recvmsg shutdown getsockname getpeername getsockopt setsockopt
mmap mprotect munmap mremap madvise brk mincore membarrier
futex set_robust_list get_robust_list rseq set_tid_address exit exit_group sched_yield
sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack restart_syscall
nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday times getrusage setitimer getitimer
getpid getppid gettid getuid geteuid getgid getegid getgroups getresuid getresgid getpgid getsid getpriority
wait4 waitid uname sysinfo getrandom getcpu
"""
"""Allowed with any arguments."""

_ALLOWED_X86_64 = """
open stat lstat access readlink getdents dup2 pipe poll select epoll_create epoll_wait eventfd
alarm pause time getpgrp getrlimit
"""
"""Older forms that the generic table of aarch64 does without."""

_ALLOWED_AARCH64 = "getrlimit"

_CONDITIONAL = (
    Rule("clone", one_of=((0, CLONE_THREAD, (CLONE_THREAD,)), (0, _NAMESPACES, (0,)))),
    Rule("fcntl", one_of=((1, 0xFFFFFFFF, _FCNTL),)),
    Rule("ioctl", one_of=((1, 0xFFFFFFFF, _IOCTL),)),
    Rule("prctl", one_of=((0, 0xFFFFFFFF, _PRCTL),)),
    Rule("prlimit64", one_of=((0, 0xFFFFFFFF, (0,)),), null=2),  # its own limits, to read
    Rule("sched_getaffinity", one_of=((0, 0xFFFFFFFF, (0,)),)),
    Rule(
        "socketpair", one_of=((0, 0xFFFFFFFF, (_AF_UNIX,)), (1, 0xFFFFFFFF & ~_SOCK_FLAGS, (_SOCK_STREAM,)))
    ),  # asyncio wakes itself through one; a stream pair reaches nobody else
)
_MISSING = ("clone3",)
"""Answered with ENOSYS, so that the C library falls back to calls whose flags can be read."""

_FIRST_X86_64 = """
read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask
rt_sigreturn ioctl pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore madvise
shmget shmat shmctl dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile socket connect accept
sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt getsockopt
clone fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd msgrcv msgctl fcntl
flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink
symlink readlink chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo times ptrace
getuid syslog getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid setregid getgroups
setgroups setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid
"""
"""The calls numbered from 0 on."""

_X86_64 = {name: number for number, name in enumerate(_FIRST_X86_64.split())} | {
    "rt_sigpending": 127,
    "rt_sigtimedwait": 128,
    "rt_sigsuspend": 130,
    "sigaltstack": 131,
    "statfs": 137,
    "fstatfs": 138,
    "getpriority": 140,
    "sched_getparam": 143,
    "sched_getscheduler": 145,
    "sched_get_priority_max": 146,
    "sched_get_priority_min": 147,
    "prctl": 157,
    "gettid": 186,
    "time": 201,
    "futex": 202,
    "sched_getaffinity": 204,
    "epoll_create": 213,
    "getdents64": 217,
    "set_tid_address": 218,
    "restart_syscall": 219,
    "clock_gettime": 228,
    "clock_getres": 229,
    "clock_nanosleep": 230,
    "exit_group": 231,
    "epoll_wait": 232,
    "epoll_ctl": 233,
    "waitid": 247,
    "openat": 257,
    "newfstatat": 262,
    "readlinkat": 267,
    "faccessat": 269,
    "pselect6": 270,
    "ppoll": 271,
    "set_robust_list": 273,
    "get_robust_list": 274,
    "epoll_pwait": 281,
    "eventfd": 284,
    "eventfd2": 290,
    "epoll_create1": 291,
    "dup3": 292,
    "pipe2": 293,
    "preadv": 295,
    "pwritev": 296,
    "prlimit64": 302,
    "getcpu": 309,
    "getrandom": 318,
    "membarrier": 324,
    "statx": 332,
    "rseq": 334,
    "clone3": 435,
    "close_range": 436,
    "faccessat2": 439,
}

_AARCH64 = {
    "getcwd": 17,
    "eventfd2": 19,
    "epoll_create1": 20,
    "epoll_ctl": 21,
    "epoll_pwait": 22,
    "dup": 23,
    "dup3": 24,
    "fcntl": 25,
    "ioctl": 29,
    "statfs": 43,
    "fstatfs": 44,
    "ftruncate": 46,
    "faccessat": 48,
    "chdir": 49,
    "fchdir": 50,
    "openat": 56,
    "close": 57,
    "pipe2": 59,
    "getdents64": 61,
    "lseek": 62,
    "read": 63,
    "write": 64,
    "readv": 65,
    "writev": 66,
    "pread64": 67,
    "pwrite64": 68,
    "preadv": 69,
    "pwritev": 70,
    "pselect6": 72,
    "ppoll": 73,
    "readlinkat": 78,
    "newfstatat": 79,
    "fstat": 80,
    "fsync": 82,
    "fdatasync": 83,
    "exit": 93,
    "exit_group": 94,
    "waitid": 95,
    "set_tid_address": 96,
    "futex": 98,
    "set_robust_list": 99,
    "get_robust_list": 100,
    "nanosleep": 101,
    "getitimer": 102,
    "setitimer": 103,
    "clock_gettime": 113,
    "clock_getres": 114,
    "clock_nanosleep": 115,
    "sched_getscheduler": 120,
    "sched_getparam": 121,
    "sched_getaffinity": 123,
    "sched_yield": 124,
    "sched_get_priority_max": 125,
    "sched_get_priority_min": 126,
    "restart_syscall": 128,
    "sigaltstack": 132,
    "rt_sigsuspend": 133,
    "rt_sigaction": 134,
    "rt_sigprocmask": 135,
    "rt_sigpending": 136,
    "rt_sigtimedwait": 137,
    "rt_sigreturn": 139,
    "getpriority": 141,
    "getresuid": 148,
    "getresgid": 150,
    "times": 153,
    "getpgid": 155,
    "getsid": 156,
    "getgroups": 158,
    "uname": 160,
    "getrlimit": 163,
    "getrusage": 165,
    "umask": 166,
    "prctl": 167,
    "getcpu": 168,
    "gettimeofday": 169,
    "getpid": 172,
    "getppid": 173,
    "getuid": 174,
    "geteuid": 175,
    "getgid": 176,
    "getegid": 177,
    "gettid": 178,
    "sysinfo": 179,
    "socketpair": 199,
    "getsockname": 204,
    "getpeername": 205,
    "sendto": 206,
    "recvfrom": 207,
    "setsockopt": 208,
    "getsockopt": 209,
    "shutdown": 210,
    "sendmsg": 211,
    "recvmsg": 212,
    "brk": 214,
    "munmap": 215,
    "mremap": 216,
    "clone": 220,
    "mmap": 222,
    "mprotect": 226,
    "mincore": 232,
    "madvise": 233,
    "wait4": 260,
    "prlimit64": 261,
    "getrandom": 278,
    "membarrier": 283,
    "statx": 291,
    "rseq": 293,
    "clone3": 435,
    "close_range": 436,
    "faccessat2": 439,
}

NUMBERS = {"x86_64": _X86_64, "aarch64": _AARCH64}
"""System-call numbers, from asm/unistd_64.h and asm-generic/unistd.h of Linux."""


def allowed_names(machine: str) -> list[str]:
    """Calls that are always allowed on `machine`."""
    names = _ALLOWED + {"x86_64": _ALLOWED_X86_64, "aarch64": _ALLOWED_AARCH64}[machine]
    return names.split()


def build_filter(machine: str) -> bytes:
    """Return the filter for `machine` as an array of `struct sock_filter`.

    Any other architecture, and the x32 calls of x86-64, kill the process; an unlisted call answers EPERM.
    """
    numbers = NUMBERS[machine]
    code = [_load(_OFFSET_ARCH), *_unless_equal(ARCHITECTURES[machine], [_return(_RET_KILL)]), _load(_OFFSET_NUMBER)]
    if machine == "x86_64":
        code += [_statement(_JUMP_GREATER_EQUAL, _X32_BIT, 0, 1), _return(_RET_KILL)]
    for first, last in _ranges(sorted(numbers[name] for name in allowed_names(machine))):
        if first == last:
            code += [_statement(_JUMP_EQUAL, first, 0, 1), _return(_RET_ALLOW)]
        else:
            code += [_statement(_JUMP_GREATER_EQUAL, first, 0, 2), _statement(_JUMP_GREATER_EQUAL, last + 1, 1, 0)]
            code.append(_return(_RET_ALLOW))
    for name in _MISSING:
        code += [_statement(_JUMP_EQUAL, numbers[name], 0, 1), _return(_RET_ERRNO | ENOSYS)]
    for rule in _CONDITIONAL:
        body = _body(rule)
        code += [_statement(_JUMP_EQUAL, numbers[rule.name], 0, len(body)), *body]
    code.append(_return(_RET_ERRNO | EPERM))
    return b"".join(code)


def _ranges(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Runs of consecutive numbers: loading a filter takes time by its length, once per program."""
    first = last = numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _body(rule: Rule) -> list[bytes]:
    """Checks of one call; they always end in a return, so the number need not be loaded again after them."""
    refuse = _return(_RET_ERRNO | rule.errno)
    body: list[bytes] = []
    for argument, mask, values in rule.one_of:
        body += [_load(_OFFSET_ARGS + 8 * argument), _statement(_AND, mask)]
        body += [_statement(_JUMP_EQUAL, value, len(values) - index, 0) for index, value in enumerate(values)]
        body.append(refuse)
    if rule.null is not None:
        for half in (0, 4):
            body += [_load(_OFFSET_ARGS + 8 * rule.null + half), *_unless_equal(0, [refuse])]
    return [*body, _return(_RET_ALLOW)]


def _unless_equal(value: int, otherwise: list[bytes]) -> list[bytes]:
    return [_statement(_JUMP_EQUAL, value, len(otherwise), 0), *otherwise]


def _load(offset: int) -> bytes:
    return _statement(_LOAD, offset)


def _return(value: int) -> bytes:
    return _statement(_RETURN, value)


def _statement(operation: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", operation, if_true, if_false, operand)


def filter_path(machine: str) -> Path:
    """Where the prebuilt filter of `machine` lies in the package."""
    return Path(__file__).parent / "inside" / f"seccomp_{machine}.bpf"


def main() -> None:
    """Write the filters into the package."""
    for machine in ARCHITECTURES:
        filter_path(machine).write_bytes(build_filter(machine))
        print(f"{filter_path(machine)}: {len(build_filter(machine)) // 8} instructions", file=sys.stderr)


if __name__ == "__main__":
    main()
