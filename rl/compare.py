"""compare: run the arms of a comparison from one warm start per seed, measure each at its best dev epoch, tell.

Every arm is a run folder of the ordinary kind. What is finished is not run again, so a comparison that was killed goes
on arm by arm, and seeds and arms can be added later.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from envs.errors import UserError
from rl.compare_result import Row, result_of
from rl.compare_view import show
from rl.config import RunConfig
from rl.config_compare import COMPARISON, START, TEACHER, Arm, Comparison
from rl.durable import lines_of, write_json, write_text
from rl.engine import is_main, make_accelerator, together
from rl.experience import EVALUATION, TRAINING, commits, read_rows
from rl.experiment import Experiment, open_experiment
from rl.models import load_policy
from rl.recipes import RECIPES
from rl.report import write_report
from rl.report.comparison import comparison_page
from rl.run import hold, holds_a_run, is_finished, manifest, refuse_changed
from rl.teacher_phases import measure_teacher
from rl.write import Write

RESULT, PAGE = "comparison.json", "comparison.html"
SAMPLED, GREEDY = "compare_sampled", "compare_greedy"
OF_TEACHER = {SAMPLED: "compare_teacher_sampled", GREEDY: "compare_teacher_greedy"}
"""Evaluations of an arm that a comparison adds to its run, by phase `evaluation_<name>` of its store."""
AUTHORS = ("policy", "teacher")
"""Whose texts count as samples; those of the references cost nothing."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What an arm spent on learning; the measurement of the result is no part of it."""

    samples: int
    """Programs that the policy or the teacher wrote to learn from."""
    executions: int
    """How many of them were run by their tests."""
    tokens: int
    """Tokens of the samples, in ids of the policy."""
    steps: int
    """Optimizer steps of all phases."""
    dev_looks: int
    """Looks at the dev pass rate, each a program per dev problem, which is run."""


def run_comparison(comparison: Comparison, console: Console, resume: bool, as_json: bool) -> int:
    """Run what is missing and show the result; returns the exit code.

    Raises UserError where another process is at it, and where the folder holds a comparison and `resume` is not set.
    """
    folder, settings = comparison.base.folder, comparison.settings
    if not resume and any(holds_a_run(arm.config.folder) for arm in _all_arms(comparison)):
        raise UserError(
            f"folder: {folder} already holds a comparison; `rl-train compare {folder}` goes on with it, or name "
            f"another folder with --folder"
        )
    with ExitStack() as stack:
        together(lambda: stack.enter_context(hold(folder)) if is_main() else None)
        for arm in _all_arms(comparison):
            if holds_a_run(arm.config.folder):
                refuse_changed(arm.config.folder, arm.config.model_dump(mode="json"))
        if is_main():
            values = comparison.base.model_dump(mode="json")
            write_json(folder / COMPARISON, values | {"compare": settings.model_dump(mode="json")})
        _run_all(comparison, console)
        if not is_main():
            return 0
        result = result_of(_rows(comparison), settings, manifest())
        write_json(folder / RESULT, result.as_dict())
        write_text(folder / PAGE, comparison_page(result, folder))
    if as_json:
        print(json.dumps(result.as_dict()))
    else:
        show(result, console)
        console.print(f"everything is in {folder}; as a page: {folder / PAGE}", highlight=False, soft_wrap=True)
    return 0


def _run_all(comparison: Comparison, console: Console) -> None:
    """Run every arm that is not finished, seed by seed."""
    arms = _all_arms(comparison)
    for place, arm in enumerate(arms, start=1):
        if is_main():
            done = "done already" if _is_done(arm) else arm.config.recipe
            console.print(
                f"compare {place} of {len(arms)}: {arm.name}, seed {arm.config.seed}: {done}", highlight=False
            )
        if not _is_done(arm):
            _run(arm, comparison.settings.n, console)


def _all_arms(comparison: Comparison) -> list[Arm]:
    """Seed by seed, the warm start first."""
    return [arm for seed in comparison.settings.seeds for arm in (comparison.start(seed), *comparison.arms(seed))]


def _run(arm: Arm, n: int, console: Console) -> None:
    """One arm, from wherever it was, and its measurement."""
    config = arm.config
    with open_experiment(config, console, resume=True) as experiment:
        RECIPES[config.recipe].run(experiment)
        _measure(experiment, n, arm.measures_teacher)
    if is_main():
        write_report(config.folder)


def _measure(experiment: Experiment, n: int, with_teacher: bool) -> None:
    """Let the best policy of a run, and its teacher where asked, write for the test problems."""
    write = RECIPES[experiment.config.recipe].write or _best_policy
    for name, greedy in ((SAMPLED, False), (GREEDY, True)):
        experiment.evaluate(name, experiment.test, write(experiment, n, greedy), ks=(1,))
    if with_teacher:
        measure_teacher(experiment, OF_TEACHER[SAMPLED], n, experiment.config.evaluation.temperature)
        measure_teacher(experiment, OF_TEACHER[GREEDY], 1, 0.0)


def _best_policy(experiment: Experiment, n: int, greedy: bool) -> Write:
    """The best policy of a run writes about the bare problem."""
    best = together(lambda: load_policy(str(_selected(experiment.config))))
    best.model.to(make_accelerator().device)
    return replace(experiment, policy=best).evaluation_write(n=n, seed_offset=4, greedy=greedy)


def _selected(config: RunConfig) -> Path:
    """The checkpoint that is measured: the best by dev pass rate where the run looked at it, otherwise the last."""
    checkpoints = config.folder / "checkpoints"
    return checkpoints / ("best" if (checkpoints / "best").is_dir() else "final")


def _is_done(arm: Arm) -> bool:
    """Whether a run came to its end and was measured."""
    names = [SAMPLED, GREEDY, *(OF_TEACHER.values() if arm.measures_teacher else ())]
    stored = {commit.phase for commit in commits(arm.config.folder / "experience")}
    return is_finished(arm.config.folder) and all(f"evaluation_{name}" in stored for name in names)


def _rows(comparison: Comparison) -> list[Row]:
    """What the run folders hold, a row for the start, for each teacher and for each arm."""
    by_seed = [[comparison.start(seed), *comparison.arms(seed)] for seed in comparison.settings.seeds]
    rows = []
    for arm in _all_arms(comparison):
        measured = max(n for n, _ in _counts(arm.config.folder, SAMPLED).values())
        if measured != comparison.settings.n:
            raise UserError(
                f"compare.n: {arm.config.folder} was measured with {measured} programs per problem; got "
                f"{comparison.settings.n}; set it back, or name another folder with --folder"
            )
    for runs in zip(*by_seed, strict=True):
        if runs[0].measures_teacher:
            label = f"{TEACHER} of {runs[0].name}" if sum(arm.measures_teacher for arm in by_seed[0]) > 1 else TEACHER
            rows.append(_row(f"{label}, {runs[0].config.teacher.ask}", runs, OF_TEACHER))
        rows.append(_row(runs[0].name, runs, {name: name for name in (SAMPLED, GREEDY)}, learned=True))
    # Teachers stand before the arms.
    return sorted(rows, key=lambda row: 0 if row.name == START else 1 if row.is_teacher else 2)


def _row(name: str, runs: tuple[Arm, ...], phases: dict[str, str], learned: bool = False) -> Row:
    folders = [arm.config.folder for arm in runs]
    tried = [_problems(folder) for folder in folders] if learned and runs[0].name != START else []
    return Row(
        name=name,
        is_teacher=not learned,
        sampled_S=[_counts(folder, phases[SAMPLED]) for folder in folders],
        greedy_S=[_counts(folder, phases[GREEDY]) for folder in folders],
        attempted_S=[attempted for attempted, _ in tried],
        solved_S=[solved for _, solved in tried],
        budgets_S=[asdict(_budget(arm)) for arm in runs] if learned else [],
        selected_S=[_said(arm) for arm in runs] if learned else [],
    )


def _counts(folder: Path, evaluation: str) -> dict[str, tuple[int, int]]:
    """(programs judged, programs that passed) by test problem."""
    counts: dict[str, tuple[int, int]] = {}
    columns = ("problem_id", "outcome")
    for row in read_rows(
        folder / "experience", phases=(f"evaluation_{evaluation}",), purpose=EVALUATION, columns=columns
    ):
        if row["outcome"] != "sandbox_error":
            n, c = counts.get(row["problem_id"], (0, 0))
            counts[row["problem_id"]] = (n + 1, c + (row["outcome"] == "passed"))
    return counts


def _problems(folder: Path) -> tuple[frozenset[str], frozenset[str]]:
    """(train problems that were attempted, those of which a program passed)."""
    rows = list(read_rows(folder / "experience", purpose=TRAINING, columns=("problem_id", "outcome")))
    solved = frozenset(row["problem_id"] for row in rows if row["outcome"] == "passed")
    return frozenset(row["problem_id"] for row in rows), solved


def _budget(arm: Arm) -> Budget:
    """Counted from the run's own records: its store of programs and its metrics."""
    config = arm.config
    samples = executions = tokens = 0
    for row in read_rows(config.folder / "experience", purpose=TRAINING, columns=("segments", "outcome")):
        if any(segment["author"] in AUTHORS for segment in row["segments"]):
            samples += 1
            executions += row["outcome"] is not None
            tokens += sum(len(segment["ids"]) for segment in row["segments"])
    steps_per_round = {phase.name: phase.steps_per_round for phase in RECIPES[config.recipe].plan(config).phases}
    metrics = [json.loads(line) for line in lines_of(config.folder / "metrics.jsonl")]
    steps = sum(steps_per_round.get(line["phase"], 1) for line in metrics if "grad_norm" in line)
    return Budget(samples, executions, tokens, steps, dev_looks=sum("dev_pass_rate" in line for line in metrics))


def _said(arm: Arm) -> str:
    """Which checkpoint was measured."""
    if _selected(arm.config).name != "best":
        return "last"
    metrics = map(json.loads, lines_of(arm.config.folder / "metrics.jsonl"))
    looks = [line for line in metrics if "dev_pass_rate" in line]
    best = max(looks, key=lambda look: look["dev_pass_rate"])  # the first of equals, as rl.checkpoint.Best keeps it
    return f"{best['phase']}, round {best['round'] + 1}: dev {best['dev_pass_rate']:.1%}"
