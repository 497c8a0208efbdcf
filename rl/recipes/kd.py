"""KD: the programs of EKT, imitated together with the teacher's distribution of each of their tokens.

    loss = a * -log p(token) + b * tau^2 * KL(p_teacher || p), the mean over the tokens of the accepted programs

a is `distil.imitation_weight`, b `distil.kl_weight`, tau `distil.temperature`. It is the baseline that EKT was compared
with (arXiv 2211.16740; Hinton 2015, arXiv 1503.02531).

We differ from the baseline in: by default the KL runs over the teacher's 64 likeliest tokens and all others as one
(`distil.top_k = 0` is the whole vocabulary); only the program is learned (`ekt.question_loss`); the teacher may be
shown its own prompt (`distil.prompted`), where the original's read the bare problem.
"""

from __future__ import annotations

from dataclasses import replace

from rl.config import RunConfig
from rl.distill import forward_kl
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.losses import Term
from rl.phases import imitation_objective, warm_start
from rl.plan import Plan, imitation_of_teacher, teacher_judges, warm_start_phases
from rl.teacher_phases import accepted, distribution_of, imitate_teacher, let_write, open_teacher, say_how_good
from rl.teacher_scores import kept


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, ask the teacher, then learn its programs and its distributions."""
    config = experiment.config
    warm_start(experiment)
    with open_teacher(experiment) as teacher:
        score = distribution_of(experiment, teacher)
        if config.distil.keep:
            score = kept(score, config.folder / "teacher_columns")
        say_how_good(experiment, teacher)
        groups = let_write(experiment, teacher)
        before = experiment.measure("before")
        imitate_teacher(experiment, "imitate_teacher", accepted(experiment, groups), objective(config), score)
    experiment.save("final")
    return {"before": before, "after distillation": experiment.measure("final")}


def objective(config: RunConfig) -> tuple[Term, ...]:
    """Cross-entropy on the teacher's programs and KL to its distributions; both are means over the same tokens."""
    settings = config.distil
    kl = forward_kl(settings.kl_weight, temperature=settings.temperature, whole=not settings.top_k)
    if not settings.imitation_weight:
        return (kl,)
    return (*(replace(term, weight=settings.imitation_weight) for term in imitation_objective()), kl)


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan(
        (*warm_start_phases(config), imitation_of_teacher(config, objective(config), teacher_judges(config))),
        evaluations=2,
    )
