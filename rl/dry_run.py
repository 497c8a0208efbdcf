"""Dry run: what a config will do, what it needs and how long it takes, found out without training.

The experiment is set up for real, in a folder that is thrown away: problems, model, graders. Steps are of size 0.
"""

from __future__ import annotations

import io
import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from envs.cheats import cheats
from envs.errors import UserError
from envs.grading import GradeRequest
from envs.problem import Problem
from envs.rollout import Prompt
from envs.verdict import Outcome
from rl.config import LoadedConfig, RunConfig
from rl.config_checks import idle_keys, set_keys
from rl.engine import world_size
from rl.estimate import (
    Item,
    Lengths,
    measure_lengths,
    measure_speed,
    memory_here,
    pass_memory,
    row_tokens,
    rows_per_round,
    run_time,
    total,
    weights_memory,
)
from rl.experiment import Experiment, open_experiment
from rl.losses import Per
from rl.plan import Phase, Plan
from rl.recipes import RECIPES
from rl.run import holds_a_run

SHOWN_PROMPTS = 3
TRIED_PER_SPLIT = 4
"""Problems of a split whose reference is graded."""
MEANS: Mapping[Per, str] = {
    Per.TOKEN: "mean over all learned tokens of a step",
    Per.SEQUENCE: "mean over the tokens of a program, then over programs",
    Per.GROUP: "mean over the tokens of a problem's programs, then over problems",
    Per.CONSTANT: "sum over tokens / (programs x sampling.max_new_tokens)",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A key that differs from its default."""

    key: str
    """Dotted name."""
    value: Any
    """What it is set to."""
    default: Any
    """What it would be."""
    source: str
    """`file:line` or `--key.path`."""
    idle: str = ""
    """Why it changes nothing, where it does not."""


@dataclass(frozen=True, slots=True)
class Summand:
    """One term of an objective."""

    name: str
    """As in metrics."""
    weight: float
    """Factor."""
    formula: str
    """Loss of a token."""
    mean: str
    """What it is a mean over."""
    needs: tuple[str, ...]
    """Columns that it reads."""


@dataclass(frozen=True, slots=True)
class PhaseReport:
    """One phase: what is minimised, and how much."""

    name: str
    """As in metrics."""
    objective: tuple[Summand, ...]
    """The loss is the sum of them."""
    advantage: str
    """Formula."""
    reward: str
    """What a verdict is worth."""
    notes: tuple[str, ...]
    """What else happens."""
    counts: Mapping[str, float]
    """Batch arithmetic, by what is counted."""


@dataclass(frozen=True, slots=True)
class ShownPrompt:
    """A prompt exactly as the model sees it."""

    problem_id: str
    """Of which problem."""
    tokens: int
    """Its length."""
    text: str
    """What is tokenised."""


@dataclass(frozen=True, slots=True)
class TriedProgram:
    """A program whose verdict is known beforehand."""

    problem_id: str
    """Of which problem."""
    program: str
    """`reference` or `known wrong`."""
    outcome: str
    """What the grader said."""
    as_expected: bool
    """A reference passed; a wrong program was judged and did not."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of one rank at most, in bytes."""

    stays: tuple[Item, ...]
    """Needed all the time."""
    learning: tuple[Item, ...]
    """Added by a learning pass; empty where nothing could be measured."""
    sampling: tuple[Item, ...]
    """Added by sampling, not at the same time."""
    where: str
    """Main memory, or the name of the GPU."""
    there: int
    """What this machine has."""
    free: int
    """What of it is free, or taken by this model already."""

    @property
    def most(self) -> float:
        """What is needed at once."""
        return total(self.stays) + max(total(self.learning), total(self.sampling))


@dataclass(frozen=True, slots=True)
class Report:
    """What a dry run found."""

    recipe: str
    """Name of the recipe."""
    folder: str
    """Where the run would be written."""
    ranks: int
    """Processes that share the work."""
    isolation: str
    """Jail of the programs."""
    parameters: int
    """Of the policy."""
    problems: Mapping[str, int]
    """Problems by what they are used for."""
    positions: int | None
    """Longest sequence of the model."""
    settings: tuple[Setting, ...]
    """Keys that differ from their defaults."""
    phases: tuple[PhaseReport, ...]
    """In order."""
    prompts: tuple[ShownPrompt, ...]
    """The first ones of the train problems."""
    programs: tuple[TriedProgram, ...]
    """What the real grader says about programs whose verdicts are known."""
    memory: Memory
    """Per rank."""
    seconds: tuple[Item, ...]
    """Estimated time at most; empty where nothing could be measured."""
    contradictions: tuple[str, ...]
    """Why the run cannot work."""

    @property
    def sound(self) -> bool:
        """Whether the grader judged right and the run fits into memory."""
        return all(program.as_expected for program in self.programs) and self.memory.most <= self.memory.there

    def as_json(self) -> dict[str, Any]:
        """Everything, and the sums that people are shown."""
        return {
            **asdict(self),
            "sound": self.sound,
            "memory_bytes": self.memory.most,
            "total_seconds": total(self.seconds),
        }


def dry_run(loaded: LoadedConfig, resume: bool = False) -> Report:
    """Set the experiment up, try it and plan it; raises UserError where it cannot even be set up.

    With `resume` the folder may hold a run; the whole run is planned, also what of it is done.
    """
    config = loaded.config
    if config.recipe not in RECIPES:
        raise UserError(f"recipe: expected one of {', '.join(RECIPES)}; got {config.recipe!r}")
    plan = RECIPES[config.recipe].plan(config)
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = config.model_copy(update={"folder": Path(folder) / "run"})
        with open_experiment(elsewhere, Console(file=io.StringIO())) as experiment:
            return _report(loaded, plan, experiment, resume)


def _report(loaded: LoadedConfig, plan: Plan, experiment: Experiment, resume: bool) -> Report:
    config, lengths = loaded.config, measure_lengths(experiment)
    contradictions = _contradictions(config, plan, lengths, experiment.policy.positions)
    if not resume and holds_a_run(config.folder):
        contradictions.append(
            f"folder: {config.folder} holds a run already; name another with --folder, or go on with it by --resume"
        )
    programs, grade_s = try_programs(experiment)
    ask = plan.ask or experiment.ask
    stays = weights_memory(experiment, plan, world_size())
    where, there, free = memory_here(experiment.policy.model)
    learning: list[Item] = []
    sampling: list[Item] = []
    seconds: list[Item] = []
    if not contradictions and total(stays) < there:
        speed = measure_speed(experiment, plan.phases[-1])
        learning, sampling = pass_memory(experiment, plan, lengths, speed)
        seconds = run_time(experiment, plan, lengths, speed, grade_s)
    return Report(
        recipe=config.recipe,
        folder=str(config.folder),
        ranks=world_size(),
        isolation=experiment.grader.level,
        parameters=experiment.policy.model.num_parameters(),
        problems={name: len(getattr(experiment, name)) for name in ("labelled", "train", "dev", "test")},
        positions=experiment.policy.positions,
        settings=_settings(loaded),
        phases=tuple(_phase_report(phase, lengths, config) for phase in plan.phases),
        prompts=tuple(_shown(experiment, ask(problem)) for problem in experiment.train[:SHOWN_PROMPTS]),
        programs=programs,
        memory=Memory(tuple(stays), tuple(learning), tuple(sampling), where, there, free),
        seconds=tuple(seconds),
        contradictions=tuple(contradictions),
    )


def _contradictions(config: RunConfig, plan: Plan, lengths: Lengths, positions: int | None) -> list[str]:
    """Why the run cannot work, a line each."""
    found = []
    for phase in plan.phases:
        if phase.n is None and positions is not None and lengths.labelled > positions:
            found.append(
                f"data.labelled: a prompt with its solution has {lengths.labelled} tokens; the model has {positions} "
                "positions"
            )
        if phase.problems < world_size():
            found.append(
                f"{phase.name}.problems_per_round: {world_size()} ranks need a problem each; got {phase.problems}"
            )
        for term, column in phase.missing_columns().items():
            found.append(f"recipe: term {term} of {phase.name} needs the column {column}, which no judge gives")
    return found


def try_programs(experiment: Experiment) -> tuple[tuple[TriedProgram, ...], float]:
    """References and wrong programs through the real grader, and seconds per reference."""
    splits = (experiment.labelled, experiment.train, experiment.dev, experiment.test)
    chosen = {problem.id: problem for split in splits for problem in split[:TRIED_PER_SPLIT]}.values()
    wrong = [(problem, (*problem.wrong_programs, cheats(problem)["empty"])[0]) for problem in chosen]
    tried = _tried(experiment, wrong, "known wrong")
    references = [(problem, problem.solutions[0]) for problem in chosen if problem.solutions]
    started = time.perf_counter()
    tried += _tried(experiment, references, "reference")
    # Without references, the time that a program may take stands in for the time that it takes.
    limit_s = max(problem.limits.cpu_s for problem in chosen)
    return tuple(tried), (time.perf_counter() - started) / len(references) if references else limit_s


def _tried(experiment: Experiment, programs: list[tuple[Problem, str]], kind: str) -> list[TriedProgram]:
    requests = [GradeRequest(problem, program, problem.hidden_tests) for problem, program in programs]
    verdicts = experiment.grader.grade(requests)
    shall_pass = kind == "reference"
    return [
        TriedProgram(
            problem.id,
            kind,
            str(verdict.outcome),
            verdict.passed == shall_pass and verdict.outcome is not Outcome.SANDBOX_ERROR,
        )
        for (problem, _), verdict in zip(programs, verdicts, strict=True)
    ]


def _settings(loaded: LoadedConfig) -> tuple[Setting, ...]:
    idle = idle_keys(loaded.config)
    return tuple(
        Setting(name, value, default, loaded.sources.get(name, "rl-train"), idle.get(name, ""))
        for name, value, default in set_keys(loaded.config)
        if value != default
    )


def _phase_report(phase: Phase, lengths: Lengths, config: RunConfig) -> PhaseReport:
    rows, longest = rows_per_round(phase, lengths), row_tokens(phase, lengths)
    rows_of_step = math.ceil(rows / world_size() / phase.minibatches)
    rows_of_pass = max(1, config.learner.micro_batch_tokens // max(1, longest))
    return PhaseReport(
        name=phase.name,
        objective=tuple(
            Summand(term.name, term.weight, term.formula, MEANS[term.per], term.needs) for term in phase.objective
        ),
        advantage=phase.advantage,
        reward=phase.reward,
        notes=phase.notes,
        counts={
            "rounds at most": phase.rounds,
            "problems per round": phase.problems,
            "programs per problem": phase.n if phase.n is not None else lengths.solutions * phase.parts,
            "programs per round": rows,
            "optimizer steps per round": phase.steps_per_round,
            "optimizer steps at most": phase.rounds * phase.steps_per_round,
            "learning rate": phase.learning_rate,
            "tokens per program at most, prompt included": longest,
            "tokens per round at most": rows * longest,
            "passes per step and rank at most": math.ceil(rows_of_step / rows_of_pass),
        },
    )


def _shown(experiment: Experiment, prompt: Prompt) -> ShownPrompt:
    return ShownPrompt(prompt.problem_id, len(experiment.policy.encode(prompt.text)), prompt.text)
