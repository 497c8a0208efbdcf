"""train: the straight line from problems to optimizer steps, blind to the recipe that runs.

problems -> prompts -> rollouts -> verdicts -> scores -> credit -> loss -> optimizer steps -> evaluation -> log
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from envs.rollout import Group
from rl.batch import Batch, Credit, collate
from rl.checkpoint import Checkpoints, NoCheckpoints
from rl.collect import Gather
from rl.engine import gather as gather_over_ranks
from rl.learner import Learner
from rl.log import Log, describe
from rl.losses import Term
from rl.score import Score, nobody

After = Callable[[int, Sequence[Group], Batch], Mapping[str, float]]
"""(round, groups, batch) -> metrics: a co-learner's update, or anything else that a round ends with."""


def train(
    learner: Learner,
    gather: Gather,
    *,
    credit: Credit,
    objective: tuple[Term, ...],
    rounds: int,
    temperature: float,
    seed: int,
    log: Log,
    checkpoints: Checkpoints | NoCheckpoints,
    score: Score = nobody,
    epochs: int = 1,
    minibatches: int = 1,
    after: Sequence[After] = (),
    evaluate: Callable[[], float] | None = None,
    evaluate_every: int = 0,
    stop_above: float | None = None,
) -> None:
    """Do the rounds that `checkpoints` leaves to be done: one collection, then `epochs * minibatches` optimizer steps.

    `evaluate` gives a pass rate in [0, 1] every `evaluate_every` rounds; training stops once it exceeds `stop_above`.
    """
    watch = log.watch
    for number in checkpoints.remaining(rounds):
        groups_P = gather(number)
        with watch("judge_s"):
            batch = collate(groups_P)
            batch = batch.with_columns(score(groups_P, batch))
            batch = batch.with_advantages(credit(groups_P, batch))
        with watch("learn_s"):
            metrics: dict[str, float] = {}
            problem_ids = [group.problem.id for group in groups_P]
            for part in minibatches_of(batch, problem_ids, epochs, minibatches, f"{seed} {number}"):
                metrics = learner.step(part, objective, temperature)
        with watch("after_s"):
            for update in after:
                metrics |= update(number, groups_P, batch)
        log.round(number, describe(groups_P) | metrics)
        pass_rate = 0.0
        if evaluate is not None and evaluate_every and (number + 1) % evaluate_every == 0:
            with watch("evaluate_s"):
                pass_rate = evaluate()
            log.evaluation(number, pass_rate)
        stop = stop_above is not None and pass_rate > stop_above
        with watch("save_s"):
            checkpoints.round_done(number, stop)
        log.seconds(number, watch.take())
        if stop:
            break
    checkpoints.finish()


def minibatches_of(batch: Batch, problem_ids: Sequence[str], epochs: int, count: int, name: str) -> Iterator[Batch]:
    """The batch `epochs` times, each time dealt anew into exactly `count` parts of whole groups, some perhaps empty.

    `problem_ids` are those of the batch's groups. The deal is by problem over all ranks, so it is the same however many
    ranks there are.
    """
    everywhere = sorted(set(gather_over_ranks(problem_ids)))
    for epoch in range(epochs):
        if count == 1:
            yield batch
            continue
        random.Random(f"minibatches {name} {epoch}").shuffle(order := list(everywhere))
        part_of = {problem_id: place * count // len(order) for place, problem_id in enumerate(order)}
        part_G = torch.tensor([part_of[problem_id] for problem_id in problem_ids], dtype=torch.long)
        for part in range(count):
            yield batch.rows((part_G[batch.group_B] == part).nonzero().squeeze(1))
