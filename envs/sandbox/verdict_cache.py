"""Verdicts of programs that have proved deterministic: two runs that gave the same bytes."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from pathlib import Path

from envs.sandbox.supervisor import verdict_from_row, verdict_to_row
from envs.verdict import Outcome, Verdict

_REPEATABLE = (Outcome.PASSED, Outcome.WRONG_ANSWER, Outcome.COMPILE_ERROR, Outcome.RUNTIME_ERROR)
"""Outcomes that depend on the program alone, not on how busy the machine was."""


class VerdictCache:
    """The last `size` verdicts by key, optionally also in a file. Not thread-safe: its owner holds a lock.

    The first run of a program is remembered with a digest of all that it gave. When the program comes again it is run
    again, and only an equal digest makes its verdict one that is given out.
    """

    def __init__(self, size: int, path: Path | None = None) -> None:
        """`path` is an SQLite file, made where it is missing; raises OSError naming it where it cannot be used."""
        self.size = size
        self.seen: OrderedDict[str, tuple[Verdict, str, bool]] = OrderedDict()
        self.file: sqlite3.Connection | None = None
        if path is not None:
            try:
                self.file = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
                self.file.execute("CREATE TABLE IF NOT EXISTS verdicts (key TEXT PRIMARY KEY, verdict TEXT NOT NULL)")
            except sqlite3.Error as error:
                raise OSError(f"{path}: the verdict cache cannot be opened: {error}") from None

    def get(self, key: str) -> Verdict | None:
        """Return the verdict of a program that has proved deterministic."""
        found = self.seen.get(key)
        if found is not None:
            self.seen.move_to_end(key)
            return found[0] if found[2] else None
        if self.file is not None:
            row = self.file.execute("SELECT verdict FROM verdicts WHERE key = ?", (key,)).fetchone()
            if row is not None:
                verdict = verdict_from_row(json.loads(row[0]))
                self._keep(key, verdict, "", True)
                return verdict
        return None

    def add(self, key: str, verdict: Verdict, digest: str) -> None:
        """Take note of one run."""
        if self.size < 1 or verdict.outcome not in _REPEATABLE:
            return
        before = self.seen.get(key)
        proven = before is not None and before[1] == digest and before[0].outcomes == verdict.outcomes
        self._keep(key, verdict, digest, proven)
        if proven and self.file is not None:
            row = json.dumps(verdict_to_row(verdict))
            self.file.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", (key, row))

    def _keep(self, key: str, verdict: Verdict, digest: str, proven: bool) -> None:
        self.seen[key] = (verdict, digest, proven)
        self.seen.move_to_end(key)
        if len(self.seen) > self.size:
            self.seen.popitem(last=False)

    def close(self) -> None:
        """Close the file."""
        if self.file is not None:
            self.file.close()
            self.file = None
