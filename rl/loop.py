"""train: the straight line from problems to an optimizer step, blind to the recipe that runs.

problems -> prompts -> rollouts -> verdicts -> scores -> credit -> loss -> optimizer step -> evaluation -> log
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

from envs.problem import Problem
from rl.batch import Credit, collate
from rl.collect import Grade, collect
from rl.learner import Learner
from rl.log import Log, describe
from rl.losses import Term
from rl.write import Write


def train(
    learner: Learner,
    problems: Sequence[Problem],
    *,
    write: Write,
    grade: Grade | None,
    credit: Credit,
    objective: tuple[Term, ...],
    rounds: int,
    problems_per_round: int,
    temperature: float,
    seed: int,
    log: Log,
    evaluate: Callable[[], float] | None = None,
    evaluate_every: int = 0,
    stop_above: float | None = None,
) -> None:
    """Run up to `rounds` rounds of one collection and one optimizer step each.

    `evaluate` gives a pass rate in [0, 1] every `evaluate_every` rounds; training stops once it exceeds `stop_above`.
    """
    for number in range(rounds):
        started = time.perf_counter()
        drawn_P = draw(problems, problems_per_round, seed, number)
        groups_P = list(collect(drawn_P, write, grade, number))
        collected = time.perf_counter()
        batch = collate(groups_P)
        metrics = learner.step(batch.with_advantages(credit(groups_P, batch)), objective, temperature)
        log.round(
            number, describe(groups_P) | metrics, collect_s=collected - started, learn_s=time.perf_counter() - collected
        )
        if evaluate is not None and evaluate_every and (number + 1) % evaluate_every == 0:
            pass_rate = evaluate()
            log.evaluation(number, pass_rate)
            if stop_above is not None and pass_rate > stop_above:
                break


def draw(problems: Sequence[Problem], count: int, seed: int, round_number: int) -> list[Problem]:
    """The problems of a round: a pure function of (seed, round) that goes through all of them once per epoch."""
    places = range(round_number * count, (round_number + 1) * count)
    return [problems[_order(len(problems), seed, place // len(problems))[place % len(problems)]] for place in places]


@lru_cache(maxsize=4)
def _order(n_problems: int, seed: int, epoch: int) -> tuple[int, ...]:
    order = list(range(n_problems))
    random.Random(f"draw {seed} {epoch}").shuffle(order)
    return tuple(order)
