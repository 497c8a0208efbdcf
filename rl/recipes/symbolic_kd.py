"""Symbolic knowledge distillation: a critic that few labels fit purifies what a teacher wrote (arXiv 2110.07178).

    critic = argmin -sum over labelled programs of [v log f(x) + (1 - v) log(1 - f(x))], v: it passes its hidden tests
    D = {(problem, z) : z a program of the teacher with f(problem, z) >= cutoff(r)}, r: recall on validation programs
    loss = -sum over tokens of the programs of D of log p(token | bare problem) / number of tokens

No answer of the problems that are learned from is looked at: it is EKT where running everything is not possible.

We differ from the paper in: a label is what running a program says, not what a person does; the critic is a language
model with an outcome head, by default on a copy of the student, and is fitted for a fixed number of rounds; names are
those of variables; labelled problems are not imitated; the teacher's worst programs by log-probability are not dropped.
"""

from __future__ import annotations

from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import imitation_objective, warm_start
from rl.plan import Plan, purification_phases, warm_start_phases
from rl.purify_phases import let_write_corpus, purified
from rl.teacher_phases import imitate_teacher, open_teacher, say_how_good


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, ask the teacher, label a few programs, imitate what a critic keeps."""
    warm_start(experiment)
    with open_teacher(experiment) as teacher:
        say_how_good(experiment, teacher)
        programs = let_write_corpus(experiment, teacher)
    before = experiment.measure("before")
    imitate_teacher(experiment, "imitate_teacher", purified(experiment, programs), imitation_objective())
    experiment.save("final")
    return {"before": before, "after imitation of the purified programs": experiment.measure("final")}


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan((*warm_start_phases(config), *purification_phases(config, imitation_objective())), evaluations=2)
