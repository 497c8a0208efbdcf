"""Ways to spend the same budget of generated tokens on a problem, measured side by side.

Programs are chosen by example tests and critic alone; hidden tests only measure, once all programs are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import accumulate
from pathlib import Path

from critics.candidates import Candidate, Ledger, Move, Rank, SamplingResult, Spent, ranked
from critics.model import OutcomeCritic, load_critic, same_ids
from critics.sampling import SamplingSettings, Writer, critic_sampling
from envs.errors import UserError
from envs.feedback import GradeAll
from envs.grading import GradeRequest
from envs.passk import n_at_k, pass_at_k
from envs.problem import Problem
from envs.verdict import Outcome
from rl.evaluate import Estimate, estimate
from rl.models import load_policy, policy_folder
from rl.write import continuing


@dataclass(frozen=True, slots=True)
class Way:
    """One way to write programs and to put them in order."""

    name: str
    """For people."""
    refine: bool
    """Whether programs that pass the example tests are refined."""
    repair: bool
    """Whether failed ones are repaired where none passes."""
    rank: Rank
    """Which programs are handed in first."""


WAYS = (
    Way("plain", False, False, Rank.DRAWN),
    Way("best of n, examples", False, False, Rank.EXAMPLES),
    Way("best of n, critic", False, False, Rank.CRITIC),
    Way("best of n, both", False, False, Rank.EXAMPLES_CRITIC),
    Way("refine", True, False, Rank.EXAMPLES_CRITIC),
    Way("repair", False, True, Rank.EXAMPLES_CRITIC),
    Way("refine and repair", True, True, Rank.EXAMPLES_CRITIC),
)
"""The first is what the others are compared with. The first four order the same programs."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one way reached."""

    name: str
    """The way."""
    metrics: Mapping[str, Estimate]
    """pass@k: chance that one of k of the programs, drawn at random, is right; k@all: share of problems of which one of
    the first k handed in is right; solved: share of problems of which any program is right. Over problems."""
    gains: Mapping[str, Estimate]
    """The same metrics, minus those of plain sampling on the same problem."""
    programs: Mapping[str, int]
    """Programs by move, over all problems."""
    tokens: Mapping[str, int]
    """Generated tokens by move, over all problems."""
    empty_seeds: int
    """Seeds of which the cut left nothing."""
    critic_tokens: int
    """Tokens that the critic read."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ways side by side."""

    budget: int
    """Tokens that each way might generate per problem."""
    n_problems: int
    """Problems."""
    rows: tuple[Row, ...]
    """One per way; plain sampling first."""

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)

    def table(self) -> str:
        """The metrics and the ledger as lines of text for a person."""
        names = list(self.rows[0].metrics)
        lines = [
            f"{self.n_problems} problems, at most {self.budget} generated tokens each; 95 % intervals over problems"
        ]
        lines.append(f"{'':20}" + "".join(f"{name:>27}" for name in names))
        lines += [f"{row.name:20}" + "".join(_shown(row.metrics[name]) for name in names) for row in self.rows]
        lines.append(f"{'more than plain':20}")
        lines += [f"{row.name:20}" + "".join(_shown(row.gains[name]) for name in names) for row in self.rows[1:]]
        moves = "".join(f"{move:>18}" for move in Move)
        lines.append(f"{'tokens (programs)':20}{'all':>18}{moves}{'empty seeds':>13}{'critic read':>13}")
        for row in self.rows:
            cells = [_cost(sum(row.tokens.values()), sum(row.programs.values()))]
            cells += [_cost(row.tokens[move], row.programs[move]) for move in Move]
            lines.append(f"{row.name:20}{''.join(cells)}{row.empty_seeds:>13}{row.critic_tokens:>13}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a way found for a problem, with the hidden tests' judgement."""

    result: SamplingResult
    """The search."""
    passed: Mapping[int, bool | None]
    """By index of the candidate whether it passes; None where we could not tell."""
    rank: Rank
    """Which programs are handed in first."""

    def right(self, tokens: int | None = None) -> list[bool]:
        """Whether each program is right, in the order in which they are handed in; unknown ones are left out.

        With `tokens` the search is looked at as it was when it had generated so many: later programs are left out.
        """
        found = self.result.candidates if tokens is None else self._until(tokens)
        known = [self.passed[candidate.index] for candidate in ranked(found, self.rank)]
        return [passed for passed in known if passed is not None]

    def _until(self, tokens: int) -> list[Candidate]:
        in_order = sorted(self.result.candidates, key=lambda candidate: candidate.index)
        generated = accumulate(candidate.n_generated for candidate in in_order)
        return [candidate for candidate, so_far in zip(in_order, generated, strict=True) if so_far <= tokens]


def compare_ways(
    problems: Sequence[Problem],
    settings: SamplingSettings,
    ks: Sequence[int],
    *,
    write: Writer,
    critic: OutcomeCritic,
    grade: GradeAll,
    write_repair: Writer | None = None,
    ways: Sequence[Way] = WAYS,
) -> Comparison:
    """Spend `settings.budget` on each problem in every way; those that repair are left out without `write_repair`."""

    judged = judge_ways(problems, settings, write, critic, grade, write_repair, ways)
    values = {way.name: values_of(judged[way], ks) for way in judged}
    plain = next(iter(values.values()))
    rows = [_row(way, values[way.name], plain, [one.result.ledger for one in judged[way]]) for way in judged]
    return Comparison(settings.budget, len(problems), tuple(rows))


def judge_ways(
    problems: Sequence[Problem],
    settings: SamplingSettings,
    write: Writer,
    critic: OutcomeCritic,
    grade: GradeAll,
    write_repair: Writer | None = None,
    ways: Sequence[Way] = WAYS,
) -> dict[Way, list[Judged]]:
    """What each way finds for each problem, with the hidden tests' judgement; ways of one search share it."""

    @cache
    def judged(refine: bool, with_repair: bool) -> list[tuple[SamplingResult, Mapping[int, bool | None]]]:
        results = critic_sampling(
            problems,
            replace(settings, refine=refine),
            write=write,
            critic=critic,
            grade=grade,
            write_repair=write_repair if with_repair else None,
        )
        return _judged(results, grade)

    kept = [way for way in ways if write_repair is not None or not way.repair]
    return {way: [Judged(*one, way.rank) for one in judged(way.refine, way.repair)] for way in kept}


def load_searchers(
    policy: Path, critic: Path, repair: Path | None, temperature: float
) -> tuple[Writer, OutcomeCritic, Writer | None]:
    """The writer of a policy, its critic and the writer of its repair model, by their folders.

    Raises UserError for what cannot be read and for a critic or a repair model with other token ids than the policy's.
    """
    loaded = load_policy(str(policy_folder(policy)))
    judge = load_critic(critic, loaded.tokenizer)
    write = continuing(loaded, temperature=temperature)
    if repair is None:
        return write, judge, None
    mender = load_policy(str(policy_folder(repair)))
    if not same_ids(mender.tokenizer, loaded.tokenizer):
        raise UserError(
            f"repair model: {repair} was made with another tokenizer than {policy}, which could not write on what it "
            f"writes; train a repair model from this policy"
        )
    return write, judge, continuing(mender, temperature=temperature, author="repair")


def values_of(judged: Sequence[Judged], ks: Sequence[int], tokens: int | None = None) -> dict[str, list[float | None]]:
    """Each metric of `Row` problem by problem; None where no program could be judged.

    With `tokens` as they were when a search had generated so many.
    """
    measured = [_measure(right, ks) if (right := one.right(tokens)) else {} for one in judged]
    names = (*(f"pass@{k}" for k in ks), *(f"{k}@all" for k in ks), "solved")
    return {name: [one.get(name) for one in measured] for name in names}


def _judged(
    results: Sequence[SamplingResult], grade: GradeAll
) -> list[tuple[SamplingResult, Mapping[int, bool | None]]]:
    """Each result with whether its candidates pass the hidden tests, by index; None where we could not tell."""
    candidates = [(result.problem, candidate) for result in results for candidate in result.candidates]
    verdicts = iter(
        grade([GradeRequest(problem, one.rollout.program, problem.hidden_tests) for problem, one in candidates])
    )
    return [(result, {one.index: _known(next(verdicts).outcome) for one in result.candidates}) for result in results]


def _known(outcome: Outcome) -> bool | None:
    return None if outcome is Outcome.SANDBOX_ERROR else outcome is Outcome.PASSED


def _measure(right: list[bool], ks: Sequence[int]) -> dict[str, float]:
    """The metrics of one problem; where it has fewer than k programs, k is all of them."""
    n, c = len(right), sum(right)
    metrics = {f"pass@{k}": pass_at_k(n, c, min(k, n)) for k in ks}
    metrics |= {f"{k}@all": float(n_at_k([True] * n, right, k)) for k in ks}
    return metrics | {"solved": float(c > 0)}


def _row(
    way: Way,
    values: Mapping[str, Sequence[float | None]],
    plain: Mapping[str, Sequence[float | None]],
    ledgers: Sequence[Ledger],
) -> Row:
    pairs = {
        name: [(a, b) for a, b in zip(values[name], plain[name], strict=True) if a is not None and b is not None]
        for name in values
    }
    spent: dict[Move, list[Spent]] = {move: [ledger.spent[move] for ledger in ledgers] for move in Move}
    return Row(
        name=way.name,
        metrics={name: estimate([value for value in values[name] if value is not None]) for name in values},
        gains={name: estimate([a - b for a, b in pairs[name]]) for name in values},
        programs={move: sum(one.programs for one in spent[move]) for move in Move},
        tokens={move: sum(one.tokens for one in spent[move]) for move in Move},
        empty_seeds=sum(ledger.empty_seeds for ledger in ledgers),
        critic_tokens=sum(ledger.critic_tokens for ledger in ledgers),
    )


def _shown(e: Estimate) -> str:
    return f"{f'{e.mean:.1%} ({e.low:.1%} to {e.high:.1%})':>27}"


def _cost(tokens: int, programs: int) -> str:
    return f"{f'{tokens} ({programs})':>18}"
