"""The run folder: resolved config, manifest and metrics of one execution of an experiment."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from envs.errors import UserError

RECORDED_VERSIONS = ("rl-train", "torch", "transformers", "accelerate", "datasets", "tokenizers", "numpy")


def start_run(folder: Path, config: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Create the folder with config.json and manifest.json; refuses a folder that holds a run already."""
    if (folder / "config.json").exists():
        raise UserError(f"folder: {folder} already holds a run; name another with --folder, or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "config.json", config)
        write_json(folder / "manifest.json", manifest() | dict(facts))
    except OSError as error:
        raise UserError(f"folder: cannot write a run to {folder}: {error.strerror}") from None


def manifest() -> dict[str, Any]:
    """What this run stands on: versions, machine, and the commit where the code is a checkout."""
    return {
        "versions": {name: _version(name) for name in RECORDED_VERSIONS},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "commit": _commit(),
    }


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON."""
    path.write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the checkout that this package runs from; None outside one."""
    here = Path(__file__).parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
