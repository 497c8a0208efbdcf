"""The program that probes a level: it tries what a hostile program would, and returns the names of what worked.

It is run inside the jail as text; nothing imports it.
"""

import contextlib
import ctypes
import functools
import os
import platform
import socket
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def attack(
    pid: int, port: int, abstract: str, pathname: str, secret: str, writable: list[str], hidden: list[str]
) -> list[str]:
    """Attack process `pid`, TCP and UDP `port`, two Unix sockets, a `secret` file, folders and hidden folders."""
    attempts: dict[str, Callable[[], object]] = {
        "signal another process": lambda: os.kill(pid, 0),
        "signal the parent process": lambda: os.kill(os.getppid() or -1, 0),
        "signal the own process group": lambda: os.kill(0, 0),
        "read the memory of another process": lambda: os.open(f"/proc/{pid}/mem", os.O_RDONLY),
        "read the environment of another process": lambda: _read(f"/proc/{pid}/environ"),
        "read the memory of the parent process": lambda: os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY),
        "trace another process": lambda: _call(libc.ptrace(0x4206, pid, None, None)),  # PTRACE_SEIZE stops nobody
        "connect over TCP": lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close(),
        "send over UDP": lambda: _send(port),
        "connect to an abstract socket": lambda: _connect("\0" + abstract),
        "connect to a socket file": lambda: _connect(pathname),
        "read a private file": lambda: _read(secret),
        "start a process": _fork,
        "execute a program": _execute,
        "enter new namespaces": lambda: _call(libc.unshare(0x10000000)),
        "mount a file system": _mount,
        "change the root folder": lambda: os.chroot("/"),
        "make an anonymous file": lambda: os.memfd_create("x"),
        "raise its limits": _raise_limit,
        "open a kernel key ring": lambda: _call(
            libc.syscall({"x86_64": 250, "aarch64": 219}[platform.machine()], 0, -3, 1)
        ),
    }
    for folder in writable:
        attempts[f"write to {folder}"] = functools.partial(_write, folder)
    for folder in hidden:
        attempts[f"list {folder}"] = functools.partial(_list, folder)
    return [name for name, attempt in attempts.items() if _worked(attempt)]


def _worked(attempt: Callable[[], object]) -> bool:
    with contextlib.suppress(Exception):
        attempt()
        return True
    return False


def _call(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def _list(folder: str) -> None:
    if not os.listdir(folder):
        raise OSError("empty")


def _write(folder: str) -> None:
    path = os.path.join(folder, "rl-train-probe")
    with open(path, "w") as file:
        file.write("x")
    os.unlink(path)


def _connect(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.connect(address)


def _send(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.sendto(b"x", ("127.0.0.1", port))


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def _execute() -> None:
    import subprocess
    import sys

    subprocess.run([sys.executable, "-c", ""], check=True)


def _mount() -> None:
    bind, detach = 0x1000, 2
    _call(libc.mount(b"/usr", b"/usr", None, bind, None))
    libc.umount2(b"/usr", detach)


def _raise_limit() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard + 1))
