"""TACO (arXiv 2312.14852): APPS' columns with tags and limits of its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from envs.problem import Limits, Problem
from envs.problem_sets import apps
from envs.problem_sets.problem_set import ProblemSet, RowError
from envs.problem_sets.reading import content_id, load_rows, read_rows, required_path, shorten, text

ORIGIN = "BAAI/TACO"
LICENCE = "Apache-2.0"
_TAG_KEYS = ("tags", "skill_types")


def load(split: str = "train", path: str | Path | None = None, config: str | None = None) -> ProblemSet:
    """Load one split. Rows carry no id, so a problem is named by a hash of its question."""
    rows = read_rows(required_path(path, "taco", ORIGIN), split, (), config)
    return load_rows("taco", split, rows, partial(problem, split=split), LICENCE)


def problem(row: Mapping[str, Any], split: str = "train") -> Problem:
    """One row; raises RowError that names the key."""
    named = {**row, "problem_id": content_id(text(row, "question"))}
    base = apps.problem(named, split, source="taco")
    tags = tuple(dict.fromkeys(tag for key in _TAG_KEYS for tag in _tags(row, key)))
    return replace(base, limits=_limits(row), licence=LICENCE, tags=base.tags + tags)


def _tags(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Tags are the `repr` of a list of texts."""
    value = row.get(key) or "[]"
    try:
        tags = ast.literal_eval(value) if isinstance(value, str) else value
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        tags = None
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise RowError(f"{key}: expected the repr of a list of texts; got {shorten(value)}")
    return tuple(tags)


def _limits(row: Mapping[str, Any]) -> Limits:
    """`2.0 seconds` and `256.0 megabytes`, never below what APPS gives: the figures are those of compiled languages."""
    seconds = _leading_number(row, "time_limit")
    megabytes = _leading_number(row, "memory_limit")
    return replace(
        apps.LIMITS,
        cpu_s=max(apps.LIMITS.cpu_s, 2.0 * (seconds or 0.0)),
        memory_mb=max(apps.LIMITS.memory_mb, int(megabytes or 0)),
    )


def _leading_number(row: Mapping[str, Any], key: str) -> float | None:
    match = re.match(r"\s*(\d{1,6}(?:\.\d*)?)", text(row, key, ""))
    return float(match[1]) if match else None
