"""A repair model: shown a program that failed and what the example tests found, it writes one that passes.

    loss = -sum over tokens of programs W that pass of log p(token | problem, W_failed, evidence) / number of tokens

(CodeRL, arXiv 2207.01780, section 3.3.4.) `rl-train evaluate --critic-sampling --repair RUN` uses it.

We differ from the paper in: the program that passes is the most similar one that was sampled for the problem, not the
reference solution; the evidence also holds the line of the error and the failing example test; causal models repair
as well as encoder-decoders.
"""

from __future__ import annotations

from envs.errors import UserError
from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import warm_start
from rl.plan import Plan, imitation_of_repairs, warm_start_phases
from rl.repair_phases import check_run, failed_programs, find_repairs, imitate_repairs, measure_again
from rl.turns import afresh


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start, collect failed programs beside ones that pass, imitate these; measured on failed test programs."""
    check_run(experiment)
    warm_start(experiment)
    groups = find_repairs(experiment)
    if not groups:
        raise UserError(
            "repair: no problem has both a program that fails its example tests and one that passes; warm-start "
            "further (warm_start.rounds), sample more (sampling.n) or name a run with stored programs (repair.run)"
        )
    failed = failed_programs(experiment, "test", experiment.test)
    if not failed:
        raise UserError("repair: no program for the test problems fails an example test, so there is nothing to repair")
    sampled = measure_again(experiment, "sampled_again", failed, afresh)
    imitate_repairs(experiment, groups)
    experiment.save("final")
    return {"sampling again what failed": sampled, "repairing it": measure_again(experiment, "final", failed)}


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan((*warm_start_phases(config), imitation_of_repairs(config)), evaluations=3)
