"""Problem sets, one per file: load(split, path) -> ProblemSet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from pathlib import Path
from types import MappingProxyType
from typing import Any

from envs.problem_sets import (
    apps,
    basics,
    code_contests,
    files,
    gsm8k,
    humaneval,
    kodcode,
    livecodebench,
    mbpp,
    puzzles,
    taco,
    verifiable,
    word_problems,
)
from envs.problem_sets.detect import detect_format
from envs.problem_sets.problem_set import DataError, DroppedRow, ProblemSet, RowError

PROBLEM_SETS: Mapping[str, Callable[..., ProblemSet]] = MappingProxyType(
    {
        "apps": apps.load,
        "basics": basics.load,
        "code_contests": code_contests.load,
        "files": files.load,
        "gsm8k": gsm8k.load,
        "gsm8k_socratic": partial(gsm8k.load, socratic=True),
        "humaneval": humaneval.load,
        "kodcode": kodcode.load,
        "livecodebench": livecodebench.load,
        "mbpp": mbpp.load,
        "puzzles": puzzles.load,
        "taco": taco.load,
        "verifiable": verifiable.load,
        "word_problems": word_problems.load,
    }
)
"""Every set by its name: the only registry."""

AUTO = "auto"
"""Name that leaves the choice of the format to the detector."""


def load_problems(name: str, split: str | None = None, path: str | Path | None = None, **options: Any) -> ProblemSet:
    """Load a set by name; `auto` finds out the format of `path`. Raises DataError for what the user got wrong.

    Without a split it is the set's own default: `test` where the set is there to evaluate by, otherwise `train`.
    """
    if name == AUTO:
        if path is None:
            raise DataError("data.name: 'auto' needs data.path; got none")
        name = detect_format(path, split or "train").name
    if name not in PROBLEM_SETS:
        raise DataError(f"data.name: expected one of {', '.join((*PROBLEM_SETS, AUTO))}; got {name!r}")
    _check_options(name, options)
    chosen = {} if split is None else {"split": split}
    return PROBLEM_SETS[name](path=path, **chosen, **options)


def _check_options(name: str, options: Mapping[str, Any]) -> None:
    parameters = list(signature(PROBLEM_SETS[name]).parameters)[2:]
    for option in options:
        if option not in parameters:
            raise DataError(f"data.{option}: {name} takes {', '.join(parameters) or 'no options'}; got {option!r}")


__all__ = [
    "AUTO",
    "PROBLEM_SETS",
    "DataError",
    "DroppedRow",
    "ProblemSet",
    "RowError",
    "detect_format",
    "load_problems",
]
