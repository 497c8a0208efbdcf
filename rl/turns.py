"""Turns: a program that fails an example test is written again, with what was found in sight.

Whoever writes learns of example tests only (RLEF, arXiv 2410.02089). Each turn is a rollout of its own, asked by the
repair prompt that critic sampling uses, which shows the last program and not those before it. So one model serves
training and critic sampling, every program of every turn is graded and stored as any other, what the environment says
is prompt and never learned, and contexts do not grow with the turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from critics.sampling import Request, Writer
from envs.feedback import GradeAll, by_examples
from envs.problem import Problem
from envs.prompts import plain, repair
from envs.rollout import Group, Prompt, Rollout
from envs.verdict import Feedback
from rl.write import Write, rollout_seed, ungraded

Again = Callable[[Problem, str, Feedback], Prompt]
"""(problem, program that fails an example test, what was found) -> how another one is asked for."""
Keep = Callable[[Sequence[Rollout]], Sequence[Rollout]]
"""The programs of an attempt, turn by turn -> those that are wanted."""


def every_turn(attempt: Sequence[Rollout]) -> Sequence[Rollout]:
    """All programs."""
    return attempt


def last_turn(attempt: Sequence[Rollout]) -> Sequence[Rollout]:
    """The program that an attempt ends with."""
    return attempt[-1:]


def later_turns(attempt: Sequence[Rollout]) -> Sequence[Rollout]:
    """The programs that were written because one before them failed."""
    return attempt[1:]


def afresh(problem: Problem, program: str, feedback: Feedback) -> Prompt:
    """Ask as if nothing had been written: the control of `repair`."""
    return plain(problem)


def in_turns(
    first: Write,
    again: Writer,
    *,
    turns: int,
    grade: GradeAll,
    max_new_tokens: int,
    ask: Again = repair,
    keep: Keep = every_turn,
    fits: Callable[[Prompt], bool] = lambda prompt: True,
) -> Write:
    """`first` writes; then `again` writes what fails an example test, up to `turns` programs per attempt.

    An attempt ends where all example tests pass, where nobody can tell (no example tests, a sandbox error) and where
    the next prompt does not fit. Groups hold attempts one after another, the turns of each in order. Random numbers
    follow from the seed of the first program, so that what is written depends on nothing but problems, round and
    models.
    """

    def write(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
        groups = [(group.problem, [[rollout] for rollout in group.rollouts]) for group in first(problems, round_number)]
        open_now = [(problem, attempt) for problem, attempts in groups for attempt in attempts]
        for turn in range(1, turns):
            requests, open_now = _next(open_now, turn)
            for (_, attempt), (rollout,) in zip(open_now, again(requests, max_new_tokens), strict=True):
                attempt.append(replace(rollout, policy_version=attempt[0].policy_version))
        for problem, attempts in groups:
            yield ungraded(problem, [rollout for attempt in attempts for rollout in keep(attempt)])

    def _next(
        attempts: Sequence[tuple[Problem, list[Rollout]]], turn: int
    ) -> tuple[list[Request], list[tuple[Problem, list[Rollout]]]]:
        """Requests for what is written again, and the attempts that they go on with."""
        feedbacks = by_examples([(problem, attempt[-1].program) for problem, attempt in attempts], grade)
        requests, going_on = [], []
        for (problem, attempt), feedback in zip(attempts, feedbacks, strict=True):
            if feedback is None or feedback.passed is not False:
                continue
            prompt = ask(problem, attempt[-1].program, feedback)
            if fits(prompt):
                seed = rollout_seed(attempt[0].seed, turn, problem.id, 0)
                requests.append(Request(problem, prompt, (seed,)))
                going_on.append((problem, attempt))
        return requests, going_on

    return write
