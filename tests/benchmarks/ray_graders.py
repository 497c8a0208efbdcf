"""What Ray adds to grading: CPU and wall time per program of a Grader on an actor against one on worker processes.

    python -m tests.benchmarks.ray_graders [--rounds 9] [--batches 10] [--json results.json]

Both run as many worker processes, on one raylet of this machine, and grade batches of 64 programs, turn by turn. Counted
is the CPU of this process, of the actor and of all below them; the cluster's own daemons are not, they idle alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Collection
from pathlib import Path

from ray._private.state import actors

from envs.grading import Grader, GradeRequest
from envs.ray_graders import Place, find_places, ray_grader
from tests.benchmarks.grader import FUNCTION, PROGRAM
from tests.processes import children, descendants
from tests.ray_cluster import one_raylet

BATCH = 64
TARGET = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_of(pids: Collection[int]) -> float:
    """CPU seconds of some processes and of all that they have waited for."""
    total = 0
    for pid in pids:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += sum(map(int, after_name[11:15]))
    return total / _TICKS


def cost(grader: Grader, processes: Callable[[], list[int]], batches: int, name: str) -> tuple[float, float]:
    """(CPU, wall) seconds per program."""
    began, before = time.perf_counter(), cpu_of(processes())
    for batch in range(batches):
        programs = [f"{PROGRAM}# {name} {batch} {index}\n" for index in range(BATCH)]
        assert all(
            verdict.passed
            for verdict in grader.grade(GradeRequest(FUNCTION, p, FUNCTION.hidden_tests) for p in programs)
        )
    wall, cpu = time.perf_counter() - began, cpu_of(processes()) - before
    return cpu / (batches * BATCH), wall / (batches * BATCH)


def measure(rounds: int, batches: int, workers: int) -> dict[str, float]:
    """Medians over interleaved rounds."""
    with one_raylet(workers + 1):
        daemons = children(os.getpid())
        (node,) = {place.node for place in find_places()}
        with Grader(workers) as local, ray_grader([Place(node, workers)], isolation=local.level) as remote:
            (actor,) = (one["Pid"] for one in actors().values() if one["State"] == "ALIVE")

            def us() -> list[int]:
                return [os.getpid(), *descendants(os.getpid(), but=daemons)]

            costs: dict[str, list[tuple[float, float]]] = {"local": [], "ray": []}
            for number in range(rounds + 1):
                local_cost = cost(local, us, batches, f"local {number}")
                ray_cost = cost(remote, lambda: [os.getpid(), actor, *descendants(actor)], batches, f"ray {number}")
                if number:  # the first round starts processes
                    costs["local"].append(local_cost)
                    costs["ray"].append(ray_cost)
    ratios = [
        [there[kind] / here[kind] for here, there in zip(costs["local"], costs["ray"], strict=True)] for kind in (0, 1)
    ]
    return {
        "rounds": rounds,
        "programs_per_round": batches * BATCH,
        "workers": workers,
        "local_cpu_ms": 1e3 * statistics.median(cpu for cpu, _ in costs["local"]),
        "ray_cpu_ms": 1e3 * statistics.median(cpu for cpu, _ in costs["ray"]),
        "added_cpu": statistics.median(ratios[0]) - 1,
        "added_wall": statistics.median(ratios[1]) - 1,
        "target": TARGET,
    }


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure(options.rounds, options.batches, options.workers)
    print(json.dumps(found, indent=1))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
