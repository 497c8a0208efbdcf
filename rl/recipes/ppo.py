"""PPO: clipped surrogate with advantages by a value head (arXiv 1707.06347, generalised advantages arXiv 1506.02438).

The value head is a co-learner with a decoder and an optimizer of its own; it takes one step towards the rewards after
the policy's steps of each round.

We differ from the paper in: the policy and the value head share no weights; the value loss is not clipped; the reward
comes once, after the last token, and the discount is 1.
"""

from __future__ import annotations

from envs.rewards import REWARDS
from rl.config import RunConfig
from rl.credit import by_values
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.learner import Learner
from rl.phases import reinforce, warm_start
from rl.plan import Judge, Plan, reinforcement, warm_start_phases
from rl.score import values
from rl.value import TokenValues, fit_values


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start on the labelled problems, then reinforce with a value head."""
    config = experiment.config
    warm_start(experiment)
    before = experiment.measure("before")
    reward = REWARDS[config.reinforce.reward]
    value_learner = Learner(
        TokenValues(experiment.policy.model),
        learning_rate=config.reinforce.value_learning_rate,
        warmup_steps=config.learner.warmup_steps,
        max_grad_norm=config.learner.max_grad_norm,
        micro_batch_tokens=config.learner.micro_batch_tokens,
        zero=config.engine.zero,
        offload=config.engine.offload,
    )
    reinforce(
        experiment,
        by_values(reward, trace=config.reinforce.trace),
        judges=[values(value_learner)],
        after=[fit_values(value_learner, reward)],
        parts={"value": value_learner},
    )
    experiment.save("final")
    return {"before reinforcement": before, "after reinforcement": experiment.measure("final")}


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    advantage = (
        f"A_t = d_t + {config.reinforce.trace:g} A_(t+1), d_t = r_t + V_(t+1) - V_t, r_t = R after the last token"
    )
    value_head = Judge("values", is_copy=True, is_trained=True)
    return Plan((*warm_start_phases(config), reinforcement(config, advantage, (value_head,))), evaluations=2)
