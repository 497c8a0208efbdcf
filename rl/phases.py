"""Phases that several recipes share: one call of `train` each."""

from __future__ import annotations

from envs.prompts import plain
from rl.credit import imitate
from rl.experiment import Experiment
from rl.loop import train
from rl.losses import cross_entropy
from rl.write import by_reference


def imitate_references(experiment: Experiment) -> None:
    """Cross-entropy on the reference solutions, until the dev pass rate leaves room for what follows."""
    settings = experiment.config.warm_start
    experiment.log.phase("warm_start")
    train(
        experiment.learner(settings.learning_rate),
        experiment.labelled,
        write=by_reference(experiment.policy, ask=plain),
        grade=None,
        credit=imitate,
        objective=(cross_entropy(),),
        rounds=settings.rounds,
        problems_per_round=settings.problems_per_round,
        temperature=1.0,
        seed=experiment.config.seed,
        log=experiment.log,
        evaluate=experiment.dev_pass_rate,
        evaluate_every=settings.evaluate_every,
        stop_above=settings.stop_above,
    )
