"""What happened when a program ran: the Outcome of each test and the Verdict over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """End state of a program under its tests. The first failing test in order decides."""

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    COMPILE_ERROR = "compile_error"
    RUNTIME_ERROR = "runtime_error"
    TIMEOUT = "timeout"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    SANDBOX_ERROR = "sandbox_error"
    """We could not tell. Never a reward, never a zero: such a rollout is masked and counted."""


class Integrity(StrEnum):
    """How far the program was from what decides about it."""

    ISOLATED = "isolated"
    """Only inputs entered the child; its values were compared outside."""
    REMOTE_CALL = "remote_call"
    """The test ran in one jailed process and called the program in another."""
    IN_PROCESS = "in_process"
    """Test and program shared an interpreter: not fit for rewards."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The first failing example test, for a person or a repair model. Never made from a hidden test."""

    index: int
    """Position of the test in its list."""
    given: str
    """The input, shortened."""
    expected: str
    """The expected value or text, shortened."""
    got: str
    """What the program gave instead, shortened."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement over one program on one list of tests."""

    outcome: Outcome
    """passed, or the outcome of the first failing test."""
    n_passed: int
    """Tests that passed."""
    n_tests: int
    """Tests there were."""
    outcomes: tuple[Outcome | None, ...] = ()
    """Outcome per test; None for a test that was not reached."""
    first_failure: Failure | None = None
    """Details of the first failure; example tests only."""
    error_type: str | None = None
    """Exception class of a compile or runtime error, such as `IndexError`."""
    error_line: int | None = None
    """Line of the program where that exception arose, from 1."""
    cpu_s: float = 0.0
    """CPU seconds of the program."""
    wall_s: float = 0.0
    """Wall-clock seconds of the program."""
    peak_memory_mb: float = 0.0
    """Largest resident memory, in MiB."""
    integrity: Integrity = Integrity.ISOLATED
    """How far the program was from the judge."""
    level: str = ""
    """Isolation level under which it ran: L1, L2 or L3."""
    reason: str | None = None
    """Why we could not tell, for a sandbox_error."""

    @property
    def passed(self) -> bool:
        """Whether every test passed."""
        return self.outcome is Outcome.PASSED


@dataclass(frozen=True, slots=True)
class Feedback:
    """How a program fared on the example tests of its problem: all that a model or a search may know of tests."""

    outcome: Outcome
    """passed, or the outcome of the first failing example."""
    error_type: str | None = None
    """Exception class of a compile or runtime error."""
    error_line: int | None = None
    """Line of the program where it arose, from 1."""
    failure: Failure | None = None
    """The first failing example: what went in, what was expected, what came out."""

    @property
    def passed(self) -> bool | None:
        """Whether every example passed; None where we could not tell."""
        return None if self.outcome is Outcome.SANDBOX_ERROR else self.outcome is Outcome.PASSED
