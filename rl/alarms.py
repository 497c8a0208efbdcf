"""Alarms: what is wrong with a run, told from the lines of its metrics alone.

A run that goes on hands the lines that it kept to `observe` again and is in the state that it was in. Shares are means
over the last 3 lines that have them. An alarm is raised once, and again only after 10 looks without its cause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envs.verdict import Outcome

AVERAGED = 3
"""Lines that a share is the mean over: one small round says little."""
WINDOW = 3
"""Evaluations whose mean pass rate is compared with that of others: one of a hundred programs is uncertain by 5 %."""
QUIET = 10
"""Looks without a cause after which an alarm may be raised again."""
OFF = 0
"""The threshold that switches an alarm off."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a run found wrong with itself."""

    phase: str
    """Phase in which it was raised."""
    round: int
    """Round, from 0."""
    name: str
    """Kind of alarm: the key of its threshold in the config."""
    message: str
    """What was seen, and what to do."""

    def line(self) -> dict[str, Any]:
        """The alarm as a line of metrics.jsonl."""
        return {"phase": self.phase, "round": self.round, "alarm": self.name, "message": self.message}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When an alarm is raised; 0 switches it off."""

    equal_rewards: int
    """Rounds running in which no group had unequal rewards."""
    sandbox_errors: float
    """Share of programs that could not be judged."""
    truncated: float
    """Share of completions cut at the length limit."""
    duplicates: float
    """Share of programs that equal another of their group."""
    overfit: float
    """Share of programs that pass the example tests and fail the hidden ones."""
    reward_rise: float
    """Rise of the mean reward that the dev pass rate must follow."""


REMEDIES: Mapping[str, str] = {
    "sandbox_errors": "of the programs could not be judged; they teach nothing: see `rl-train doctor`",
    "truncated": "of the completions were cut at the length limit, where hardly any can pass: raise "
    "sampling.max_new_tokens or set sampling.stop",
    "duplicates": "of the programs repeat another of their problem, so little is explored: raise sampling.temperature "
    "or reinforce.entropy_weight, or lower sampling.n",
    "overfit": "of the programs pass the example tests and fail the hidden ones: the examples are being learned by "
    "heart; look at such programs with `rl-train report`",
}
"""What a share that is too large means, and what to do."""


class Alarms:
    """Watches the lines of a run's metrics, phase by phase."""

    def __init__(self, thresholds: Thresholds) -> None:
        """Begin with nothing seen."""
        self.thresholds = thresholds
        self._phases: dict[str, _PhaseWatch] = {}

    def observe(self, record: Mapping[str, Any]) -> list[Alarm]:
        """The alarms that one line of metrics raises; lines are observed in the order in which they were written."""
        if "alarm" in record:
            return []
        phase = self._phases.setdefault(record["phase"], _PhaseWatch(self.thresholds))
        return [Alarm(record["phase"], record["round"], name, message) for name, message in phase.raised(record)]


@dataclass(slots=True)
class _PhaseWatch:
    """What is remembered of one phase."""

    thresholds: Thresholds
    equal_rounds: int = 0
    """Rounds running without unequal rewards."""
    shares: dict[str, deque[float]] = field(default_factory=dict)
    """The last values of each share."""
    rewards: list[float] = field(default_factory=list)
    """Mean reward of the rounds since the last evaluation."""
    evaluations: list[tuple[float, float]] = field(default_factory=list)
    """(dev pass rate, mean reward of the rounds before it) of every evaluation."""
    looks_since: dict[str, int] = field(default_factory=dict)
    """Looks since an alarm last had a cause."""

    def raised(self, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(name, message) of each alarm that begins with this line."""
        for name, message in self._looks(record):
            if message is None:
                self.looks_since[name] = self.looks_since.get(name, QUIET) + 1
                continue
            if self.looks_since.get(name, QUIET) >= QUIET:
                yield name, message
            self.looks_since[name] = 0

    def _looks(self, record: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
        """(name, what is wrong) of each alarm that this line has something to say about."""
        if "reward" in record:
            self.rewards.append(record["reward"])
        if "equal_rewards" in record and self.thresholds.equal_rewards != OFF:
            yield "equal_rewards", self._equal_rewards(record)
        for name in REMEDIES:
            share = _share(name, record)
            threshold = getattr(self.thresholds, name)
            if share is not None and threshold != OFF:
                yield name, self._too_large(name, share, threshold)
        if "dev_pass_rate" in record and self.rewards and self.thresholds.reward_rise != OFF:
            self.evaluations.append((record["dev_pass_rate"], _mean(self.rewards)))
            self.rewards = []
            yield "reward_rise", unfollowed_rise(self.evaluations, self.thresholds.reward_rise)

    def _equal_rewards(self, record: Mapping[str, Any]) -> str | None:
        self.equal_rounds = self.equal_rounds + 1 if record["equal_rewards"] == 1 else 0
        if self.equal_rounds < self.thresholds.equal_rewards:
            return None
        return (
            f"all programs of every problem got one reward for {self.equal_rounds} rounds running (mean "
            f"{record['reward']:.3g}): nothing is learned; problems may be too hard or too easy (reinforce.curriculum, "
            f"data.train), or the tests do not tell programs apart (`rl-train audit problems`)"
        )

    def _too_large(self, name: str, share: float, threshold: float) -> str | None:
        last = self.shares.setdefault(name, deque(maxlen=AVERAGED))
        last.append(share)
        if len(last) < AVERAGED or _mean(last) <= threshold:
            return None
        return f"{_mean(last):.1%} {REMEDIES[name]} (alarms.{name} = {threshold:g})"


def unfollowed_rise(evaluations: Sequence[tuple[float, float]], rise: float) -> str | None:
    """Whether the reward rose while the dev pass rate did not: in words, or None.

    `evaluations` are (dev pass rate, mean reward of the rounds before it), oldest first. The mean over the last 3 is
    compared with that of the 3 before them or earlier whose mean pass rate was best: the reward has risen by `rise` or
    more since then, and the pass rate has not risen at all.
    """
    ends = range(WINDOW, len(evaluations) + 1)
    windows = [tuple(map(_mean, zip(*evaluations[end - WINDOW : end], strict=True))) for end in ends]
    earlier = windows[:-WINDOW]
    if not earlier:
        return None
    (best_rate, reward_then), (rate_now, reward_now) = max(earlier, key=lambda window: window[0]), windows[-1]
    if rate_now > best_rate or reward_now - reward_then < rise:
        return None
    return (
        f"the mean reward rose from {reward_then:.3g} to {reward_now:.3g} while the dev pass rate went from "
        f"{best_rate:.1%} to {rate_now:.1%}: what is rewarded is not what is wanted, or the train problems are learned "
        f"by heart; checkpoints/best holds the policy of the best evaluation (alarms.reward_rise = {rise:g})"
    )


def _share(name: str, record: Mapping[str, Any]) -> float | None:
    """A share of a round's programs; that of sandbox errors is a count among the outcomes."""
    if name != "sandbox_errors":
        value: float | None = record.get(name)
        return value
    outcomes = record.get("outcomes")
    return outcomes.get(str(Outcome.SANDBOX_ERROR), 0) / sum(outcomes.values()) if outcomes else None


def _mean(values: Sequence[float] | deque[float]) -> float:
    return sum(values) / len(values)
