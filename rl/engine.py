"""Where the learner's arithmetic runs: one process, or several ranks that run this same program (SPMD).

Every rank calls every collective in the same order; what only one rank may do asks `is_main`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object

from envs.errors import UserError

T = TypeVar("T")

if not torch.cuda.is_available():
    # Without it every process prints a warning that no accelerator was found, where deepspeed is installed.
    os.environ.setdefault("DS_ACCELERATOR", "cpu")


def make_accelerator() -> Accelerator:
    """An Accelerator for this process: a GPU where there is one, the launcher's ranks where there are any."""
    return Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())


def is_main() -> bool:
    """Whether this rank writes files and talks to people."""
    return bool(_state().is_main_process)


def world_size() -> int:
    """Number of ranks."""
    return int(_state().num_processes)


def rank() -> int:
    """Number of this rank, from 0."""
    return int(_state().process_index)


def share(items: Sequence[T]) -> list[T]:
    """This rank's part of what all ranks hold: every world_size-th item."""
    state = _state()
    return list(items[state.process_index :: state.num_processes])


def gather(items: Sequence[T]) -> list[T]:
    """The items of all ranks, on every rank, rank by rank."""
    return list(gather_object(list(items))) if world_size() > 1 else list(items)


def together(work: Callable[[], T]) -> T:
    """Run work that may fail on one rank: then it raises on all of them, so that none waits for ever.

    A user's mistake is one on every rank; of another error the other ranks raise RuntimeError.
    """
    error: Exception | None = None
    result: T | None = None
    try:
        result = work()
    except Exception as caught:
        error = caught
    failed = [one for one in gather([(str(error), isinstance(error, UserError)) if error else None]) if one]
    if error is not None:
        raise error
    if failed:
        message, is_users = failed[0]
        raise UserError(message) if is_users else RuntimeError(f"another rank failed: {message}")
    return result  # type: ignore[return-value]


def _state() -> PartialState:
    return PartialState(cpu=not torch.cuda.is_available())
