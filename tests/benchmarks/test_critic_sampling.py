"""The benchmark of critic sampling runs, and its budgets are equal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

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
        f" --repair {tmp_path}/policy --size 4 --n 2 --max-new-tokens 12 --budgets 24,48 --seeds 0,1 "
        f"--json {tmp_path}/found.json --svg {tmp_path}/found.svg"
    )
    done = subprocess.run(command.split(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert list(found["budgets"]) == ["24", "48"]
    for ways in found["budgets"].values():
        assert len(ways) == 7
        for way in ways.values():
            assert (
                set(way["metrics"]) == set(way["more than plain"]) == {"pass@1", "pass@4", "1@all", "4@all", "solved"}
            )
    true, others = "repair, true evidence", ("repair, another program's evidence", "the policy again")
    assert set(found["mended"]) == {true, *others, *(f"{true}, minus {other}" for other in others)}
    assert "4 problems, seeds (0, 1)" in done.stdout
    picture = ElementTree.parse(tmp_path / "found.svg").getroot()
    assert sum(element.tag.endswith("polyline") for element in picture.iter()) == 2 * 7
