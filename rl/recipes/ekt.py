"""EKT, explicit knowledge transfer: a few-shot teacher's programs, those that pass are imitated (arXiv 2211.16740).

    D = {(problem, z) : z a program of the teacher with the right answer}, by default the first one of each problem
    loss = -sum over tokens of the programs of D of log p(token | bare problem) / number of tokens

We differ from the paper in: answers are compared exactly, integers may be integers (`ekt.check = "paper"` is the
original's); only the program is learned (`ekt.question_loss` adds the question's tokens); programs are functions that
return, not scripts that set `answer`; the learning rate does not decay; dev and test problems are left out by id.
"""

from __future__ import annotations

from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import imitation_objective, warm_start
from rl.plan import Plan, imitation_of_teacher, warm_start_phases
from rl.teacher_phases import accepted, imitate_teacher, let_write, open_teacher, say_how_good


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, ask the teacher, then imitate its programs that pass."""
    warm_start(experiment)
    with open_teacher(experiment) as teacher:
        say_how_good(experiment, teacher)
        groups = let_write(experiment, teacher)
    before = experiment.measure("before")
    imitate_teacher(experiment, "imitate_teacher", accepted(experiment, groups), imitation_objective())
    experiment.save("final")
    return {"before": before, "after imitation of the teacher": experiment.measure("final")}


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan((*warm_start_phases(config), imitation_of_teacher(config, imitation_objective())), evaluations=2)
