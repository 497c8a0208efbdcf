"""Fine-tune-CoT: a teacher reasons step by step about each question, the right ones are imitated (arXiv 2212.10071).

    D = {(question, rationale, answer) : a sample of the teacher, whose answer is right}
    loss = -sum over tokens of rationale and answer of log p(token | bare question) / number of tokens

Diverse reasoning is `teacher.n` samples per question; `teacher.ask = "two_step"` is the paper's zero-shot prompting.
With `reasoning.form = "program"` the rationale is a program; with "answer" there is none, and the answers of the train
problems alone are learned, whatever the teacher knows.

We differ from the paper in: a pass over the questions shows one solution of each, drawn anew, so that more of them do
not mean more steps; equal solutions are learned once; the dev problems choose the checkpoint, not the test problems.
"""

from __future__ import annotations

from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import warm_start
from rl.plan import Plan, imitation_of_solutions, warm_start_phases
from rl.rationale_phases import answers_alone, harvest, imitate_solutions
from rl.teacher_phases import let_write, open_teacher, say_how_good


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, ask the teacher, then imitate its right solutions."""
    warm_start(experiment)
    if experiment.form == "answer":
        groups = answers_alone(experiment)
    else:
        with open_teacher(experiment) as teacher:
            say_how_good(experiment, teacher)
            groups = harvest(experiment, let_write(experiment, teacher))
    before = experiment.measure("before")
    imitate_solutions(experiment, groups)
    experiment.save("final")
    return {"before": before, "after imitation": experiment.measure("final")}


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan((*warm_start_phases(config), imitation_of_solutions(config)), evaluations=2)
