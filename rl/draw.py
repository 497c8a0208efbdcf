"""Which problems a round attempts: in shuffled epochs, or by how much their pass rate promises to teach."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from envs.problem import Problem
from envs.rollout import Group
from envs.verdict import Outcome
from rl.durable import write_json
from rl.engine import gather, is_main


def in_epochs(problems: Sequence[Problem], count: int, seed: int) -> Callable[[int], list[Problem]]:
    """`count` problems per draw, a pure function of (seed, draw) that goes through all of them once per epoch."""

    @lru_cache(maxsize=4)
    def order(epoch: int) -> tuple[int, ...]:
        places = list(range(len(problems)))
        random.Random(f"draw {seed} {epoch}").shuffle(places)
        return tuple(places)

    def draw(number: int) -> list[Problem]:
        places = range(number * count, (number + 1) * count)
        return [problems[order(place // len(problems))[place % len(problems)]] for place in places]

    return draw


class Curriculum:
    """Draws problems in proportion to p (1 - p) of their running pass rate p: neither solved nor hopeless.

    A problem that has not been tried counts as p = 1/2. The floor keeps every problem in play.
    """

    def __init__(self, problems: Sequence[Problem], count: int, seed: int, *, floor: float = 0.02, memory: float = 0.5):
        self.problems = problems
        self.count = min(count, len(problems))
        self.seed = seed
        self.floor = floor
        self.memory = memory
        self.ids = {problem.id for problem in problems}
        self.pass_rates: dict[str, float] = {}

    def __call__(self, number: int) -> list[Problem]:
        """Draw without replacement (Efraimidis and Spirakis 2006: the largest of log(u) / weight)."""
        rng = random.Random(f"curriculum {self.seed} {number}")
        keyed = [(math.log(1.0 - rng.random()) / self.weight(problem), i) for i, problem in enumerate(self.problems)]
        return [self.problems[i] for _, i in sorted(keyed, reverse=True)[: self.count]]

    def weight(self, problem: Problem) -> float:
        """Chance of a problem to be drawn, up to a factor."""
        p = self.pass_rates.get(problem.id, 0.5)
        return p * (1.0 - p) + self.floor

    def observe(self, groups: Sequence[Group]) -> dict[str, float]:
        """Fold in what a round's groups of all ranks showed; returns the share of problems that were tried so far."""
        for problem_id, rate in gather([(group.problem.id, _pass_rate(group)) for group in groups]):
            if rate is not None and problem_id in self.ids:
                before = self.pass_rates.get(problem_id, rate)
                self.pass_rates[problem_id] = self.memory * before + (1.0 - self.memory) * rate
        return {"tried": len(self.pass_rates) / len(self.problems)}

    def save(self, folder: Path) -> None:
        """Write the pass rates: a checkpoint's Part."""
        if is_main():
            write_json(folder / "pass_rates.json", self.pass_rates)

    def restore(self, folder: Path) -> None:
        """Take them back; every rank reads them."""
        self.pass_rates = json.loads((folder / "pass_rates.json").read_text(encoding="utf-8"))


def _pass_rate(group: Group) -> float | None:
    known = [v.passed for v in group.verdicts if v is not None and v.outcome is not Outcome.SANDBOX_ERROR]
    return sum(known) / len(known) if known else None
