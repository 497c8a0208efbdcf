"""Chains of sub-questions and answers: written turn by turn by two models or whole by one, and learned from.

Each turn is a completion of its own, asked by the problem with the chain so far. Both models read that as text, so that
what they learn from and what they meet when they write is tokenised alike, and a chain ends wherever one of them fails
to end its turn, asks what was asked before, runs out of steps or of positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from critics.sampling import Request
from envs.decompose import asks_for_answer, program_of, split_questions
from envs.problem import Problem
from envs.prompts import socratic
from envs.rollout import Group, Rollout, Segment, StopReason
from rl.decode import Insert
from rl.models import Policy
from rl.write import Write, continuing, rollout_seed, ungraded, written


@dataclass(frozen=True, slots=True)
class Said:
    """One turn."""

    text: str
    """What is added to the chain."""
    segments: tuple[Segment, ...]
    """The same as ids."""
    whole: bool
    """Whether it ended by itself."""


@dataclass(slots=True)
class Chain:
    """A chain while it is written."""

    problem: Problem
    """What it solves."""
    seed: int
    """Seed of its random numbers."""
    text: str = ""
    """What stands so far."""
    segments: list[Segment] = field(default_factory=list)
    """The same as ids, with who wrote them."""
    asked: list[str] = field(default_factory=list)
    """Its questions, in order."""
    planned: list[str] | None = None
    """Questions that were made up in advance; None where they come one by one."""
    stop: StopReason | None = None
    """Why it ended; None while it is open."""

    def add(self, said: Said) -> None:
        """Go on with what was said; a turn that did not end by itself ends the chain."""
        self.text += said.text
        self.segments += said.segments
        if not said.whole:
            self.stop = StopReason.LENGTH


NOTHING = Said("", (), whole=False)
"""What is said where nothing can be."""
Speak = Callable[[Sequence[Chain]], list[Said]]
"""Chains -> what somebody says next in each."""
Grow = Callable[[Sequence[Chain]], None]
"""Write chains to their end."""


def speaker(
    policy: Policy, author: str, *, temperature: float, max_new_tokens: int, insert: Insert | None = None
) -> Speak:
    """A model that says something in each chain whose text leaves room for `max_new_tokens` in its positions."""
    writer = continuing(policy, temperature=temperature, author=author, insert=insert)

    def speak(chains: Sequence[Chain]) -> list[Said]:
        said = [NOTHING] * len(chains)
        requests, places = [], []
        for place, chain in enumerate(chains):
            prompt = socratic(chain.problem, chain.text)
            if policy.positions is None or len(policy.encode(prompt.text)) + max_new_tokens <= policy.positions:
                seed = rollout_seed(chain.seed, len(chain.segments), chain.problem.id, 0)
                requests.append(Request(chain.problem, prompt, (seed,)))
                places.append(place)
        for place, (rollout,) in zip(places, writer(requests, max_new_tokens), strict=True):
            said[place] = Said(rollout.text, rollout.segments, rollout.stop is StopReason.END_OF_TEXT)
        return said

    return speak


def asks_in_advance(speak: Speak, policy: Policy) -> Speak:
    """Let somebody ask all questions of a chain at once, before the first answer."""

    def ask(chains: Sequence[Chain]) -> list[Said]:
        new = [chain for chain in chains if chain.planned is None]
        for chain, said in zip(new, speak(new), strict=True):
            chain.planned = split_questions(said.text) if said.whole else []
        return [_question(policy, "decomposer", chain.planned or [], len(chain.asked)) for chain in chains]

    return ask


def asks_as_given(questions: Callable[[Problem], Sequence[str]], policy: Policy) -> Speak:
    """Ask the problem's own questions: an oracle in the place of a decomposer."""
    return lambda chains: [
        _question(policy, "reference", questions(chain.problem), len(chain.asked)) for chain in chains
    ]


def in_turns(ask: Speak, answer: Speak, max_steps: int) -> Grow:
    """A decomposer asks and a solver answers, up to `max_steps` sub-questions and the last one, for the answer."""

    def grow(chains: Sequence[Chain]) -> None:
        for _ in range(max_steps + 1):
            chains = _open(chains)
            for chain, said in zip(chains, ask(chains), strict=True):
                chain.add(said if said.text not in chain.asked else NOTHING)
                chain.asked.append(said.text)
            chains = _open(chains)
            for chain, said in zip(chains, answer(chains), strict=True):
                chain.add(said)
                if chain.stop is None and asks_for_answer(chain.asked[-1], chain.problem):
                    chain.stop = StopReason.END_OF_TEXT

    return grow


def alone(speak: Speak) -> Grow:
    """One model writes whole chains."""

    def grow(chains: Sequence[Chain]) -> None:
        for chain, said in zip(chains, speak(chains), strict=True):
            chain.add(said)
            chain.stop = chain.stop or StopReason.END_OF_TEXT

    return grow


def by_chains(policy: Policy, grow: Grow, *, n: int, temperature: float, seed: int) -> Write:
    """`n` chains per problem, in ids of `policy`; the program of each is the one that its answer stands for."""

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        chains = [
            [Chain(problem, rollout_seed(seed, round_number, problem.id, i)) for i in range(n)] for problem in problems
        ]
        grow([chain for group in chains for chain in group])
        for problem, group in zip(problems, chains, strict=True):
            yield ungraded(problem, [_rollout(policy, chain, temperature) for chain in group])

    return write


def by_own_chain(policy: Policy, text_of: Callable[[Problem], str]) -> Write:
    """The chain that a problem brings, to be graded as any other."""
    return lambda problems, round_number: (
        ungraded(problem, [lesson(policy, problem, "", text_of(problem))]) for problem in problems
    )


def lesson(policy: Policy, problem: Problem, before: str, text: str) -> Rollout:
    """A text to imitate behind the problem and a chain so far, ended by the end of text."""
    prompt = socratic(problem, before)
    return written(policy, prompt, policy.encode(prompt.text), text, program_of(before + text, problem))


def _open(chains: Sequence[Chain]) -> list[Chain]:
    return [chain for chain in chains if chain.stop is None]


def _question(policy: Policy, author: str, questions: Sequence[str], place: int) -> Said:
    """A question that was known before; its ids were not sampled as they stand here, so nobody learns them."""
    if place >= len(questions):
        return NOTHING
    return Said(questions[place], (Segment(policy.encode(questions[place]), author, learn=False),), whole=True)


def _rollout(policy: Policy, chain: Chain, temperature: float) -> Rollout:
    prompt = socratic(chain.problem)
    return Rollout(
        prompt=prompt,
        prompt_ids=policy.encode(prompt.text),
        segments=tuple(chain.segments),
        text=chain.text,
        program=program_of(chain.text, chain.problem),
        stop=chain.stop or StopReason.LENGTH,
        temperature=temperature,
        seed=chain.seed,
    )
