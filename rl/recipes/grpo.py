"""GRPO and its kin: policy gradient with a problem's own rollouts as baseline (arXiv 2402.03300).

    advantage of rollout i = reward_i - mean reward of its group
    loss = -sum over tokens of advantage * log p(token) / number of sampled tokens

With several steps per round, or rounds written ahead, the loss is the clipped surrogate instead.

We differ from the paper in: by default one step per round, so the ratio is 1 and needs no clip; no division by the
group's standard deviation (it overweights very easy and very hard problems, arXiv 2503.20783; `advantage =
"group_normalised"` divides); the mean runs over all tokens of the step (`per = "sequence"` is the paper's); no KL term
unless `kl_weight` asks for one.
"""

from __future__ import annotations

from envs.rewards import REWARDS
from rl.config import RunConfig
from rl.credit import ADVANTAGES, by_reward
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import length_penalty, reinforce, warm_start
from rl.plan import ADVANTAGE_FORMULAS, Plan, reinforcement, warm_start_phases


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, then reinforce from unit tests on problems without solutions."""
    config = experiment.config
    warm_start(experiment)
    before = experiment.measure("before")
    credit = by_reward(
        REWARDS[config.reinforce.reward],
        ADVANTAGES[config.reinforce.advantage],
        mask_truncated=config.reinforce.mask_truncated,
        length_penalty=length_penalty(config),
    )
    reinforce(experiment, credit)
    experiment.save("final")
    return {"before reinforcement": before, "after reinforcement": experiment.measure("final")}


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    advantage = ADVANTAGE_FORMULAS[config.reinforce.advantage]
    return Plan((*warm_start_phases(config), reinforcement(config, advantage)), evaluations=2)
