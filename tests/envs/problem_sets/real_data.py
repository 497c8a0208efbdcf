"""Where the published data sets lie on this machine, and the grader that the gates share."""

import os
from pathlib import Path

import pytest

VARIABLE = "RL_TRAIN_DATA"


def real_data(name: str) -> Path:
    """Folder of one data set; skips the test where the variable names none."""
    root = os.environ.get(VARIABLE)
    if not root:
        pytest.skip(f"{VARIABLE} is not set: the published data sets are not here")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder
