"""Virtual environments of their own for other projects' tools, made once and kept."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest


def environment(*requirements: str) -> Path:
    """The `bin` folder of an environment with these packages; the test is skipped where they cannot be installed.

    They are kept under RL_TRAIN_TEST_ENVIRONMENTS, or a folder of the user's cache.
    """
    kept = Path(os.environ.get("RL_TRAIN_TEST_ENVIRONMENTS") or Path.home() / ".cache" / "rl-train-tests")
    name = hashlib.sha256(" ".join((sys.version, *requirements)).encode()).hexdigest()[:12]
    folder = kept / name
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=1800)
        if done.returncode != 0:
            pytest.skip(f"{', '.join(requirements)} cannot be installed here: {done.stderr.strip()[-300:]}")
        (folder / "ready").touch()
    return folder / "bin"
