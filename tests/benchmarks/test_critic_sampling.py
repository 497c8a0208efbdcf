"""The benchmark of critic sampling runs, and its budgets are equal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from critics.model import save_critic
from tests.small_world import World


@pytest.mark.slow
def test_the_benchmark_compares_every_way_at_every_budget(small_world: World, tmp_path: Path) -> None:
    small_world.policy.save(tmp_path / "policy")
    save_critic(small_world.critic, small_world.policy.tokenizer, tmp_path / "critic")
    command = (
        f"{sys.executable} -m tests.benchmarks.critic_sampling --policy {tmp_path}/policy --critic {tmp_path}/critic"
    )
    command += (
        f" --repair {tmp_path}/policy --size 4 --n 2 --max-new-tokens 12 --budgets 24,48 --json {tmp_path}/found.json"
    )
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found["budgets"]) == ["24", "48"]
    for budget, comparison in found["budgets"].items():
        assert len(comparison["rows"]) == 7
        assert f"4 problems, at most {budget} generated tokens each" in done.stdout
        assert all(sum(row["tokens"].values()) <= 4 * int(budget) for row in comparison["rows"])
