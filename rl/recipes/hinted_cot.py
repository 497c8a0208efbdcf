"""Hinted chain of thought: the teacher is told the answer while it reasons; the student never is (arXiv 2212.08410).

    D = {(question, rationale, answer) : written by the teacher from question and answer, and comes to the answer}
    loss = -sum over tokens of rationale and answer of log p(token | bare question) / number of tokens

With the answer in sight a teacher mends its slips, so more solutions come out right. It may as well only say the answer
again: such solutions are refused, as are those that speak of a hint. With `reasoning.form = "program"` the rationale is
a program, and the hint what comes out for at most half of the hidden tests.

We differ from the paper in: the hint's wording; equal solutions are learned once; one solution of each question is
shown in a pass, drawn anew; how good the teacher is on dev and test problems is measured without the hint.
"""

from __future__ import annotations

from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import warm_start
from rl.plan import Plan, imitation_of_solutions, warm_start_phases
from rl.rationale_phases import harvest, imitate_solutions, refuse_hints, told_the_answer
from rl.teacher_phases import let_write, open_teacher, say_how_good


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, ask the teacher with hints, then imitate its honest right solutions."""
    warm_start(experiment)
    with open_teacher(experiment) as teacher:
        say_how_good(experiment, teacher)
        groups = harvest(experiment, let_write(experiment, told_the_answer(teacher)), hinted=True)
    refuse_hints(experiment.policy, groups)
    before = experiment.measure("before")
    imitate_solutions(experiment, groups)
    experiment.save("final")
    return {"before": before, "after imitation": experiment.measure("final")}


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan((*warm_start_phases(config), imitation_of_solutions(config)), evaluations=2)
