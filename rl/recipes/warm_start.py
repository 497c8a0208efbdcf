"""Warm start: cross-entropy on the reference solutions of the labelled problems.

We differ from plain fine-tuning in: training stops by the dev pass rate, not by a number of epochs.
"""

from __future__ import annotations

from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import imitate_references
from rl.plan import Plan, imitation


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Imitate, then measure."""
    untrained = experiment.measure("untrained")
    imitate_references(experiment)
    experiment.save("final")
    return {"untrained": untrained, "warm start": experiment.measure("final")}


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan((imitation(config),), evaluations=2)
