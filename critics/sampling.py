"""Critic sampling: a critic says where to cut programs that pass the example tests, and which failed ones to repair.

    refine: seed = w_1..w_m with m = argmax_t p(passed | w_1..w_t), shortened where the critic doubts; write it on
    repair: show the failed programs of highest p(passed), with what the example tests found, to a repair model

(CodeRL, arXiv 2207.01780, section 3.3.4 and algorithm 1.) We differ from the paper in: a budget of generated tokens
ends the search, and a number of rounds only where one is given; what was written first stays a candidate; by default a
seed is shortened where p(passed) falls below that after the first token, since below one half, the paper's rule,
nothing is left of most seeds of a critic that knows how rare passing is; the last token of a completion, which ended
it, is in no seed.

Axes: T tokens.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import accumulate, cycle, islice

from critics.candidates import Candidate, Ledger, Move, SamplingResult, Spent, distinct, ranked
from critics.model import OutcomeCritic
from critics.score import Reading, read
from envs.errors import UserError
from envs.feedback import GradeAll, by_examples
from envs.problem import Problem
from envs.prompts import plain, repair
from envs.rollout import Prompt, Rollout
from envs.verdict import Feedback


class Cut(StrEnum):
    """Where the prefix of a passing program ends. The paper's text takes the first, its algorithm 1 the second."""

    ARGMAX = "argmax"
    """At the token after which p(passed) is highest; the first such token."""
    SAMPLE = "sample"
    """At a token drawn in proportion to p(passed)."""


class Drop(StrEnum):
    """From which token on a prefix is dropped."""

    BELOW_FIRST = "below_first"
    """The first after which p(passed) is below that after the first token."""
    BELOW_HALF = "below_half"
    """The first after which p(failed) > p(passed): the paper's rule."""
    NOTHING = "nothing"
    """None."""


@dataclass(frozen=True, slots=True)
class SamplingSettings:
    """How a budget is spent on each problem."""

    budget: int
    """Tokens that may be generated per problem; never exceeded."""
    max_new_tokens: int
    """Longest completion, the tokens of its seed included."""
    n: int = 16
    """Programs per round, fewer where the budget might not suffice for so many of the longest."""
    rounds: int | None = None
    """Most rounds after the first; None is as many as the budget bears."""
    refine: bool = True
    """Whether programs that pass the example tests are refined; otherwise rounds sample again once one passes."""
    keep: int = 1
    """Failed programs that are repaired in a round: the paper's M."""
    cut: Cut = Cut.ARGMAX
    """Where the prefix of a passing program ends."""
    drop: Drop = Drop.BELOW_FIRST
    """From which token on it is dropped."""
    seed: int = 0
    """Of all random numbers."""

    def __post_init__(self) -> None:
        for name, least in (("max_new_tokens", 1), ("n", 1), ("keep", 1), ("rounds", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UserError(f"critic sampling: {name}: expected at least {least}; got {value}")
        if self.budget < self.max_new_tokens:
            raise UserError(
                f"critic sampling: budget: expected at least max_new_tokens ({self.max_new_tokens}), the tokens of one "
                f"program; got {self.budget}"
            )


@dataclass(frozen=True, slots=True)
class Request:
    """Programs that a Writer is asked for."""

    problem: Problem
    """What they shall solve."""
    prompt: Prompt
    """How it is asked."""
    seeds: tuple[int, ...]
    """Seed of the random numbers of each program; as many programs are wanted."""
    written_ids: tuple[int, ...] = ()
    """Ids of the completion that are written already: each program begins with them."""


Writer = Callable[[Sequence[Request], int], list[list[Rollout]]]
"""(requests, longest completion in tokens) -> the rollouts of each request, one per seed, in order.

Completion ids begin with the request's `written_ids`, exactly those, which count towards the longest completion.
"""
Tell = Callable[[Candidate, Sequence[float]], object]
"""(candidate, p(passed) after each of its tokens): who is told of each program once it was run and read."""


def nobody(_candidate: Candidate, _pass_probs_T: Sequence[float]) -> None:
    """A Tell that nobody listens to."""


def critic_sampling(
    problems: Sequence[Problem],
    settings: SamplingSettings,
    *,
    write: Writer,
    critic: OutcomeCritic,
    grade: GradeAll,
    write_repair: Writer | None = None,
    ask: Callable[[Problem], Prompt] = plain,
    tell: Tell = nobody,
) -> list[SamplingResult]:
    """Search for programs that solve each problem; one result per problem, in order.

    After a first round of `n` samples each round refines where a program passed the example tests, repairs where all
    failed and there is a `write_repair`, and samples again otherwise: also for a problem without example tests. The
    problems advance together, so that writer, critic and grader see large batches. At the end of a round `tell` is
    called for each of its programs.

    Raises UserError for a critic without a class `passed`.
    """
    names = critic.settings.classes.names
    if names[-1] != "passed":
        raise UserError(f"critic sampling: expected a critic whose last class is 'passed'; got {', '.join(names)}")
    searches = [_Search(problem, ask(problem), settings, write_repair is not None) for problem in problems]
    while orders := [order for search in searches for order in search.next_orders()]:
        written = _written(orders, settings.max_new_tokens, write, write_repair)
        feedbacks = by_examples([(order.search.problem, rollout.program) for order, rollout in written], grade)
        readings = _read(critic, [order.search.as_asked(rollout) for order, rollout in written])
        for (order, rollout), feedback, reading in zip(written, feedbacks, readings, strict=True):
            tell(*order.search.add(order.source, rollout, feedback, reading))
    return [search.result() for search in searches]


def cut_seed(pass_probs_T: Sequence[float], cut: Cut, drop: Drop, uniform: float = 0.0) -> int:
    """Number of tokens that are kept as a seed, by p(passed) after each token.

    `uniform` in [0, 1) decides where `Cut.SAMPLE` cuts. No tokens are no seed.
    """
    if not pass_probs_T:
        return 0
    if cut is Cut.ARGMAX:
        last = max(range(len(pass_probs_T)), key=pass_probs_T.__getitem__)
    else:
        cumulative_T = list(accumulate(pass_probs_T))
        last = sum(value <= uniform * cumulative_T[-1] for value in cumulative_T[:-1])
    floor = {Drop.BELOW_FIRST: pass_probs_T[0], Drop.BELOW_HALF: 0.5, Drop.NOTHING: 0.0}[drop]
    return next((t for t in range(last + 1) if pass_probs_T[t] < floor), last + 1)


@dataclass(frozen=True, slots=True)
class _Source:
    """What programs of a round start from."""

    move: Move
    prompt: Prompt
    parent: int | None = None
    written_ids: tuple[int, ...] = ()
    from_empty_seed: bool = False


@dataclass(frozen=True, slots=True)
class _Order:
    """A request with the search that made it."""

    search: _Search
    source: _Source
    request: Request


@dataclass(slots=True)
class _Search:
    """The search for one problem: its candidates so far, and what to write next."""

    problem: Problem
    asked: Prompt
    settings: SamplingSettings
    can_repair: bool
    asked_ids: tuple[int, ...] = ()
    candidates: list[Candidate] = field(default_factory=list)
    pass_probs: list[tuple[float, ...]] = field(default_factory=list)
    rounds: int = 0
    empty_seeds: int = 0
    critic_tokens: int = 0
    tokens_before: int = 0
    """Tokens generated when the last round began: a round of empty completions spends nothing, and is the last."""

    @property
    def tokens(self) -> int:
        """Tokens generated so far."""
        return sum(candidate.n_generated for candidate in self.candidates)

    def next_orders(self) -> list[_Order]:
        """What to write in the next round; nothing where the search is over."""
        nothing_came = self.rounds > 0 and self.tokens == self.tokens_before
        if nothing_came or (self.settings.rounds is not None and self.rounds > self.settings.rounds):
            return []
        self.tokens_before = self.tokens
        orders, next_index = [], len(self.candidates)
        for source, count in self._shared_out(self._sources()):
            seeds = tuple(_seed(self.settings.seed, self.problem.id, next_index + i) for i in range(count))
            next_index += count
            self.empty_seeds += source.from_empty_seed
            orders.append(_Order(self, source, Request(self.problem, source.prompt, seeds, source.written_ids)))
        self.rounds += bool(orders)
        return orders

    def add(
        self, source: _Source, rollout: Rollout, feedback: Feedback | None, reading: Reading | None
    ) -> tuple[Candidate, Sequence[float]]:
        """Take in one program of a round, in the order of its requests; what a Tell is told of it."""
        index, kept = len(self.candidates), len(source.written_ids)
        pass_prob = 0.0 if reading is None else reading.pass_prob
        self.candidates.append(Candidate(index, rollout, source.move, source.parent, kept, feedback, pass_prob))
        self.pass_probs.append(() if reading is None else tuple(reading.pass_probs_T.tolist()))
        self.critic_tokens += 0 if reading is None else len(self.asked_ids) + len(rollout.completion_ids)
        return self.candidates[-1], self.pass_probs[-1]

    def as_asked(self, rollout: Rollout) -> Rollout:
        """The rollout as an answer to the problem's own prompt, which is what the critic was fitted to."""
        self.asked_ids = self.asked_ids or rollout.prompt_ids  # the first one is a sample
        return replace(rollout, prompt=self.asked, prompt_ids=self.asked_ids)

    def result(self) -> SamplingResult:
        """What was found."""
        spent = {}
        for move in Move:
            tokens = [candidate.n_generated for candidate in self.candidates if candidate.move is move]
            spent[move] = Spent(len(tokens), sum(tokens))
        ledger = Ledger(self.settings.budget, spent, self.rounds, self.empty_seeds, self.critic_tokens)
        return SamplingResult(self.problem, ranked(self.candidates), ledger)

    def _sources(self) -> list[_Source]:
        """What the next round's programs start from, the most promising first."""
        passed = ranked(candidate for candidate in self.candidates if candidate.passed)
        if passed and self.settings.refine:
            return [self._seed_of(candidate) for candidate in passed[: self.settings.n]]
        failed = ranked(candidate for candidate in self.candidates if candidate.passed is False)
        if failed and not passed and self.can_repair:
            return [self._repair_of(candidate) for candidate in distinct(failed)[: self.settings.keep]]
        return [_Source(Move.SAMPLE, self.asked)]

    def _seed_of(self, candidate: Candidate) -> _Source:
        settings = self.settings
        uniform = random.Random(_seed(settings.seed, self.problem.id, "cut", self.rounds, candidate.index)).random()
        length = cut_seed(self.pass_probs[candidate.index][:-1], settings.cut, settings.drop, uniform)
        if length == 0:
            return _Source(Move.SAMPLE, self.asked, from_empty_seed=True)
        return _Source(Move.REFINE, self.asked, candidate.index, candidate.rollout.completion_ids[:length])

    def _repair_of(self, candidate: Candidate) -> _Source:
        assert candidate.feedback is not None
        prompt = repair(self.problem, candidate.rollout.program, candidate.feedback)
        return _Source(Move.REPAIR, prompt, candidate.index)

    def _shared_out(self, sources: Sequence[_Source]) -> list[tuple[_Source, int]]:
        """`n` programs dealt to the sources in turn, as far as the budget bears each of them at its longest."""
        settings = self.settings
        room = settings.budget - self.tokens
        counts: Counter[int] = Counter()
        for number in islice(cycle(range(len(sources))), settings.n):
            longest = settings.max_new_tokens - len(sources[number].written_ids)
            if longest <= room:
                room -= longest
                counts[number] += 1
        return [(sources[number], counts[number]) for number in sorted(counts)]


def _written(
    orders: Sequence[_Order], max_new_tokens: int, write: Writer, write_repair: Writer | None
) -> list[tuple[_Order, Rollout]]:
    """The rollouts of all orders; those of one search in the order of its orders."""
    repairs = [order for order in orders if order.source.move is Move.REPAIR]
    others = [order for order in orders if order.source.move is not Move.REPAIR]
    written = []
    for writer, chosen in ((write, others), (write_repair, repairs)):
        if chosen:
            assert writer is not None
            groups = writer([order.request for order in chosen], max_new_tokens)
            for order, rollouts in zip(chosen, groups, strict=True):
                _check(order.request, rollouts, max_new_tokens)
                written += [(order, rollout) for rollout in rollouts]
    return written


def _read(critic: OutcomeCritic, rollouts: Sequence[Rollout]) -> list[Reading | None]:
    """What the critic says of each rollout; None for one without tokens."""
    readings = iter(read(critic, [rollout for rollout in rollouts if rollout.completion_ids]))
    return [next(readings) if rollout.completion_ids else None for rollout in rollouts]


def _check(request: Request, rollouts: Sequence[Rollout], max_new_tokens: int) -> None:
    """Raise RuntimeError where a writer has not done as asked: a budget holds no more than what writers keep to."""
    wanted, kept = len(request.seeds), len(request.written_ids)
    if len(rollouts) != wanted:
        raise RuntimeError(f"problem {request.problem.id}: {wanted} programs were asked for; got {len(rollouts)}")
    for rollout in rollouts:
        if len(rollout.completion_ids) > max_new_tokens or rollout.completion_ids[:kept] != request.written_ids:
            raise RuntimeError(
                f"problem {request.problem.id}: expected at most {max_new_tokens} ids that begin with the {kept} that "
                f"were written already; got {len(rollout.completion_ids)} ids"
            )


def _seed(*name: object) -> int:
    """A 63-bit hash of what the random numbers are for: they do not depend on what else is written."""
    digest = hashlib.blake2b("/".join(map(str, name)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1
