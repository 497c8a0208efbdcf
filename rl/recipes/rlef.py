"""RLEF: reinforcement over turns, in which the policy repairs by what the example tests found (arXiv 2410.02089).

    turn 1 answers the problem; while an example test fails, the next turn is shown program, error and failing example
    advantage of every token of attempt i = reward of its last program - mean of that over the attempts of the problem
    loss = -sum over the policy's tokens of advantage * log p(token) / number of these tokens

Example tests are what the policy is told of, hidden tests what it is rewarded for.

We differ from the paper in: the mean over attempts is the baseline, not a value head; a turn sees the last program
alone, not the whole dialogue; replies without code have no penalty of their own; no KL term unless `kl_weight` asks
for one; repairs are imitated first (`rlef.imitate_repairs`), which an instruction-tuned model does not need.
"""

from __future__ import annotations

from functools import partial

from envs.rewards import REWARDS
from rl.collect import Draw
from rl.config import RunConfig
from rl.credit import ADVANTAGES, by_last_turn, by_reward
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.phases import length_penalty, reinforce, warm_start
from rl.plan import ADVANTAGE_FORMULAS, Plan, imitation_of_repairs, reinforcement_in_turns, warm_start_phases
from rl.repair_phases import check_run, find_repairs, imitate_repairs, measure_turns, turned, writer
from rl.round_metrics import by_turns
from rl.turns import afresh
from rl.write import Write


def run(experiment: Experiment) -> dict[str, Evaluation]:
    """Warm start, imitate repairs, then reinforce whole attempts; measured with repairs and with samples instead."""
    config = experiment.config
    settings = config.reinforce
    check_run(experiment)
    warm_start(experiment)
    if config.rlef.imitate_repairs and (groups := find_repairs(experiment)):
        imitate_repairs(experiment, groups)
    before = {
        "before, repairs": measure_turns(experiment, "before"),
        "before, samples instead": measure_turns(experiment, "before_sampled_again", afresh),
    }
    credit = by_reward(
        REWARDS[settings.reward],
        ADVANTAGES[settings.advantage],
        mask_truncated=settings.mask_truncated,
        length_penalty=length_penalty(config),
    )
    reinforce(
        experiment,
        by_last_turn(credit),
        beside=partial(in_turns_of, experiment),
        after=[by_turns(REWARDS[settings.reward])],
    )
    experiment.save("final")
    return before | {
        "after, samples instead": measure_turns(experiment, "final_sampled_again", afresh),
        "after, repairs": measure_turns(experiment, "final"),
    }


def in_turns_of(experiment: Experiment, draw: Draw, write: Write) -> tuple[Draw, Write]:
    """The policy's writing, continued over turns."""
    return draw, turned(experiment, write, experiment.config.rlef.turns, writer(experiment))


def plan(config: RunConfig) -> Plan:
    """What `run` does."""
    imitated = (imitation_of_repairs(config),) if config.rlef.imitate_repairs else ()
    advantage = f"{ADVANTAGE_FORMULAS[config.reinforce.advantage]}; R is that of an attempt's last program"
    return Plan(
        (*warm_start_phases(config), *imitated, reinforcement_in_turns(config, advantage)),
        evaluations=4 * config.rlef.turns,
    )
