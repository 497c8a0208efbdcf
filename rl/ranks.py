"""Ranks on this machine: the command's own process is rank 0, and runs the same command in a process per other rank.

They talk by torch's own variables, so a rank cannot tell this from another launcher, such as torchrun.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from envs.errors import UserError

QUICKSTART_RANKS = 2
"""Of a machine with as many cores and no GPU; not more, so that the same seed shows the same run on most machines."""
PATIENCE_S = 2.0
"""Seconds that other ranks have to end once rank 0 has: nothing is left to them, and after Ctrl-C they wait for it."""
SHOWN_LINES = 20
_PR_SET_PDEATHSIG = 1


def quickstart_ranks() -> int:
    """Ranks that the quickstart is run on unless told."""
    return 1 if shutil.which("nvidia-smi") else min(QUICKSTART_RANKS, os.cpu_count() or 1)


@contextmanager
def on_ranks(count: int, words: Sequence[str]) -> Iterator[None]:
    """Within it this process is rank 0 of `count`; the others run `rl-train` with the same words.

    They die with this process, and leave Ctrl-C and what is shown to it. Nothing is started where a launcher has made
    this process a rank already. Raises RuntimeError, with the last lines of what it said, where another rank ends
    before this one.
    """
    if count == 1 or "RANK" in os.environ:
        yield
        return
    before = dict(os.environ)
    threads = str(max(1, (os.cpu_count() or 1) // count))
    os.environ |= {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    with ExitStack() as stack:
        stack.callback(_restore, before)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rl-train-ranks-")))
        others = [
            _start(number, words, stack.enter_context((folder / str(number)).open("w+"))) for number in range(1, count)
        ]
        stack.callback(_end, others)
        os.environ |= _names(0)
        try:
            yield
        except UserError:  # every rank makes the same mistake, and another may have been quicker
            raise
        except Exception as error:
            for number, process in enumerate(others, start=1):
                if process.poll():
                    said = (folder / str(number)).read_text(errors="replace").splitlines()[-SHOWN_LINES:]
                    raise RuntimeError("\n".join([f"rank {number} ended with {process.poll()}:", *said])) from error
            raise
        for process in others:
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)


def _start(number: int, words: Sequence[str], says: IO[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rl.cli", *words]
    environment = os.environ | _names(number)
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=says, preexec_fn=_follow)


def _follow() -> None:
    """Die when the parent dies, however it does, and leave it to the parent to hear Ctrl-C."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _names(number: int) -> dict[str, str]:
    return {"RANK": str(number), "LOCAL_RANK": str(number)}


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
        process.wait()


def _restore(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
