"""The run folder: resolved config, manifest, and the lock and journal that let one process at a time go on with it."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from envs.errors import UserError
from rl.config_files import flat
from rl.durable import append_line, lines_of, without_torn_tail, write_json

CONFIG, MANIFEST, JOURNAL = "config.json", "manifest.json", "journal.jsonl"
CALIBRATION, CRITIC_TOKENS = "calibration.json", "critic_tokens.json"
"""How far a critic can be trusted, and its values along a few programs; only in runs that have one."""
RECORDED_VERSIONS = (
    *("rl-train", "torch", "transformers", "accelerate", "datasets", "tokenizers", "numpy", "pyarrow"),
    *("deepspeed", "ray"),
)
MAY_CHANGE = (
    *(
        "folder",
        "graders",
        "engine",
        "sampling.server",
        "checkpoints",
        "alarms",
        "log",
        "teacher.cache",
        "teacher.max_requests",
    ),
    *("teacher.max_tokens", "teacher.parallel", "teacher.tries", "teacher.timeout_s", "teacher.key_variable"),
)
"""Sections and keys that a run may go on with when they differ: they do not decide what is learned."""


class Run:
    """A run folder that this process holds."""

    def __init__(self, folder: Path) -> None:
        """Use a folder that `open_run` has prepared."""
        self.folder = folder

    def note(self, event: str, **facts: Any) -> None:
        """Add a line to the journal: what happened, when, in which process."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        append_line(self.folder / JOURNAL, json.dumps({"event": event, "time": when, "pid": os.getpid()} | facts))


@contextmanager
def open_run(folder: Path, config: Mapping[str, Any], facts: Mapping[str, Any], resume: bool) -> Iterator[Run]:
    """Start a run in a folder, or with `resume` go on with the one it holds; ends with a line in the journal.

    Raises UserError where another process is at it, where the folder holds a run that nobody asked to resume, and where
    that run was begun with another config.
    """
    with hold(folder):
        began = _begin(folder, config, facts, resume)
        run = Run(folder)
        run.note(began, versions=_versions())
        try:
            yield run
        except BaseException as error:
            run.note("stopped", reason=f"{type(error).__name__}: {error}".rstrip(": "))
            raise
        run.note("finished")


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes out of it; raises UserError where one is at it already."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("a+") as lock:
            _hold(lock, folder)
            yield
    except PermissionError as error:
        raise UserError(f"folder: cannot write a run to {folder}: {error.strerror}") from None


def holds_a_run(folder: Path) -> bool:
    """Whether a run was begun in this folder."""
    return (folder / CONFIG).is_file()


def is_finished(folder: Path) -> bool:
    """Whether the run of this folder came to its end."""
    return any(event["event"] == "finished" for event in journal(folder))


def recorded_ranks(folder: Path) -> int:
    """Number of ranks that the run of this folder began on; 1 where there is none."""
    if not (folder / MANIFEST).is_file():
        return 1
    return int(json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("ranks", 1))


def journal(folder: Path) -> list[dict[str, Any]]:
    """What happened to a run: its events, oldest first."""
    return [json.loads(line) for line in lines_of(folder / JOURNAL)]


def manifest() -> dict[str, Any]:
    """What this run stands on: versions, machine, and the commit where the code is a checkout."""
    return {
        "versions": _versions(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "commit": _commit(),
    }


def _hold(lock: Any, folder: Path) -> None:
    """Lock the folder for as long as this process lives; the lock's file says who holds it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "another process"
        raise UserError(
            f"folder: {folder} is in use by {holder}; wait until it ends, or name another with --folder"
        ) from None
    lock.truncate(0)
    lock.write(f"process {os.getpid()}")
    lock.flush()


def _begin(folder: Path, config: Mapping[str, Any], facts: Mapping[str, Any], resume: bool) -> str:
    without_torn_tail(folder / JOURNAL)
    if not holds_a_run(folder):
        write_json(folder / MANIFEST, manifest() | dict(facts))
        write_json(folder / CONFIG, config)
        return "started"
    if not resume:
        refuse_taken(folder)
    refuse_changed(folder, config)
    return "resumed"


def refuse_taken(folder: Path) -> None:
    """Raise UserError where the folder holds a run."""
    if holds_a_run(folder):
        raise UserError(
            f"folder: {folder} already holds a run; `rl-train run {folder}` goes on with it, or name another folder "
            f"with --folder"
        )


def refuse_changed(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise UserError where the run of this folder was begun with another config."""
    before = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    for name, old, new in _changed(before, config):
        raise UserError(
            f"{name}: this run was begun with {old!r}; got {new!r}; a run goes on as it began, so set it back or name "
            f"another folder with --folder"
        )


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Keys of two configs that differ, as (dotted name, before, now), but for those that may change."""
    old, new = flat(before), flat(json.loads(json.dumps(now, default=str)))
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name) and not _may_change(name):
            yield name, old.get(name), new.get(name)


def _may_change(name: str) -> bool:
    return any(name == allowed or name.startswith(f"{allowed}.") for allowed in MAY_CHANGE)


def _versions() -> dict[str, str | None]:
    return {name: _version(name) for name in RECORDED_VERSIONS}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the checkout that this package runs from; None outside one."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
