"""The real `rl-train` command in a process of its own, forked from one that has imported what commands need.

Importing torch and transformers takes longer than most runs in tests do; here each test worker does it once.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from rl.cli import main

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.preloaded"])


def rl_train(*words: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return in_a_fork(main, list(words), timeout=timeout)


@dataclass(frozen=True)
class Served:
    """A server that runs in a process of its own."""

    url: str
    process: BaseProcess
    stderr: Path

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Until its models are loaded."""
        until = time.monotonic() + seconds
        while True:
            with contextlib.suppress(urllib.error.HTTPError):  # 503 while they are
                urllib.request.urlopen(f"{self.url}/ready", timeout=5).close()
                return
            assert time.monotonic() < until, self.stderr.read_text()
            time.sleep(0.02)


@contextlib.contextmanager
def serving(*words: str, seconds: float = 60) -> Iterator[Served]:
    """The real `rl-train serve` with some options on a free port, until the block ends."""
    with tempfile.TemporaryDirectory() as where:
        streams = Path(where, "stdout"), Path(where, "stderr")
        place = (Path.cwd(), dict(os.environ), streams)
        process = _FORKS.Process(target=_work, args=(main, (["serve", "--port", "0", "--json", *words],), *place))
        process.start()
        try:
            while not (streams[0].exists() and streams[0].read_text().endswith("\n")):
                assert process.is_alive(), streams[1].read_text()
                time.sleep(0.01)
            served = Served(json.loads(streams[0].read_text())["url"], process, streams[1])
            served.wait_until_ready(seconds)
            yield served
        finally:
            process.terminate()
            process.join(30)
            process.kill()


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
