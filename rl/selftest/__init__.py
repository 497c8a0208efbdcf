"""Selftest: is the arithmetic of training right on this machine, with this model, at this temperature?

Every check is a function that takes the parts under test as arguments and returns the largest error it saw. A user runs
them with `rl-train selftest`; tests hand in a part with a planted bug and see which check names it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from rl.batch import collate
from rl.config import RunConfig
from rl.credit import ADVANTAGES, Advantage
from rl.decode import sample
from rl.learner import policy_learner
from rl.losses import Term, term_loss
from rl.models import load_policy
from rl.selftest import learner, processes, terms
from rl.selftest.learner import Draw
from rl.selftest.rows import MakeLearner, spread, tiny_policy, with_dropout
from rl.selftest.terms import TERMS, Collate, Reduce


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far two ways to compute the same thing may lie apart."""

    log_prob: float
    """Largest difference of one token's log-prob, in nats; to first order also of its ratio from 1."""
    gradient: float
    """Norm of the difference of two gradients over the norm of one."""


TOLERANCES = {
    # Unit roundoff 6e-8. Sums of some thousand products in another order come out 1e-6 apart in a small model, 1e-4
    # after the layers of a large one. The bugs that the tests plant move more than 0.3.
    torch.float32: Tolerance(log_prob=1e-3, gradient=1e-3),
    # Unit roundoff 4e-3. Some ten roundings per layer add up like a random walk, to a few per cent.
    torch.bfloat16: Tolerance(log_prob=0.2, gradient=0.15),
}
"""By the dtype of the weights."""
FINITE_DIFFERENCES = 1e-6
"""In float64, a step of 1e-5 errs by about 1e-10 (curvature) and 1e-11 (rounding); gradients are about 0.1."""
EXACT = 0.0
"""Masks and zeros are counted, not rounded."""


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found."""

    name: str
    """As it is printed."""
    passed: bool
    """Whether the error lies within the bound."""
    measured: float
    """Largest error seen; infinite where the check could not be finished."""
    bound: float
    """Largest error allowed."""
    seconds: float
    """Wall time."""
    what: str
    """What is compared with what."""
    note: str = ""
    """Why the check could not be finished."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is tested; the defaults are what training uses."""

    make_learner: MakeLearner = policy_learner
    """Builds the learner of a policy; a function at the top of a module, which two processes import."""
    draw: Draw = sample
    """Samples completions."""
    collate: Collate = collate
    """Turns groups into tensors."""
    terms: tuple[Term, ...] = TERMS
    """Objective terms."""
    reduce: Reduce = term_loss
    """Losses of tokens to one number."""
    advantages: Mapping[str, Advantage] = field(default_factory=lambda: ADVANTAGES)
    """Advantages over a group, by name."""


def run_selftest(config: RunConfig | None = None, parts: Parts | None = None, skip: Container[str] = ()) -> list[Check]:
    """Run every check whose name is not in `skip`, with the config's model and temperature or with a tiny model.

    Raises UserError where the model cannot be loaded. An exception within a check fails it and becomes its note.
    """
    parts = parts or Parts()
    policy, temperatures = tiny_policy(), [0.7, 1.0, 1.5]
    if config is not None:
        policy = load_policy(config.model.name, ["def f(x):\n    return x\n"], config.seed)
        temperatures = sorted({*temperatures, config.sampling.temperature})
        if config.model.name.startswith("scratch:"):
            spread(policy.model)
    model, make = policy.model, parts.make_learner
    near, single, half = (TOLERANCES[dtype] for dtype in (model.dtype, torch.float32, torch.bfloat16))
    found: list[Check] = []

    def check(bound: float, measure: Callable[..., float], *given: object) -> None:
        if _name(measure) not in skip:
            found.append(run_check(bound, measure, *given))

    check(near.gradient, learner.micro_batches, model, make)
    check(near.gradient, learner.padding, model, make)
    check(near.gradient, learner.order, model, make)
    check(near.gradient, learner.shared_prompts, model, make)
    check(half.gradient, learner.bfloat16, model, make)
    check(single.gradient, processes.ranks, make)
    check(near.log_prob, learner.first_step, (model, with_dropout()), temperatures, make)
    check(near.log_prob, learner.sampler, policy, temperatures, make, parts.draw)
    check(FINITE_DIFFERENCES, terms.finite_differences, parts.terms, parts.reduce)
    check(EXACT, terms.outside_the_mask, parts.terms, parts.reduce)
    check(EXACT, terms.end_of_text, parts.collate)
    check(EXACT, terms.mask_by_length, parts.collate)
    check(EXACT, terms.equal_rewards, parts.advantages)
    return found


def run_check(bound: float, measure: Callable[..., float], *given: object) -> Check:
    """Measure one error and compare it with its bound; the check is called as its function is."""
    started = time.perf_counter()
    try:
        measured, note = measure(*given), ""
    except Exception as error:  # a check that breaks is a check that fails: it is named, and the others still run
        measured, note = math.inf, f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - started
    return Check(_name(measure), measured <= bound, measured, bound, seconds, measure.__doc__ or "", note)


def _name(measure: Callable[..., float]) -> str:
    return measure.__name__.replace("_", " ")


def render(checks: Sequence[Check]) -> str:
    """One line per check, and a last one with the names of those that failed."""
    width = max((len(check.name) for check in checks), default=0)
    lines = [
        f"{'ok    ' if check.passed else 'FAILED'}  {check.name:{width}}  error {check.measured:<7.2g} of at most"
        f" {check.bound:<6.2g} {check.seconds:5.1f} s  {check.what}" + (f"\n        {check.note}" if check.note else "")
        for check in checks
    ]
    failed = [check.name for check in checks if not check.passed]
    return "\n".join([*lines, f"failed: {', '.join(failed)}" if failed else f"all {len(checks)} checks passed"])


def exit_code(checks: Sequence[Check]) -> int:
    """0 if every check passed, otherwise 1."""
    return int(any(not check.passed for check in checks))
