"""What a test lays out around the sandbox for programs to reach for, and what it finds touched afterwards."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.attacks.corpus import Places
from tests.processes import children

SECRET_NAME = "RL_TRAIN_CANARY_TOKEN"
_FILE_PATTERN = "*rl-train-canary-*"
_PR_SET_CHILD_SUBREAPER = 36
_SIGNALLED = """
import pathlib, signal, sys
def note(number, frame):
    pathlib.Path(sys.argv[1]).write_text(str(number))
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGCHLD}:
    signal.signal(number, note)
print("ready", flush=True)
while True:
    signal.pause()
"""


@dataclass(frozen=True)
class Surroundings:
    """Listeners, secrets and a process of the test's own, none of which may be touched."""

    places: Places
    """Where they are."""
    listeners: tuple[socket.socket, ...]
    """Sockets that must have nothing to accept or to receive."""
    canary: subprocess.Popen[str]
    """A process that notes every signal."""
    signal_note: Path
    """Where it notes them."""
    files_before: frozenset[Path]
    """Files with a canary's name that were there before."""
    children_before: frozenset[int]
    """Processes of the test's own that were there before: what other tests fork commands from."""

    def complaints(self) -> list[str]:
        """One sentence for each thing that was touched."""
        found = [f"{listener.getsockname()}: somebody called" for listener in self.listeners if _has_caller(listener)]
        if self.canary.poll() is not None:
            found.append("the canary process is dead")
        if self.signal_note.exists():
            found.append(f"the canary process received signal {self.signal_note.read_text()}")
        found += [f"{path}: was written" for path in sorted(_canary_files(self.places) - self.files_before)]
        return found

    def processes_left(self) -> list[str]:
        """Command lines of all processes below this one but the canary; orphans come to this process."""
        return [
            f"process {pid} is left: {_command_line(pid)}"
            for pid in children(os.getpid())
            if pid not in self.children_before | {self.canary.pid} and not _ends_by_itself(pid)
        ]


@contextlib.contextmanager
def lay_out() -> Iterator[Surroundings]:
    """Prepare everything, with a secret in this process's environment, and clear it away again."""
    token = f"rlt-canary-{secrets.token_hex(8)}"
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path(tempfile.gettempdir())
    children_before = frozenset(children(os.getpid()))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".rl-train-attacks-", dir=home)))
        folder.chmod(0o777)
        for name, mode in (("secret", 0o600), ("open", 0o644)):
            (folder / name).write_text(f"{token}\n")
            (folder / name).chmod(mode)
        (folder / "written").mkdir(mode=0o777)
        (folder / "written").chmod(0o777)
        tcp = stack.enter_context(_listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)))
        udp = stack.enter_context(_listener(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)))
        unix = stack.enter_context(_listener(socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "socket")))
        (folder / "socket").chmod(0o777)
        abstract = stack.enter_context(_listener(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{token}-socket"))
        canary = stack.enter_context(_canary_process(folder / "signalled"))
        stack.enter_context(_environment(SECRET_NAME, token))
        stack.enter_context(_adopting_orphans())
        places = Places(
            tcp_port=tcp.getsockname()[1],
            udp_port=udp.getsockname()[1],
            unix_socket=str(folder / "socket"),
            abstract_socket=f"{token}-socket",
            secret_file=str(folder / "secret"),
            open_file=str(folder / "open"),
            canary_dir=str(folder / "written"),
            canary_pid=canary.pid,
        )
        files = frozenset(_canary_files(places))
        yield Surroundings(places, (tcp, udp, unix, abstract), canary, folder / "signalled", files, children_before)


def _listener(family: int, kind: int, address: tuple[str, int] | str) -> socket.socket:
    listener = socket.socket(family, kind)
    listener.bind(address)
    if kind == socket.SOCK_STREAM:
        listener.listen()
    listener.setblocking(False)
    return listener


def _has_caller(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_DGRAM:
            listener.recv(1)
        else:
            listener.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _canary_process(note: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-I", "-S", "-c", _SIGNALLED, str(note)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


@contextlib.contextmanager
def _adopting_orphans() -> Iterator[None]:
    """Make orphaned processes below this one its children, so that none can slip away to init."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _canary_files(places: Places) -> set[Path]:
    folders = (places.canary_dir, "/tmp", "/var/tmp", "/dev/shm", ".", str(Path.home()), "/run", "/home")
    return {path.resolve() for folder in folders for path in Path(folder).glob(_FILE_PATTERN) if _may_list(folder)}


def _may_list(folder: str) -> bool:
    return os.access(folder, os.R_OK | os.X_OK)


def _ends_by_itself(pid: int) -> bool:
    """Whether the process is dead already, or dies within a second: an orphan is reaped here, being our child now."""
    for _ in range(20):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return True
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def _command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return "gone"
