"""Expert iteration: sample many programs, keep those that pass, imitate them, and again (arXiv 1705.08439, 2203.14465).

    loss = -sum over accepted programs and tokens of log p(token) / number of accepted tokens

We differ from the papers in: with `restart` each iteration learns anew from the weights of the warm start, on all that
was accepted so far (as STaR, arXiv 2203.14465); without it the weights go on.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from envs.problem import Problem
from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import SEEDS_APART, Experiment
from rl.phases import attempt, best_of, imitate_accepted, warm_start
from rl.plan import Plan, imitation_of_accepted, warm_start_phases


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, then iterations of sampling and imitation on the train problems."""
    settings = experiment.config.expert_iteration
    warm_start(experiment)
    results = {"before": experiment.measure("before")}
    start = copy.deepcopy(experiment.policy.model.state_dict())
    problems = unsolved = experiment.train[: settings.problems]
    phases: list[str] = []
    best = best_of(experiment)
    for number in range(1, settings.iterations + 1):
        phases.append(_attempt(experiment, number, unsolved))
        if settings.restart:
            experiment.policy.model.load_state_dict(start)
        solved = imitate_accepted(experiment, f"imitate_{number}", phases, best)
        if settings.unsolved_only:
            unsolved = tuple(problem for problem in problems if problem.id not in solved)
        results[f"iteration {number}"] = experiment.measure(f"iteration_{number}")
    experiment.save("final")
    return results


def _attempt(experiment: Experiment, number: int, problems: Sequence[Problem]) -> str:
    """Let the policy as it is write programs for problems; the name of the phase that holds them."""
    config = experiment.config
    phase = f"attempt_{number}"
    write = experiment.write(policy_version=lambda: number, seed=config.seed + SEEDS_APART * number)
    attempt(experiment, phase, problems, write, config.expert_iteration.problems_per_round)
    return phase


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    iterations = config.expert_iteration.iterations
    return Plan(
        (*warm_start_phases(config), *(imitation_of_accepted(config) for _ in range(iterations))),
        evaluations=1 + iterations,
    )
