"""Training from the command line: run a recipe, say what it would do, end politely, show what came of it.

Heavy libraries are imported where they are used. Functions return exit codes, as those of `rl.commands`.
"""

from __future__ import annotations

import errno
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from envs.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from rl.config import LoadedConfig, RunConfig
    from rl.evaluate import Evaluation

NEGATIVE, STOPPED = 1, 130
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def train(config: RunConfig, as_json: bool, resume: bool) -> int:
    """Run an experiment, show what came of it and write its report."""
    return stoppable(lambda: _run_recipe(config, as_json, resume), "run", config.folder)


def stoppable(work: Callable[[], int], command: str, folder: Path) -> int:
    """A full disk and a wish to stop end training with one line; `command` goes on with the folder after both."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        return work()
    except KeyboardInterrupt:
        print(f"rl-train: stopped; `rl-train {command} {folder}` goes on with it", file=sys.stderr)
        return STOPPED
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise UserError(
            f"{error.filename or folder}: cannot write: {error.strerror}; make room, then "
            f"`rl-train {command} {folder}` goes on"
        ) from None


def train_on_workers(config: RunConfig, workers: tuple[int, int], as_json: bool, resume: bool) -> int:
    """As `train`, on the workers of a Ray cluster."""
    return stoppable(lambda: _run_on_workers(config, workers, as_json, resume), "run", config.folder)


def _run_recipe(config: RunConfig, as_json: bool, resume: bool) -> int:
    started = time.perf_counter()
    console = console_for(as_json)
    results = run_recipe(config, console, resume)
    from rl.engine import is_main

    if is_main():
        _show_run(config, results, console, as_json, time.perf_counter() - started)
    return 0


def _run_on_workers(config: RunConfig, workers: tuple[int, int], as_json: bool, resume: bool) -> int:
    from rl import cluster
    from rl.run import refuse_taken

    started = time.perf_counter()
    if not resume:
        refuse_taken(config.folder)
    results = cluster.train_on_workers(config, workers, _run_rank)
    _show_run(config, results, console_for(as_json), as_json, time.perf_counter() - started)
    return 0


def _run_rank(config: RunConfig) -> dict[str, Evaluation]:
    """As a worker of a cluster, which may have been started again."""
    return run_recipe(config, console_for(as_json=True), resume=True)


def run_recipe(config: RunConfig, console: Console, resume: bool) -> dict[str, Evaluation]:
    """Run an experiment in this process, as one of its ranks; what people read goes to the console."""
    console.print(f"rl-train: recipe {config.recipe}, seed {config.seed}, folder {config.folder}", highlight=False)
    from rl.experiment import open_experiment
    from rl.recipes import RECIPES

    if config.recipe not in RECIPES:
        raise UserError(f"recipe: expected one of {', '.join(RECIPES)}; got {config.recipe!r}")
    with open_experiment(config, console, resume) as experiment:
        experiment.log.say(
            f"{experiment.policy.model.num_parameters():,} parameters; {len(experiment.labelled)} problems with "
            f"solutions, {len(experiment.train)} to reinforce on; programs run at isolation {experiment.grader.level}"
        )
        return RECIPES[config.recipe].run(experiment)


def _show_run(
    config: RunConfig, results: dict[str, Evaluation], console: Console, as_json: bool, seconds: float
) -> None:
    """Write the report of a finished run, and show what came of it."""
    from rl.report import write_report

    page = write_report(config.folder)
    if as_json:
        print(json.dumps({name: asdict(result) for name, result in results.items()}))
        return
    show_evaluations(results, console)
    took = f"{seconds:.0f} s in all"
    console.print(f"{took}; everything is in {config.folder}; its report: {page}", highlight=False, soft_wrap=True)
    for line in _next_steps(config):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


def _next_steps(config: RunConfig) -> list[str]:
    """What a finished run can be used for besides its policy, a command line each."""
    critic = config.folder / "checkpoints" / "critic"
    if not critic.is_dir():
        return []
    path = f" --data.path {config.data.path}" if config.data.path else ""
    problems = f"--problems {config.data.name}{path} --split {config.data.test} --size 50"
    return [
        f"its critic, at equal tokens: rl-train evaluate --policy {config.folder} {problems} --critic-sampling "
        f"--critic {critic} --n 8 --ks 1,4 --max-new-tokens {config.sampling.max_new_tokens}"
    ]


def _interrupt(number: int, frame: object) -> None:
    """A polite request to end is treated as Ctrl-C."""
    raise KeyboardInterrupt


def say_plan(loaded: LoadedConfig, as_json: bool, resume: bool) -> int:
    """Say what a run would do: 1 where the grader judges wrong or the memory does not suffice."""
    from rl.dry_run import dry_run
    from rl.dry_run_view import show
    from rl.engine import is_main

    report = dry_run(loaded, resume)
    if is_main():
        if as_json:
            print(json.dumps(report.as_json(), default=str))
        else:
            show(report, console_for(False))
    if report.contradictions:
        raise UserError(report.contradictions[0])
    return 0 if report.sound else NEGATIVE


def show_evaluations(results: dict[str, Evaluation], console: Console) -> None:
    """Print evaluations as one table: a row each, pass@k with its 95 % interval."""
    from rich.table import Table

    ks = list(next(iter(results.values())).pass_at)
    shares = list(dict.fromkeys(share for result in results.values() for share in result.wording))
    columns = [*(f"pass@{k}" for k in ks), "programs", "passed", *shares]
    table = Table("", *columns, title="held-out problems, 95 % intervals")
    for name, result in results.items():
        cells = [f"{e.mean:.1%} ({e.low:.1%} to {e.high:.1%})" for e in result.pass_at.values()]
        told = [f"{result.wording[share]:.1%}" if share in result.wording else "" for share in shares]
        table.add_row(name, *cells, f"{result.n_programs}", f"{result.outcomes.get('passed', 0)}", *told)
    console.print(table)


def console_for(as_json: bool) -> Console:
    """Where people read: standard output, or standard error when the output is for a program."""
    from rich.console import Console

    return Console(stderr=as_json)
