"""Socratic chains: one small model learns to ask sub-questions, another to answer them (arXiv 2212.00193).

    L_decomposer = - sum_j log p(q_j | problem, q_1 s_1 ... q_{j-1} s_{j-1})      iterative
    L_decomposer = - log p(q_1 ... q_n | problem)                                all at once
    L_solver     = - sum_j log p(s_j | problem, q_1 s_1 ... q_j)

each over the tokens, as a mean. The last question asks for the answer. The pair is compared with one model that writes
all of q_1 s_1 ... (unified), s_1 ... s_n a (chain of thought), or a alone (answer only).

We differ from the paper in: decompositions are those that the problems bring, kept where the tests pass, and none is
asked of a large model; a calculator works out marked arithmetic in the middle of decoding; questions are not guided by
equations; the solver learns behind right steps only, not behind its own.
"""

from __future__ import annotations

from functools import partial

from envs.decompose import is_decomposed
from envs.problem import Interface
from envs.prompts import socratic
from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import warm_start
from rl.plan import Plan, warm_start_phases
from rl.socratic_phases import (
    DECOMPOSER,
    PAIRS,
    ROWS,
    SOLVER,
    accepted_chains,
    begin,
    calculates,
    dev_pass_rate,
    imitation_of_chains,
    learn,
    learned,
    measure,
    writing,
)
from rl.write import Write


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Learn the model or the pair, then measure it; a pair also with an oracle's questions, and without calculator."""
    problems = accepted_chains(experiment)
    warm_start(experiment)
    begun = begin(experiment, problems)
    solver = learn(experiment, SOLVER, begun, problems, partial(dev_pass_rate, experiment, begun))
    if experiment.config.socratic.variant in PAIRS:
        begun = begin(experiment, problems)
        learn(experiment, DECOMPOSER, begun, problems, partial(dev_pass_rate, experiment, solver, begun))
    return _measured(experiment)


def _measured(experiment: Experiment) -> dict[str, Evaluation]:
    """What was learned, with what stands in for its parts."""
    settings = experiment.config.evaluation
    solver, decomposer = learned(experiment)
    by = partial(writing, experiment, solver, n=settings.n, temperature=settings.temperature, seed_offset=2)
    results = {"learned": measure(experiment, "final", by(decomposer), experiment.test)}
    asked = [problem for problem in experiment.test if is_decomposed(problem)]
    if decomposer is not None and asked:
        results["with an oracle's questions"] = measure(experiment, "oracle_questions", by(), asked)
    if calculates(experiment.config) and any(p.interface is Interface.ANSWER for p in experiment.test):
        without = by(decomposer, calculator=False)
        results["without calculator"] = measure(experiment, "without_calculator", without, experiment.test)
    return results


def write(experiment: Experiment, n: int, greedy: bool) -> Write:
    """How what was learned writes, for `rl-train compare`."""
    temperature = 0.0 if greedy else experiment.config.evaluation.temperature
    return writing(experiment, *learned(experiment), n=1 if greedy else n, temperature=temperature, seed_offset=4)


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    variant = config.socratic.variant
    phases = (imitation_of_chains(config, name) for name in ROWS[variant])
    evaluations = 1 + (variant in PAIRS) + calculates(config)
    return Plan((*warm_start_phases(config), *phases), evaluations=evaluations, ask=socratic)
