"""Where the learner's arithmetic runs: one process or data parallel, through accelerate."""

from __future__ import annotations

from accelerate import Accelerator


def make_accelerator() -> Accelerator:
    """An Accelerator for this process: a GPU where there is one, the launcher's ranks where there are any."""
    return Accelerator(mixed_precision="no")
