"""Rewards: one number for one Verdict. A sandbox_error has none, and asking for it raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from envs.verdict import Outcome, Verdict

CODERL_RETURNS: Mapping[Outcome, float] = MappingProxyType(
    {
        Outcome.COMPILE_ERROR: -1.0,
        Outcome.RUNTIME_ERROR: -0.6,
        Outcome.TIMEOUT: -0.6,
        Outcome.MEMORY_LIMIT: -0.6,
        Outcome.OUTPUT_LIMIT: -0.6,
        Outcome.WRONG_ANSWER: -0.3,
        Outcome.PASSED: 1.0,
    }
)
"""Return of each outcome in CodeRL (arXiv 2207.01780, eq. 4); a sandbox_error has none."""


def binary(verdict: Verdict) -> float:
    """1.0 where every test passed, otherwise 0.0."""
    _refuse_sandbox_error(verdict)
    return 1.0 if verdict.passed else 0.0


def fraction_passed(verdict: Verdict) -> float:
    """Share of the tests that passed, in [0, 1]."""
    _refuse_sandbox_error(verdict)
    return verdict.n_passed / verdict.n_tests


def four_level(verdict: Verdict) -> float:
    """CodeRL's return of the outcome: -1.0, -0.6, -0.3 or 1.0."""
    _refuse_sandbox_error(verdict)
    return CODERL_RETURNS[verdict.outcome]


REWARDS: Mapping[str, Callable[[Verdict], float]] = MappingProxyType(
    {"binary": binary, "fraction_passed": fraction_passed, "four_level": four_level}
)
"""Reward functions by the name that a config gives."""


def _refuse_sandbox_error(verdict: Verdict) -> None:
    if verdict.outcome is Outcome.SANDBOX_ERROR:
        raise ValueError(f"a sandbox_error has no reward; mask the rollout instead ({verdict.reason})")
