"""The small run of the selftest as a process that kills itself at a chosen moment, or whose sandbox breaks."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from envs.grading import GradeRequest
from envs.verdict import Outcome, Verdict
from rl import checkpoint, decode, experience, log
from rl.cli import main
from rl.collect import Rounds
from rl.selftest.resume import arguments

MOMENTS: dict[str, tuple[Any, str]] = {
    "writing": (decode, "_sample"),
    "grading": (Rounds, "_begin"),
    "storing": (experience, "append_line"),
    "logging": (log, "_append"),
    "saving": (checkpoint, "publish_folder"),
}
"""Where a run may be killed: just before it does this. A line or a folder is half there by then."""


def run_and_die(folder: str, moment: str, count: str, *words: str) -> int:
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
    return main(arguments(Path(folder), words))


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


def run_without_verdicts(folder: str, *words: str) -> int:
    """Be the small run on a machine whose sandbox stops working before the eighth round of reinforcement."""
    begin = Rounds._begin

    def breaking(self: Rounds, number: int) -> Any:
        if getattr(self.record, "phase", "") == "reinforce" and number == 7:
            self.grade = _no_verdict
        return begin(self, number)

    Rounds._begin = breaking  # type: ignore[method-assign]
    return main(arguments(Path(folder), words))


def _no_verdict(request: GradeRequest) -> Future[Verdict]:
    future: Future[Verdict] = Future()
    future.set_result(Verdict(Outcome.SANDBOX_ERROR, 0, len(request.tests), reason="no processes are left"))
    return future
