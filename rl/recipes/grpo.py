"""GRPO: policy gradient with the mean reward of a problem's own rollouts as baseline (arXiv 2402.03300).

    advantage of rollout i = reward_i - mean reward of its group
    loss = -sum over tokens of advantage * log p(token) / number of sampled tokens

We differ from the paper in: one optimizer step per collection, so the importance ratio is 1 and needs no clip; no
division by the group's standard deviation (it overweights very easy and very hard problems, arXiv 2503.20783); the mean
runs over all tokens of the step, not over sequences first; no KL term.
"""

from __future__ import annotations

from envs.prompts import plain
from envs.rewards import REWARDS
from rl.credit import by_reward, group_centered
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.loop import train
from rl.losses import policy_gradient
from rl.phases import imitate_references
from rl.write import by_policy


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, then reinforce from unit tests on problems without solutions."""
    config = experiment.config
    if config.warm_start.rounds:
        imitate_references(experiment)
        experiment.save("warm_start")
    before = experiment.measure("before")
    experiment.log.phase("reinforce")
    learner = experiment.learner(config.reinforce.learning_rate)
    train(
        learner,
        experiment.train,
        write=by_policy(
            experiment.policy,
            ask=plain,
            n=config.sampling.n,
            temperature=config.sampling.temperature,
            max_new_tokens=config.sampling.max_new_tokens,
            seed=config.seed,
            policy_version=lambda: learner.n_steps,
        ),
        grade=experiment.grader.submit,
        credit=by_reward(REWARDS[config.reinforce.reward], group_centered),
        objective=(policy_gradient(),),
        rounds=config.reinforce.rounds,
        problems_per_round=config.reinforce.problems_per_round,
        temperature=config.sampling.temperature,
        seed=config.seed,
        log=experiment.log,
        evaluate=experiment.dev_pass_rate,
        evaluate_every=config.reinforce.evaluate_every,
    )
    experiment.save("final")
    return {"before reinforcement": before, "after reinforcement": experiment.measure("final")}
