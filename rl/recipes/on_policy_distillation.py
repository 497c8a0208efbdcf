"""On-policy distillation: the policy writes, the teacher's distribution says what to write in each state (2306.13649).

    loss = b * tau^2 * KL(p || p_teacher), the mean over the tokens of the policy's own programs

b is `distil.kl_weight`, tau `distil.temperature`. No program need be right: tests only measure.

We differ from the paper in: by default the KL runs over the teacher's 64 likeliest tokens and all others as one
(`distil.top_k = 0` is the whole vocabulary); no share of the programs is the teacher's own; the divergence is the
reverse KL, not a mixture.
"""

from __future__ import annotations

from rl.config import RunConfig
from rl.distill import reverse_kl
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.losses import Term
from rl.phases import warm_start
from rl.plan import Plan, distillation_on_policy, warm_start_phases
from rl.teacher_phases import distil_on_policy, distribution_of, open_teacher, say_how_good


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, then follow the teacher wherever the policy goes."""
    config = experiment.config
    warm_start(experiment)
    with open_teacher(experiment) as teacher:
        score = distribution_of(experiment, teacher)
        say_how_good(experiment, teacher)
        before = experiment.measure("before")
        distil_on_policy(experiment, objective(config), score)
    experiment.save("final")
    return {"before": before, "after distillation": experiment.measure("final")}


def objective(config: RunConfig) -> tuple[Term, ...]:
    """KL from the policy to the teacher."""
    settings = config.distil
    return (reverse_kl(settings.kl_weight, temperature=settings.temperature, whole=not settings.top_k),)


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan((*warm_start_phases(config), distillation_on_policy(config, objective(config))), evaluations=2)
