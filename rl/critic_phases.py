"""Phases of an outcome critic: collect programs, fit it, say how far it can be trusted, and keep it up to date."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from critics.calibration import Calibration, calibrate
from critics.filters import a_few
from critics.model import CriticSettings, Head, OutcomeCritic, Pool, build_critic, is_critic, load_critic, save_critic
from critics.outcomes import OutcomeClasses, Weighting, weigh
from critics.score import judged
from envs.errors import UserError
from envs.problem import Problem
from envs.prompts import plain
from envs.rewards import REWARDS
from envs.rollout import Group
from rl.batch import Batch, collate
from rl.collect import is_written
from rl.credit import by_reward, graded
from rl.critic_learner import LearningCritic, critic_learner
from rl.critic_tokens import read_programs
from rl.durable import whole_folder, write_json
from rl.engine import is_main
from rl.experience import groups_by_problem
from rl.experiment import SEEDS_APART, Experiment
from rl.learner import Learner
from rl.loop import After, train
from rl.losses import Term, outcome_ce
from rl.phases import attempt, written_rounds
from rl.run import CALIBRATION, CRITIC_TOKENS
from rl.score import outcomes
from rl.write import Write, by_reference, from_experience

COLLECTED, REFERENCES = "critic_programs", "critic_references"
"""Phases whose programs a critic learns from."""


@dataclass(frozen=True, slots=True)
class FittedCritic:
    """A critic, and what is known about it."""

    learner: Learner
    """Holds the critic and goes on fitting it."""
    classes: OutcomeClasses
    """Outcomes that it tells apart."""
    weighting: Weighting
    """How much each program counts in its fit."""
    calibration: Calibration
    """On programs for problems that it has not seen."""
    weight: float
    """How far token credit trusts it, from 0 to 1."""


def fit_critic(experiment: Experiment) -> FittedCritic:
    """Let the policy attempt problems, fit a critic to what happened, and calibrate it on held-out problems.

    Raises UserError where all programs end alike: then there is nothing to tell apart.
    """
    config, settings = experiment.config, experiment.config.critic
    problems = experiment.train[: settings.problems]
    attempt(experiment, COLLECTED, problems, experiment.write(seed=config.seed + SEEDS_APART))
    fitted_on, held_out = _split(problems, settings.held_out, config.seed)
    groups = {
        name: a_few(group, settings.programs_per_problem, config.seed)
        for name, group in groups_by_problem(experiment.store.folder, fitted_on, (COLLECTED,)).items()
    }
    if settings.reference_weight:
        references = experiment.labelled[: len(fitted_on)]
        attempt(experiment, REFERENCES, references, by_reference(experiment.policy, ask=plain))
        groups |= groups_by_problem(experiment.store.folder, references, (REFERENCES,))
    classes = OutcomeClasses(settings.classes)
    weighting = weigh(list(groups.values()), classes, balance=settings.balance, reference=settings.reference_weight)
    if weighting.n_occurring < 2:
        raise UserError(
            "critic: all of the policy's programs end alike, so there is nothing to tell apart; change "
            "warm_start.stop_above, or take more critic.problems"
        )
    in_order = dict.fromkeys(problem.id for problem in (*experiment.train, *experiment.labelled))
    learned_from = {name: groups[name] for name in in_order if name in groups}
    learner = fit(experiment, [group.problem for group in learned_from.values()], from_experience(groups), weighting)
    # Distinct programs only: else the judge by the same problem knows the verdict of the very program.
    known = groups_by_problem(experiment.store.folder, held_out, (COLLECTED,)).values()
    distinct = [a_few(group, len(group.rollouts), config.seed) for group in known]
    calibration = calibrate(judged(critic_of(learner), distinct))
    weight = _weight(calibration, settings.trust)
    _report(experiment, critic_of(learner), calibration, weight, distinct)
    return FittedCritic(learner, classes, weighting, calibration, weight)


def fit(experiment: Experiment, problems: Sequence[Problem], write: Write, weighting: Weighting) -> Learner:
    """A critic of the programs that `write` gives for some problems, in epochs, with their verdicts.

    It is built as `config.critic` says and learns for `critic.rounds` rounds.
    """
    config, settings = experiment.config, experiment.config.critic
    learner = critic_learner(
        _build(experiment, weighting.classes),
        learning_rate=settings.learning_rate,
        warmup_steps=config.learner.warmup_steps,
        decay_steps=settings.rounds,
        max_grad_norm=config.learner.max_grad_norm,
        micro_batch_tokens=config.learner.micro_batch_tokens,
        zero=config.engine.zero,
        offload=config.engine.offload,
    )
    train(
        learner,
        written_rounds(experiment, problems, write, settings.problems_per_round, settings.rounds),
        score=outcomes(weighting),
        credit=by_reward(REWARDS["binary"], graded),
        objective=fit_objective(),
        rounds=settings.rounds,
        temperature=1.0,
        seed=config.seed,
        log=experiment.log,
        checkpoints=experiment.phase("critic", critic=learner),
    )
    return learner


def fit_objective() -> tuple[Term, ...]:
    """What a critic minimises."""
    return (outcome_ce(),)


def refit(critic: FittedCritic, every: int) -> After:
    """One step of the critic on the programs that the policy sampled, every so many rounds."""

    def update(number: int, groups: Sequence[Group], batch: Batch) -> Mapping[str, float]:
        if (number + 1) % every:
            return {}
        sampled = [group for group in groups if not is_written(group)]
        rows = collate(sampled)
        rows = rows.with_columns(outcomes(critic.weighting)(sampled, rows))
        rows = rows.with_advantages(by_reward(REWARDS["binary"], graded)(sampled, rows))
        metrics = critic.learner.step(rows, fit_objective())
        return {f"critic/{name}": value for name, value in metrics.items()}

    return update


def save(experiment: Experiment, critic: FittedCritic) -> None:
    """Write the critic as a folder that `critics.model.load_critic` reads, under checkpoints/critic."""
    if is_main():
        with whole_folder(experiment.config.folder / "checkpoints" / "critic") as folder:
            save_critic(critic_of(critic.learner), experiment.policy.tokenizer, Path(folder))


def _build(experiment: Experiment, classes: OutcomeClasses) -> OutcomeCritic:
    settings = experiment.config.critic
    if is_critic(settings.model):
        critic = load_critic(Path(settings.model), experiment.policy.tokenizer)
        if critic.settings.classes is not classes:
            raise UserError(
                f"critic.classes: the critic in {settings.model} tells {critic.settings.classes} apart; got {classes}"
            )
        return critic
    if not settings.rounds:
        raise UserError(
            f"critic.rounds: 0 takes a critic as it is, but {settings.model!r} is no critic; expected the folder of one"
        )
    backbone = experiment.policy.model if settings.model == "policy" else settings.model
    shape = CriticSettings(classes, Pool(settings.pool), Head(settings.head))
    return build_critic(backbone, experiment.policy.tokenizer, shape, experiment.config.seed)


def critic_of(learner: Learner) -> OutcomeCritic:
    """The critic that a learner holds."""
    module = learner.bare_module
    assert isinstance(module, LearningCritic)
    return module.critic


def _split(problems: Sequence[Problem], held_out: float, seed: int) -> tuple[list[Problem], list[Problem]]:
    """Problems to fit on and problems to calibrate on, at least one of each."""
    dealt = list(problems)
    random.Random(f"critic {seed}").shuffle(dealt)
    count = min(max(1, round(held_out * len(dealt))), len(dealt) - 1)
    return dealt[count:], dealt[:count]


def _weight(calibration: Calibration, trust: str) -> float:
    """1, or the share of frequent outcomes that the critic judges better inside a program than both baselines."""
    better = list(calibration.better_inside().values())
    return 1.0 if trust == "full" else sum(better) / len(better)


def _report(
    experiment: Experiment, critic: OutcomeCritic, calibration: Calibration, weight: float, held_out: Sequence[Group]
) -> None:
    """Say how far the critic can be trusted, and keep that and its values along a few programs in the run folder."""
    experiment.log.say(calibration.table())
    for fraction, where in ((0.5, "after half of the program"), (1.0, "at its end")):
        better = (f"{name} {'yes' if yes else 'no'}" for name, yes in calibration.better_inside(fraction).items())
        experiment.log.say(f"better than both baselines {where}: {', '.join(better)}")
    experiment.log.say(f"the credit of tokens trusts the critic with a weight of {weight:g}")
    if is_main():
        programs = read_programs(critic, experiment.policy, held_out)
        write_json(experiment.config.folder / CALIBRATION, calibration.as_dict() | {"weight": weight})
        write_json(experiment.config.folder / CRITIC_TOKENS, {"programs": [asdict(program) for program in programs]})
