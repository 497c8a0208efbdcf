"""The real `rl-train` command in a process of its own, forked from one that has imported what commands need.

Importing torch and transformers takes longer than most runs in tests do; here each test worker does it once.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rl.cli import main

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.preloaded"])


def rl_train(*words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return in_a_fork(main, list(words), timeout=timeout)


def in_a_fork(work: Callable[..., int], *arguments: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run `work`, a function of a module, to its end: its exit code and what it wrote to both streams."""
    with tempfile.TemporaryDirectory() as where:
        streams = Path(where, "stdout"), Path(where, "stderr")
        place = (Path.cwd(), dict(os.environ), streams)
        process = _FORKS.Process(target=_work, args=(work, arguments, *place))
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired([work.__name__, *map(str, arguments)], timeout)
        written = [stream.read_text() if stream.exists() else "" for stream in streams]
        return subprocess.CompletedProcess(arguments, process.exitcode, *written)


def _work(
    work: Callable[..., int],
    arguments: Sequence[object],
    folder: Path,
    environment: dict[str, str],
    streams: tuple[Path, Path],
) -> None:
    """As a process of its own would find the world."""
    for number, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.exit(work(*arguments))
