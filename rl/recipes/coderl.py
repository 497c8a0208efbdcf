"""CodeRL: imitation and critic-weighted reinforcement together (arXiv 2207.01780).

    loss = cross-entropy on references - sum over sampled tokens of (r(W) - r(baseline)) * q_t * log p(token)
    q_t = what the critic gives, having read token t, to the outcome that happened

Each of the two is a mean over tokens of its own.

We differ from the paper in: programs are sampled from the policy as it is, not once from the warm start; both terms
enter every step; the critic reads the token that it values, and padding has no vote; how far it is trusted depends on
its calibration (`critic.trust = "full"` is the paper's); the references are those of the labelled problems.
"""

from __future__ import annotations

from functools import partial

from envs.problem import Problem
from envs.prompts import plain
from envs.rewards import REWARDS
from rl.batch import Credit
from rl.collect import Draw
from rl.config import RunConfig
from rl.credit import (
    ADVANTAGES,
    against_greedy,
    beside_written,
    by_reward,
    critic_weighted,
    decaying,
    returns,
)
from rl.critic_phases import FittedCritic, fit_critic, refit, save
from rl.draw import in_epochs
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.losses import Term, cross_entropy, only
from rl.phases import reinforce, reinforce_objective, warm_start
from rl.plan import Plan, coderl_phases, warm_start_phases
from rl.score import SAMPLED, WRITTEN, authors, critic_values
from rl.write import Write, by_reference, either


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start, fit the critic on the policy's programs, then learn from references and programs at once."""
    config = experiment.config
    warm_start(experiment)
    before = experiment.measure("before")
    judges = [authors(config.sampling.temperature)]
    after, parts = [], {}
    critic: FittedCritic | None = None
    if config.coderl.uses_critic:
        critic = fit_critic(experiment)
        if critic.weight:
            judges.append(critic_values(critic.learner, critic.classes))
        parts["critic"] = critic.learner
        if config.critic.refit_every:
            after.append(refit(critic, config.critic.refit_every))
    reinforce(
        experiment,
        credit(config, critic),
        judges=judges,
        after=after,
        parts=parts,
        objective=objective(config),
        beside=partial(beside, experiment) if config.coderl.imitation_weight else None,
        with_greedy=config.coderl.baseline == "greedy",
    )
    experiment.save("final")
    if critic is not None:
        save(experiment, critic)
    return {"before reinforcement": before, "after reinforcement": experiment.measure("final")}


def objective(config: RunConfig) -> tuple[Term, ...]:
    """Reinforcement on what the policy sampled and cross-entropy on the references, each with its own denominator."""
    settings = config.coderl
    terms: list[Term] = []
    if settings.reinforcement_weight:
        terms += [only(term, SAMPLED, settings.reinforcement_weight) for term in reinforce_objective(config)]
    if settings.imitation_weight:
        terms.append(only(cross_entropy(), WRITTEN, settings.imitation_weight))
    return tuple(terms)


def credit(config: RunConfig, critic: FittedCritic | None) -> Credit:
    """(return - baseline) times a weight per token."""
    settings, reward = config.coderl, REWARDS[config.reinforce.reward]
    if settings.baseline == "greedy":
        of_rows = against_greedy(reward)
    else:
        of_rows = by_reward(reward, returns if settings.baseline == "none" else ADVANTAGES[settings.baseline])
    of_rows = beside_written(of_rows)
    if critic is not None and critic.weight:
        return critic_weighted(of_rows, critic.weight, relative=settings.token_weights == "critic_relative")
    return decaying(of_rows) if settings.token_weights == "decay" else of_rows


def beside(experiment: Experiment, draw: Draw, write: Write) -> tuple[Draw, Write]:
    """Beside the samples: references of labelled problems."""
    config = experiment.config
    labelled = in_epochs(experiment.labelled, config.coderl.references_per_round, config.seed)
    names = {problem.id for problem in experiment.labelled}

    def both(number: int) -> list[Problem]:
        return [*labelled(number), *draw(number)]

    return both, either(lambda problem: problem.id in names, by_reference(experiment.policy, ask=plain), write)


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    return Plan((*warm_start_phases(config), *coderl_phases(config, objective(config))), evaluations=2)
