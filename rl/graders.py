"""Where programs run: worker processes of this machine, or actors on all machines of a Ray cluster."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from envs.errors import UserError
from envs.grading import Grader
from rl.config_sections import GradersSection
from rl.engine import gather, rank, together, world_size

if TYPE_CHECKING:
    from envs.ray_graders import Place


def open_grader(settings: GradersSection) -> Grader:
    """This rank's grader; every rank calls it. Raises UserError where what was asked for cannot be had."""
    if settings.on == "ray" or (settings.on == "auto" and in_cluster()):
        places = _places_of_this_rank(settings)
        if places:
            from envs.ray_graders import ray_grader

            return together(lambda: ray_grader(places, min_isolation=settings.min_isolation))
    workers = settings.workers or max(1, (os.cpu_count() or 1) // world_size())
    return Grader(workers, min_isolation=settings.min_isolation)


def in_cluster() -> bool:
    """Whether this process is part of a Ray cluster: a job's, a worker's, or one that RAY_ADDRESS (host:port) names."""
    ray = sys.modules.get("ray")
    named = os.environ.get("RAY_ADDRESS", "")
    return bool(named and "://" not in named) or (ray is not None and bool(ray.is_initialized()))


def _places_of_this_rank(settings: GradersSection) -> list[Place]:
    """This rank's part of the cluster's free CPUs; none where there are too few, and nobody insisted."""
    ranks = world_size()
    places = gather([together(lambda: _free_places(settings))])[0]  # all deal from rank 0's list
    if len(places) >= ranks:
        return places[rank() :: ranks]
    if settings.on == "auto":
        return []
    raise UserError(
        f"graders.on: the Ray cluster has room for {len(places)} graders; expected one for each of {ranks} ranks,"
        f" beside one CPU of each machine that stays free; add machines or CPUs, or set graders.on = local"
    )


def _free_places(settings: GradersSection) -> list[Place]:
    try:
        from envs.ray_graders import connect, find_places
    except ImportError as error:
        raise UserError(f"graders.on: Ray cannot be used: {error}; install rl-train[ray], or set it to local") from None
    connect()
    ranks = world_size()
    return find_places(ranks, None if settings.workers is None else settings.workers * ranks)
