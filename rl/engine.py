"""Where the learner's arithmetic runs: one process or data parallel, through accelerate."""

from __future__ import annotations

import os

import torch
from accelerate import Accelerator
from transformers.utils.logging import disable_progress_bar

if not torch.cuda.is_available():
    # Without it every process prints a warning that no accelerator was found, where deepspeed is installed.
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
disable_progress_bar()


def make_accelerator() -> Accelerator:
    """An Accelerator for this process: a GPU where there is one, the launcher's ranks where there are any."""
    return Accelerator(mixed_precision="no")
