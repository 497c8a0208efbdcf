"""Forecast: how long a round takes on so many GPUs and graders, who waits for whom, and what a rank must hold.

Sampling, learning and grading are timed here, for real; a simulation of the grading queue says the rest. A GPU counts
as fast as the device of this machine. Gradients and weights that ranks exchange are not counted.
"""

from __future__ import annotations

import heapq
import io
import math
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from envs.errors import UserError
from envs.grading import GradeRequest
from envs.rollout import Group
from envs.verdict import Outcome
from rl.collect import collect
from rl.config import RunConfig
from rl.dry_run import try_programs
from rl.estimate import (
    ROWS,
    Item,
    Lengths,
    Speed,
    measure_lengths,
    measure_speed,
    pass_memory,
    rows_per_round,
    total,
    weights_memory,
)
from rl.experiment import Experiment, open_experiment
from rl.plan import Phase
from rl.recipes import RECIPES

SWEEP = (8, 16, 32, 64, 128, 256, 512, 1024)
"""Numbers of GPUs that the queue is simulated for, each with as many programs as one of the GPUs asked for has."""
MOST_GRADERS = 10_000
BEARABLE = 0.05
"""Share of a round that GPUs may wait for verdicts; with more graders than that takes, they would be idle instead."""
SPREAD = 1.0
"""Standard deviation of the logarithm of a program's time: a tenth of the programs takes 3.6 times the median."""


@dataclass(frozen=True, slots=True)
class Programs:
    """How long programs run: log-normal, and some until they are stopped."""

    mean_s: float
    """Seconds of a program that ends by itself, on average."""
    at_limit: float
    """Share that runs into its limit, such as endless loops."""
    limit_s: float
    """Seconds until such a program is stopped, by the clock."""

    def draw(self, count: int, generator: random.Random) -> list[float]:
        """Seconds of some programs."""
        centre = math.log(self.mean_s) - SPREAD**2 / 2
        return [
            self.limit_s
            if generator.random() < self.at_limit
            else min(self.limit_s, generator.lognormvariate(centre, SPREAD))
            for _ in range(count)
        ]


@dataclass(frozen=True, slots=True)
class Load:
    """What one rank does in a round."""

    programs: int
    """Programs that it writes."""
    write_s: float
    """Seconds of writing them all."""
    learn_s: float
    """Seconds of judging and learning."""
    overlaps: bool
    """Whether verdicts are waited for only after the steps of the round before (`reinforce.ahead`)."""
    distinct: float = 1.0
    """Share of the programs that graders run: equal ones of a problem run once."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A round on some GPUs and graders."""

    gpus: int
    """Ranks."""
    graders: int
    """Worker processes that run programs, a CPU each."""
    round_s: float
    """Seconds of a round."""
    wait_s: float
    """Seconds of it in which every rank waits for the last verdict."""
    gpu_idle: float
    """Share of the round that ranks wait."""
    grader_idle: float
    """Share of the graders' time in which they have nothing to run."""


def simulate(load: Load, programs: Programs, gpus: int, graders: int, seed: int = 0) -> Forecast:
    """One round: ranks hand in their programs as they finish writing them, graders take them first come, first served.

    A rank finishes ROWS sequences at a time. All ranks wait for the last verdict of all.
    """
    counts = [(count, round(gpus * count * load.distinct)) for count in _counts(load.programs)]
    seconds = programs.draw(sum(graded for _, graded in counts), random.Random(seed))
    free = [0.0] * graders  # a heap already
    last, written, taken = 0.0, 0, iter(seconds)
    for count, graded in counts:
        written += count
        arrival = load.write_s * written / load.programs
        for _ in range(graded):
            end = max(arrival, free[0]) + next(taken)
            heapq.heapreplace(free, end)
            last = max(last, end)
    waiting_since = load.write_s + (load.learn_s if load.overlaps else 0.0)
    wait_s = max(0.0, last - waiting_since)
    round_s = load.write_s + wait_s + load.learn_s
    return Forecast(gpus, graders, round_s, wait_s, wait_s / round_s, max(0.0, 1 - sum(seconds) / (graders * round_s)))


def graders_needed(load: Load, programs: Programs, gpus: int) -> Forecast:
    """The round with the fewest graders with which GPUs wait a bearable share; with MOST_GRADERS where none has."""
    low, high = 1, MOST_GRADERS
    while low < high:
        middle = (low + high) // 2
        if simulate(load, programs, gpus, middle).gpu_idle <= BEARABLE:
            high = middle
        else:
            low = middle + 1
    return simulate(load, programs, gpus, low)


@dataclass(frozen=True, slots=True)
class Plan:
    """What `rl-train plan` says."""

    asked: Forecast
    """With the GPUs and graders that were asked for."""
    load: Load
    """Of each of these ranks."""
    needed: tuple[Forecast, ...]
    """With the graders that these GPUs need, then larger ones with as much work per GPU."""
    memory: tuple[Item, ...]
    """Bytes on a rank at most."""
    programs: Programs
    """As measured."""

    def as_json(self) -> dict[str, object]:
        """Everything, and the sum of the memory."""
        return asdict(self) | {"memory_bytes": total(self.memory)}

    def show(self, console: Console) -> None:
        """Tables for a reader."""
        load, asked = self.load, self.asked
        parts = f"writing {load.write_s:.2f}, waiting {asked.wait_s:.2f}, learning {load.learn_s:.2f}"
        console.print(
            f"a round on {asked.gpus} GPUs and {asked.graders} graders takes {asked.round_s:.2f} s ({parts}); "
            f"GPUs idle {asked.gpu_idle:.0%}, graders {asked.grader_idle:.0%}",
            highlight=False,
            soft_wrap=True,
        )
        memory = ", ".join(f"{item.name} {item.amount / 2**20:,.0f}" for item in self.memory)
        console.print(
            f"memory of a rank: {total(self.memory) / 2**20:,.0f} MiB: {memory}", highlight=False, soft_wrap=True
        )
        about = f"{load.programs} programs per GPU, {self.programs.at_limit:.1%} of them endless"
        table = Table("GPUs", "graders needed", "s a round", "GPUs idle", "graders idle", title=about)
        for one in self.needed:
            row = f"{one.gpus}", f"{one.graders}", f"{one.round_s:.2f}", f"{one.gpu_idle:.1%}", f"{one.grader_idle:.0%}"
            table.add_row(*row)
        console.print(table)


def forecast(config: RunConfig, gpus: int, graders: int, at_limit: float | None) -> Plan:
    """Set the experiment up in a folder that is thrown away, time its parts and simulate the round it spends most on.

    `at_limit` is the share of programs that run into their limit; None takes that of the programs that are tried here.

    Raises UserError where the recipe is unknown, or has fewer problems per round than GPUs.
    """
    if config.recipe not in RECIPES:
        raise UserError(f"recipe: expected one of {', '.join(RECIPES)}; got {config.recipe!r}")
    plan = RECIPES[config.recipe].plan(config)
    phase = next((one for one in reversed(plan.phases) if one.n is not None), plan.phases[-1])
    if phase.problems < gpus:
        raise UserError(f"{phase.name}.problems_per_round: {gpus} GPUs need a problem each; got {phase.problems}")
    if not torch.cuda.is_available():
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // gpus))  # as ranks on one machine have
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = config.model_copy(update={"folder": Path(folder) / "run"})
        with open_experiment(elsewhere, Console(file=io.StringIO())) as experiment:
            lengths, speed = measure_lengths(experiment), measure_speed(experiment, phase)
            groups, write_s = _written(experiment, phase, gpus)
            load = _load(experiment, phase, lengths, speed, gpus, groups, write_s)
            programs = _tried(experiment, groups, at_limit)
            learning, sampling = pass_memory(experiment, plan, lengths, speed)
            memory = [*weights_memory(experiment, plan, gpus), *max(learning, sampling, key=total)]
    larger = [graders_needed(load, programs, count) for count in (gpus, *(count for count in SWEEP if count > gpus))]
    return Plan(simulate(load, programs, gpus, graders), load, tuple(larger), tuple(memory), programs)


def _written(experiment: Experiment, phase: Phase, gpus: int) -> tuple[list[Group], float]:
    """A part of a rank's round as the policy writes it now, and the seconds of that; nothing where none is sampled."""
    if phase.n is None:
        return [], 0.0
    problems = experiment.train[: max(1, min(ROWS, phase.problems * phase.n // gpus) // phase.n)]
    started = time.perf_counter()
    groups = list(collect(problems, experiment.write(), grade=None))
    return groups, time.perf_counter() - started


def _load(
    experiment: Experiment,
    phase: Phase,
    lengths: Lengths,
    speed: Speed,
    gpus: int,
    groups: Sequence[Group],
    write_s: float,
) -> Load:
    """A rank's part of a round, by a part of it that was written to see."""
    rows = math.ceil(phase.draws * rows_per_round(phase, lengths) / gpus)
    passes = phase.epochs + sum(1 / 3 + judge.is_trained for judge in phase.judges)  # without gradient it is a third
    if not groups:
        return Load(rows, 0.0, rows * lengths.labelled_mean * passes * speed.learn_s, overlaps=False)
    tokens = [len(rollout.prompt_ids) + len(rollout.completion_ids) for group in groups for rollout in group.rollouts]
    learned = rows / phase.draws * sum(tokens) / len(tokens)
    overlaps = bool(experiment.config.reinforce.ahead)
    distinct = len(_distinct(groups)) / len(tokens)
    return Load(rows, rows * write_s / len(tokens), learned * passes * speed.learn_s, overlaps, distinct)


def _tried(experiment: Experiment, groups: Sequence[Group], at_limit: float | None) -> Programs:
    """How long programs run: those that were written to see, or references where none was."""
    workers = experiment.config.graders.workers or os.cpu_count() or 1
    limit_s = max(problem.limits.cpu_s for problem in experiment.train)
    programs = _distinct(groups)
    if not programs:
        return Programs(workers * try_programs(experiment)[1], at_limit or 0.0, limit_s)
    try_programs(experiment)  # starts the worker processes
    started = time.perf_counter()
    verdicts = experiment.grader.grade(programs)
    seconds = workers * (time.perf_counter() - started)
    stopped = [verdict.wall_s for verdict in verdicts if verdict.outcome is Outcome.TIMEOUT]
    ended = max(1, len(verdicts) - len(stopped))
    mean_s = max(0.0, seconds - sum(stopped)) / ended
    share = len(stopped) / len(verdicts) if at_limit is None else at_limit
    return Programs(mean_s, share, sum(stopped) / len(stopped) if stopped else limit_s)


def _distinct(groups: Sequence[Group]) -> list[GradeRequest]:
    """The programs that a grader would run."""
    found = {(group.problem.id, rollout.program): group.problem for group in groups for rollout in group.rollouts}
    return [GradeRequest(problem, program, problem.hidden_tests) for (_, program), problem in found.items()]


def _counts(programs: int) -> list[int]:
    """Programs that a rank finishes together, one batch after another."""
    return [min(ROWS, programs - start) for start in range(0, programs, ROWS)]
