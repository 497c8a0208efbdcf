"""Critic sampling for one request: the search runs in a thread, its writers on the engines, its programs on the grader.

Whoever leaves cancels all three: the engine lets go of the rows, the grader of the programs.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from critics.candidates import SamplingResult
from critics.sampling import Cut, Drop, SamplingSettings, Writer, critic_sampling
from envs.errors import UserError
from envs.grading import Grader, GradeRequest
from envs.problem import Interface, Problem, problem_from_row
from envs.prompts import plain
from envs.rollout import Prompt, StopReason
from envs.verdict import Verdict
from rl.decode import Completion
from rl.models import positions
from rl.serve.engine import Ask, ClosedError, Engine
from rl.serve.errors import bad_request, printable, shutting_down
from rl.serve.progress import Progress, Say
from rl.serve.schemas import SearchOptions
from rl.serve.service import Service, failure
from rl.write import continuing

LARGEST_TESTS = 2**16
"""Bytes of all example tests of a problem, as JSON."""
DEEPEST_TEST = 50
"""Lists within lists that an example test may hold: far less than what Python's own recursion bears."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for, and how."""

    problem: Problem
    """With its example tests; nobody here knows hidden ones."""
    prompt: Prompt
    """How the policy is asked."""
    settings: SamplingSettings
    """How the budget is spent."""
    temperature: float
    """Sampling temperature."""
    repair: bool
    """Whether failed programs are repaired."""


class LeftError(Exception):
    """Nobody waits for this any more."""


class Errand:
    """Work in another thread, for somebody who may leave."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = False
        self._cancels: list[Callable[[], object]] = []

    def cancel(self) -> None:
        """Nobody waits any more: what is under way is cancelled, and the next `under_way` raises."""
        with self._lock:
            self._left = True
            cancels = list(self._cancels)
        for cancel in cancels:
            cancel()

    @contextlib.contextmanager
    def under_way(self, cancel: Callable[[], object]) -> Iterator[None]:
        """Around something that `cancel` ends. Raises LeftError where nobody waits, before or after it."""
        with self._lock:
            if self._left:
                raise LeftError
            self._cancels.append(cancel)
        try:
            yield
        finally:
            with self._lock:
                self._cancels.remove(cancel)
        if self._left:
            raise LeftError


def planned(
    service: Service,
    options: SearchOptions,
    *,
    statement: str,
    prompt: Prompt | None,
    wanted: int | None,
    temperature: float,
    seed: int,
) -> Search:
    """A search as a request asks for it; without a `prompt` the policy is asked as it was in training.

    Raises ApiError for what this server does not have or give, and for tests that are none.
    """
    if service.critic is None or service.grader is None:
        raise bad_request("critic: this server has no critic; it is started with --critic FOLDER", "critic")
    shares = service.shares
    problem = _problem(service, options, statement)
    asked = prompt or plain(problem)
    prompt_ids = service.policy.encode(asked.text)
    if not prompt_ids:
        raise bad_request("critic: expected a prompt that is not empty", "prompt")
    longest = min(service.longest(prompt_ids, wanted), (positions(service.critic.backbone) or 2**31) - len(prompt_ids))
    budget = options.budget or min(options.n * longest, shares.max_budget)
    for name, value, most in (("n", options.n, shares.max_rows), ("budget", budget, shares.max_budget)):
        if value > most:
            raise bad_request(f"{name}: expected at most {most}; got {value}", name)
    try:
        settings = SamplingSettings(
            budget=budget,
            max_new_tokens=min(longest, budget),
            n=options.n,
            rounds=options.rounds,
            refine=options.refine,
            keep=options.keep,
            cut=Cut(options.cut),
            drop=Drop(options.drop),
            seed=seed,
        )
    except UserError as error:
        raise bad_request(str(error)) from None
    return Search(problem, asked, settings, temperature, options.repair and service.repair_engine is not None)


def search(service: Service, wanted: Search, errand: Errand, say: Say) -> SamplingResult:
    """Run a search to its end. Raises LeftError once the errand is cancelled, ApiError where we fail or end."""
    assert service.critic is not None
    assert service.grader is not None
    write = _writer(service.engine, "policy", wanted, errand)
    mend = _writer(service.repair_engine, "repair", wanted, errand) if service.repair_engine and wanted.repair else None
    progress = Progress(service.metrics, say)
    (found,) = critic_sampling(
        [wanted.problem],
        wanted.settings,
        write=progress.writing("write", write),
        critic=service.critic,
        grade=progress.grading(partial(_grade, service.grader, errand)),
        write_repair=None if mend is None else progress.writing("repair", mend),
        ask=lambda _: wanted.prompt,
        tell=progress.tell,
    )
    service.metrics.generated_tokens.inc(found.ledger.tokens)
    for move, spent in found.ledger.spent.items():
        service.metrics.candidates.labels(str(move)).inc(spent.programs)
    return found


def _writer(engine: Engine, author: str, wanted: Search, errand: Errand) -> Writer:
    """A writer for critic sampling whose programs are rows of an engine's batch."""

    def sample(
        model: object,
        prompts_P: Sequence[tuple[int, ...]],
        seeds_PG: Sequence[tuple[int, ...]],
        *,
        temperature: float,
        max_new_tokens: int,
        written_P: Sequence[tuple[int, ...]],
        **_: Any,
    ) -> list[list[Completion]]:
        asks = [
            Ask(prompt + written, seeds, max_new_tokens - len(written), temperature)
            for prompt, seeds, written in zip(prompts_P, seeds_PG, written_P, strict=True)
        ]
        done = threading.Event()
        try:
            work = engine.submit(asks, done.set)
        except ClosedError as error:
            raise failure(error) from None
        with errand.under_way(work.cancel):
            done.wait()
        if work.error is not None:
            raise failure(work.error)
        return [
            [Completion(tuple(row.ids), tuple(row.log_probs), row.stop or StopReason.LENGTH) for row in rows]
            for rows in work.rows
        ]

    together = wanted.settings.n * engine.max_rows
    return continuing(engine.policy, temperature=wanted.temperature, author=author, rows=together, sampler=sample)


def _grade(grader: Grader, errand: Errand, requests: Iterable[GradeRequest]) -> list[Verdict]:
    """Verdicts of programs, which are given up when the errand is."""
    futures: list[Future[Verdict]] = []
    try:
        for request in requests:
            with errand.under_way(lambda: grader.cancel(futures)):
                futures.append(grader.submit(request))
        with errand.under_way(lambda: grader.cancel(futures)):
            return [future.result() for future in futures]
    except CancelledError:  # the errand was cancelled, or the grader is closed
        raise shutting_down() from None


def _problem(service: Service, options: SearchOptions, statement: str) -> Problem:
    shares, limits = service.shares, options.limits
    if len(options.example_tests) > shares.max_tests:
        raise bad_request(
            f"example_tests: expected at most {shares.max_tests}; got {len(options.example_tests)}", "example_tests"
        )
    _check_tests(options.example_tests)
    for name, value, most in (
        ("limits.cpu_s", limits.cpu_s, shares.max_cpu_s),
        ("limits.memory_mb", limits.memory_mb, shares.max_memory_mb),
    ):
        if value is not None and value > most:
            raise bad_request(f"{name}: expected at most {most}; got {value}", name)
    row = {
        "id": "request",
        "statement": statement,
        "interface": options.interface or _interface(options),
        "entry_point": options.entry_point,
        "starter_code": options.starter_code,
        "example_tests": options.example_tests,
        "tolerance": options.tolerance,
        "limits": {name: value for name in ("cpu_s", "memory_mb") if (value := getattr(limits, name)) is not None},
    }
    try:
        return problem_from_row(row, needs_hidden_tests=False)
    except ValueError as error:
        raise bad_request(printable(str(error), 500)) from None


def _check_tests(tests: Sequence[Any]) -> None:
    """Raise ApiError for tests that are too deep, too large or no text: others would have to bear them."""
    if _depth(tests) > DEEPEST_TEST:
        raise bad_request(f"example_tests: expected lists within lists {DEEPEST_TEST} deep at most", "example_tests")
    try:
        size = len(json.dumps(tests, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        raise bad_request("example_tests: expected texts of whole characters", "example_tests") from None
    if size > LARGEST_TESTS:
        raise bad_request(f"example_tests: expected at most {LARGEST_TESTS} bytes; got {size}", "example_tests")


def _depth(value: object) -> int:
    """How deep lists and objects lie in each other."""
    depth, level = 0, [value]
    while level := [inner for one in level if isinstance(one, list | dict) for inner in _parts(one)]:
        depth += 1
    return depth


def _parts(value: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _interface(options: SearchOptions) -> Interface:
    """How the tests call the program, by what they look like."""
    first = options.example_tests[0] if options.example_tests else None
    if isinstance(first, str):
        return Interface.ASSERT
    has_texts = first is None or (isinstance(first, dict) and isinstance(first.get("input"), str))
    return Interface.STDIO if has_texts and options.entry_point is None else Interface.FUNCTION
