"""The small run of the selftest as a process that kills itself at a chosen moment."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from rl import checkpoint, experience, log, write
from rl.cli import main
from rl.collect import Rounds
from rl.selftest.resume import arguments

MOMENTS: dict[str, tuple[Any, str]] = {
    "writing": (write, "sample"),
    "grading": (Rounds, "_begin"),
    "storing": (experience, "append_line"),
    "logging": (log, "_append"),
    "saving": (checkpoint, "publish_folder"),
}
"""Where a run may be killed: just before it does this. A line or a folder is half there by then."""


def run_and_die(folder: str, moment: str, count: str, *words: str) -> None:
    """Be the small run, and kill this process the `count`-th time that it comes to a moment."""
    module, name = MOMENTS[moment]
    left = int(count)
    usual = getattr(module, name)

    def deadly(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            _half(moment, *arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(*arguments, **options)

    setattr(module, name, deadly)
    sys.exit(main(arguments(Path(folder), words)))


def _half(moment: str, *arguments: Any) -> None:
    """Leave half of what is about to be written."""
    if moment in ("storing", "logging"):
        path = arguments[0]
        with path.open("a", encoding="utf-8") as file:
            file.write('{"phase": "rein')
    elif moment == "saving":
        largest = max(
            (file for file in arguments[0].rglob("*") if file.is_file()), key=lambda file: file.stat().st_size
        )
        os.truncate(largest, largest.stat().st_size // 2)


if __name__ == "__main__":
    run_and_die(*sys.argv[1:])
