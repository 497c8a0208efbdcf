"""Small real parts that many tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.small_world import World

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("DS_ACCELERATOR", "cpu")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the published problem sets; the test is skipped where RL_TRAIN_DATA does not name it."""
    folder = os.environ.get("RL_TRAIN_DATA")
    if not folder:
        pytest.skip("RL_TRAIN_DATA is not set: the published problem sets are not here")
    return Path(folder)


@pytest.fixture(scope="session")
def small_world() -> Iterator[World]:
    """Three tiny problems, a policy that half knows them, its graded rollouts, a critic, a grader."""
    from envs.grading import Grader
    from tests.small_world import build

    with Grader(2) as grader:
        yield build(grader)
