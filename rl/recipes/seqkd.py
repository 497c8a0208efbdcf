"""Sequence-level knowledge distillation: all of a teacher's programs are imitated, right or wrong (arXiv 1606.07947).

    loss = -sum over tokens of the teacher's programs of log p(token | bare problem) / number of tokens

It is EKT without its filter, and the control that says what the filter is worth.

We differ from the paper in: the programs are samples, not the outcome of a beam search.
"""

from __future__ import annotations

from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import imitation_objective, warm_start
from rl.plan import Plan, imitation_of_teacher, warm_start_phases
from rl.teacher_phases import imitate_teacher, let_write, open_teacher, say_how_good


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, ask the teacher, then imitate whatever it wrote."""
    warm_start(experiment)
    with open_teacher(experiment) as teacher:
        say_how_good(experiment, teacher)
        groups = let_write(experiment, teacher)
    before = experiment.measure("before")
    imitate_teacher(experiment, "imitate_teacher", groups, imitation_objective())
    experiment.save("final")
    return {"before": before, "after imitation of the teacher": experiment.measure("final")}


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan(
        (*warm_start_phases(config), imitation_of_teacher(config, imitation_objective(), filtered=False)), evaluations=2
    )
