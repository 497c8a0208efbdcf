"""Read the files of a run folder; what cannot be read becomes a note."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NEEDED = {"phase": str, "round": int, "event": str}
"""Keys without which a line of a file says nothing, and their types."""


def read_object(path: Path, notes: list[str]) -> Mapping[str, Any]:
    """A JSON object, or an empty one and a note."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        notes.append(f"{path.name} is missing")
        return {}
    except (OSError, ValueError) as error:
        notes.append(f"{path.name} cannot be read: {error}")
        return {}
    if not isinstance(value, dict):
        notes.append(f"{path.name} cannot be read: expected an object")
        return {}
    return value


def read_lines(path: Path, notes: list[str], needed: Sequence[str] = ("phase", "round")) -> list[dict[str, Any]]:
    """The records of a JSONL file that have the needed keys; other lines are counted in a note."""
    if not path.exists():
        notes.append(f"{path.name} is missing")
        return []
    records: list[dict[str, Any]] = []
    n_unreadable = 0
    for line in path.read_bytes().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict) and all(isinstance(record.get(key), NEEDED[key]) for key in needed):
            records.append(record)
        else:
            n_unreadable += 1
    if n_unreadable:
        lines = "1 line cannot be read and is" if n_unreadable == 1 else f"{n_unreadable} lines cannot be read and are"
        notes.append(f"{path.name}: {lines} left out")
    return records
