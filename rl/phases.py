"""Phases that several recipes share: their choices, handed to `train`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch

from envs.prompts import plain
from rl.batch import Credit
from rl.collect import Gather, rounds, rounds_with_signal
from rl.config import RunConfig
from rl.config_checks import has_ratios
from rl.credit import imitate, overlong_penalty
from rl.draw import Curriculum, in_epochs
from rl.experiment import Experiment
from rl.loop import After, train
from rl.losses import (
    Estimator,
    Per,
    Ratio,
    Term,
    clipped,
    cross_entropy,
    entropy_bonus,
    kl_to_reference,
    policy_gradient,
)
from rl.score import Score, proximal_log_probs, reference_log_probs, scores
from rl.write import Write, by_policy, by_reference


def imitate_references(experiment: Experiment) -> None:
    """Cross-entropy on the reference solutions, until the dev pass rate leaves room for what follows."""
    config = experiment.config
    settings = config.warm_start
    experiment.log.phase("warm_start")
    train(
        experiment.learner(settings.learning_rate),
        rounds(
            in_epochs(experiment.labelled, settings.problems_per_round, config.seed),
            by_reference(experiment.policy, ask=plain),
            grade=None,
        ),
        credit=imitate,
        objective=imitation_objective(),
        rounds=settings.rounds,
        temperature=1.0,
        seed=config.seed,
        log=experiment.log,
        evaluate=experiment.dev_pass_rate,
        evaluate_every=settings.evaluate_every,
        stop_above=settings.stop_above,
    )


def reinforce(
    experiment: Experiment, credit: Credit, *, judges: Sequence[Score] = (), after: Sequence[After] = ()
) -> None:
    """Policy gradient on the train problems as `config.reinforce` says; recipes add their credit and judges."""
    config = experiment.config
    settings = config.reinforce
    experiment.log.phase("reinforce")
    reference = experiment.learner(0.0, copy.deepcopy(experiment.policy.model)) if settings.kl_weight else None
    learner = experiment.learner(settings.learning_rate)
    objective = reinforce_objective(config)
    judges = list(judges)
    if any("proximal_log_probs" in term.needs for term in objective):
        judges.append(proximal_log_probs(learner, config.sampling.temperature))
    if reference is not None:
        judges.append(reference_log_probs(reference, config.sampling.temperature))
    write = by_policy(
        experiment.policy,
        ask=plain,
        n=config.sampling.n,
        temperature=config.sampling.temperature,
        max_new_tokens=config.sampling.max_new_tokens,
        seed=config.seed,
        policy_version=lambda: learner.n_steps,
        stop=experiment.stop(),
    )
    gather, observers = _gather(experiment, write)
    train(
        learner,
        gather,
        score=scores(*judges),
        credit=credit,
        objective=objective,
        rounds=settings.rounds,
        epochs=settings.epochs,
        minibatches=settings.minibatches,
        ahead=settings.ahead,
        temperature=config.sampling.temperature,
        seed=config.seed,
        log=experiment.log,
        after=[*after, *observers],
        evaluate=experiment.dev_pass_rate,
        evaluate_every=settings.evaluate_every,
    )


def imitation_objective() -> tuple[Term, ...]:
    """Cross-entropy on every learned token."""
    return (cross_entropy(),)


def reinforce_objective(config: RunConfig) -> tuple[Term, ...]:
    """Plain policy gradient where every ratio is 1, otherwise the clipped surrogate; plus KL and entropy as asked."""
    settings = config.reinforce
    per, length = Per(settings.per), config.sampling.max_new_tokens
    if not has_ratios(config):
        terms = [policy_gradient(per, length)]
    else:
        terms = [
            clipped(
                settings.clip_low,
                settings.clip_high,
                dual=settings.dual_clip,
                ratio=Ratio(settings.ratio),
                correction_cap=settings.correction_cap if settings.ahead else None,
                per=per,
                length=length,
            )
        ]
    if settings.kl_weight:
        terms.append(kl_to_reference(settings.kl_weight, Estimator(settings.kl_estimator), per, length))
    if settings.entropy_weight:
        terms.append(entropy_bonus(settings.entropy_weight, per, length))
    return tuple(terms)


def length_penalty(config: RunConfig) -> Callable[[torch.Tensor], torch.Tensor] | None:
    """The overlong penalty that the config asks for, if any."""
    margin = config.reinforce.overlong_margin
    return partial(overlong_penalty, limit=config.sampling.max_new_tokens, margin=margin) if margin else None


def _gather(experiment: Experiment, write: Write) -> tuple[Gather, list[After]]:
    """How rounds are gathered, and who must see each of them afterwards."""
    settings, seed = experiment.config.reinforce, experiment.config.seed
    count, grade = settings.problems_per_round, experiment.grader.submit
    curriculum = Curriculum(experiment.train, count, seed) if settings.curriculum else None
    draw = curriculum or in_epochs(experiment.train, count, seed)
    observers: list[After] = [lambda number, groups, batch: curriculum.observe(groups)] if curriculum else []
    if settings.max_draws > 1:
        return rounds_with_signal(draw, write, grade, count, settings.max_draws), observers
    return rounds(draw, write, grade), observers
