"""How a zygote is started at each isolation level: the interpreter, what it may see, and the command line."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
import sysconfig
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SANDBOX = Path(__file__).resolve().parent
NOBODY = 65534


class Level(StrEnum):
    """How well a program is kept from everything else; a higher one includes the promises of a lower one."""

    L1 = "L1"
    """Limits and a value protocol only: a verdict cannot be forged, but the host is not protected."""
    L2 = "L2"
    """Landlock and a system-call filter: everything outside is refused by rule."""
    L3 = "L3"
    """bubblewrap, a process namespace per program, and the filter: nothing outside is there."""


@dataclass(frozen=True)
class Interpreter:
    """The Python that runs programs: the base one, because a virtual environment's is only a link to it."""

    executable: str
    """Its real path."""
    readable: tuple[str, ...]
    """Files and folders that it needs: shared libraries and the standard library without third-party packages."""
    hidden: tuple[str, ...]
    """Folders below those that a program must not see."""


def find_interpreter() -> Interpreter:
    """Locate the base interpreter of this process and what it needs to run."""
    executable = os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable)
    stdlib = os.path.realpath(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    libraries = [path for path in ("/usr/lib", "/usr/lib64", "/usr/lib32", "/lib", "/lib64") if os.path.isdir(path)]
    libraries += [str(path) for path in Path(sys.base_prefix, "lib").glob("libpython*")]
    libraries += [path for path in ("/etc/ld.so.cache", "/usr/share/zoneinfo") if os.path.exists(path)]
    packages = {os.path.join(stdlib, name) for name in ("site-packages", "dist-packages")}
    packages |= {str(path) for root in ("/usr/lib", "/usr/lib64") for path in Path(root).glob("python*/*-packages")}
    return Interpreter(
        executable,
        (executable, stdlib, *libraries),
        tuple(sorted(path for path in packages if os.path.isdir(path))),
    )


def zygote_command(level: Level, interpreter: Interpreter, connection: int) -> list[str]:
    """The command line that starts a zygote, whose socket to the supervisor is the descriptor `connection`."""
    if level is Level.L3:
        return [*_bubblewrap(interpreter), *_python(interpreter, level, connection, "/sandbox", [], [])]
    readable, devices = _landlock_paths(interpreter) if level is Level.L2 else ([], [])
    return _python(interpreter, level, connection, str(SANDBOX), readable, devices)


def zygote_environment() -> dict[str, str]:
    """The whole environment of a zygote."""
    return {
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8:strict",
        "LC_ALL": "C.UTF-8",
        "MALLOC_ARENA_MAX": "1",  # every other arena would take 64 MiB of the address space of a program with threads
        "OPENBLAS_NUM_THREADS": "1",
    }


def worker_user(level: Level, interpreter: Interpreter) -> int | None:
    """The user that a zygote runs as at L2 when started by root: nobody, if nobody can read what it needs."""
    if level is not Level.L2 or os.geteuid() != 0:
        return None
    return NOBODY if all(map(_anybody_can_read, (*interpreter.readable[:2], str(SANDBOX)))) else None


def _anybody_can_read(path: str) -> bool:
    parents = [Path(path), *Path(path).parents]
    return all(os.stat(part).st_mode & stat.S_IXOTH for part in parents)


def _python(
    interpreter: Interpreter, level: Level, connection: int, root: str, readable: list[str], devices: list[str]
) -> list[str]:
    filter_path = f"{root}/inside/seccomp_{platform.machine()}.bpf"
    start = f"import sys; sys.path.insert(0, {root!r}); from inside import zygote; del sys.path[0]; "
    start += f"zygote.main({str(level)!r}, {connection}, {readable!r}, {devices!r}, {filter_path!r})"
    return [interpreter.executable, "-S", "-s", "-P", "-B", "-X", "utf8", "-c", start]


def _bubblewrap(interpreter: Interpreter) -> list[str]:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError("bubblewrap (bwrap) is not installed")
    arguments = [bwrap, "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    arguments += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1", "--hostname", "sandbox"]
    arguments += ["--uid", str(NOBODY), "--gid", str(NOBODY), "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"]
    arguments += ["--clearenv"]
    for name, value in zygote_environment().items():
        arguments += ["--setenv", name, value]
    for path in interpreter.readable:
        if os.path.islink(path):
            arguments += ["--symlink", os.readlink(path), path]
        else:
            arguments += ["--ro-bind", path, path]
    for path in interpreter.hidden:
        arguments += ["--tmpfs", path, "--remount-ro", path]
    arguments += ["--dir", "/dev"]
    for name in ("null", "zero", "random", "urandom"):
        arguments += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    arguments += ["--ro-bind", str(SANDBOX / "inside"), "/sandbox/inside", "--remount-ro", "/", "--chdir", "/"]
    return arguments


def _landlock_paths(interpreter: Interpreter) -> tuple[list[str], list[str]]:
    """Paths that may be read, and devices that may be written; a hidden folder is left out by naming its siblings."""
    readable: list[str] = []
    for path in map(os.path.realpath, interpreter.readable):
        readable += _without(path, interpreter.hidden)
    return sorted({*readable, str(SANDBOX / "inside")}), ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"]


def _without(path: str, hidden: tuple[str, ...]) -> list[str]:
    if path in hidden:
        return []
    if not any(folder.startswith(path + "/") for folder in hidden):
        return [path]
    return [part for name in sorted(os.listdir(path)) for part in _without(os.path.join(path, name), hidden)]
