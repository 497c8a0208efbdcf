"""Servers that many tests share: one in a process of its own, one in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rl.serve.service import Service
    from tests.command import Served
    from tests.small_world import World


@pytest.fixture(scope="session")
def world_folder(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world's policy and critic, laid out as a run."""
    from critics.model import save_critic

    folder = tmp_path_factory.mktemp("served") / "world"
    small_world.policy.save(folder / "checkpoints" / "final")
    save_critic(small_world.critic, small_world.policy.tokenizer, folder / "checkpoints" / "critic")
    return folder


@pytest.fixture(scope="session")
def served(world_folder: Path) -> Iterator[Served]:
    """`rl-train serve` of the small world, with its critic, and its policy as repair model."""
    from tests.command import serving

    words = ("--policy", world_folder, "--critic", "--repair", world_folder, "--workers", "2")
    with serving(*map(str, words)) as served:
        yield served


@pytest.fixture(scope="session")
def inside(small_world: World) -> Iterator[tuple[str, Service]]:
    """The same in this process: its URL, and what is behind it."""
    from tests.rl.serve.running import running

    service = a_service(small_world)
    with running(lambda _: service) as url:
        yield url, service


def a_service(world: World) -> Service:
    from envs.grading import Grader
    from rl.serve.service import Service

    return Service("world", world.policy, critic=world.critic, repair=world.policy, grader=Grader(2))
