"""The training benchmark runs, and what it compares is what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.soak
def test_the_quick_benchmark_measures_every_target(tmp_path: Path) -> None:
    pytest.importorskip("trl")
    results_path = tmp_path / "results.json"
    command = [sys.executable, "-m", "tests.benchmarks.training", "--quick", "--json", str(results_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    results = json.loads(results_path.read_text())
    measured = {f"{stage}: {name}": row for stage, rows in results["stages"].items() for name, row in rows.items()}
    assert set(results["targets"]) <= set(measured)
    assert all(label in done.stdout and row["cpu_s"] > 0 for label, row in measured.items())
    full = {row["tokens"] for label, row in measured.items() if ", full" in label}
    assert full == {256}  # 4 problems, 4 completions each, 16 tokens: nobody stops early
    assert max(results["gradient_difference"].values()) < 1e-5
