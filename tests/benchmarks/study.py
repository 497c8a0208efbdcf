"""What the studies that compare recipes share: their command line, the comparison by the real command, its record."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Findings = Callable[[dict[str, Any], Sequence[int]], dict[str, Any]]
"""(result of `rl-train compare`, seeds) -> what it says about the claims."""


def study(
    name: str, about: str | None, config: Path, seeds: str, *, prepare: Callable[[Sequence[int]], None], find: Findings
) -> None:
    """Run what is missing of tests/benchmarks/<name>.py, for `seeds` by default; print what was found, and keep it."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seeds", default=seeds)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    numbers = [int(seed) for seed in options.seeds.split(",")]
    prepare(numbers)
    words = ["compare", str(config), "--compare.seeds", f"[{options.seeds}]", "--resume", "--json"]
    result = json.loads(rl_train(words))
    found = find(result, numbers)
    print(json.dumps(found, indent=2))
    run = {
        "command": f"python -m tests.benchmarks.{name} --seeds {options.seeds}",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
    }
    if options.out:
        options.out.write_text(json.dumps(found | result | run, indent=2) + "\n")


def rl_train(words: list[str]) -> str:
    """The command's standard output; what it says else is passed on."""
    done = subprocess.run([sys.executable, "-m", "rl.cli", *words], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return done.stdout
