"""What each figure of a run is called, how it is written, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from envs.verdict import Outcome


@dataclass(frozen=True, slots=True)
class Unit:
    """How the values of an axis are written."""

    name: str
    """Label of the axis."""
    write: Callable[[float], str]
    """A value as text."""
    from_zero: bool = True
    """Whether the axis must show 0, so that heights can be compared."""
    highest: float | None = None
    """Largest value that there can be."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of a run."""

    label: str
    """Its name for people."""
    unit: Unit
    """How it is written."""
    meaning: str
    """One sentence for the glossary."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart: metrics that share an axis."""

    title: str
    """Heading."""
    metrics: tuple[str, ...]
    """Keys of metrics.jsonl, in the order of the legend."""


def percent(share: float) -> str:
    """0.253 -> 25.3%."""
    return f"{share:.1%}"


def number(value: float) -> str:
    """Three significant digits; thousands in full, with a true minus sign."""
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}").replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds as a person says them, on one line."""
    if seconds < 60:
        words = f"{seconds:.0f} s" if seconds >= 10 else f"{number(seconds)} s"
    else:
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        words = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
    return words.replace(" ", "\u00a0")


SHARE_OF_PROGRAMS = Unit("share of programs", percent, highest=1.0)
SHARE_OF_GROUPS = Unit("share of groups", percent, highest=1.0)
SHARE = Unit("share", percent, highest=1.0)
TOKENS = Unit("tokens", number)
SECONDS = Unit("seconds per round", duration)
PLAIN = Unit("value", number, from_zero=False)
REWARD = Unit("mean reward", number, from_zero=False)
LOSS = Unit("loss", number, from_zero=False)
NORM = Unit("norm", number)

METRICS = MappingProxyType(
    {
        "pass_rate": Metric(
            "hidden tests", SHARE_OF_PROGRAMS, "Share of a round's programs that passed every hidden test."
        ),
        "example_pass_rate": Metric(
            "example tests",
            SHARE_OF_PROGRAMS,
            "Share that passed every example test, which the prompt shows; measured on some rounds.",
        ),
        "dev_pass_rate": Metric(
            "dev problems", SHARE_OF_PROGRAMS, "pass@1 on development problems, which are never trained on."
        ),
        "overfit": Metric(
            "examples only",
            SHARE_OF_PROGRAMS,
            "Share that passed the example tests and failed the hidden ones. A rise means that the tests, not the "
            "problems, are being learned.",
        ),
        "reward": Metric("reward", REWARD, "Mean of what the verdicts were worth to the learner."),
        "no_signal": Metric(
            "without signal",
            SHARE_OF_GROUPS,
            "Share of groups whose programs all passed or all failed: comparing them teaches nothing.",
        ),
        "duplicates": Metric(
            "duplicates", SHARE_OF_PROGRAMS, "Share of programs that repeat another one of their group."
        ),
        "in_form": Metric(
            "in form", SHARE_OF_PROGRAMS, "Share of answers in words that end as their form asks for, right or wrong."
        ),
        "step_accuracy": Metric(
            "steps that hold", SHARE, "Share of the equations stated by answers in words that hold."
        ),
        "tokens": Metric("mean length", TOKENS, "Mean length of a completion."),
        "truncated": Metric(
            "truncated", SHARE_OF_PROGRAMS, "Share of completions cut at the length limit; hardly any of them can pass."
        ),
        "grad_norm": Metric("gradient norm", NORM, "Norm of the gradient at the round's last step, before clipping."),
        "learning_rate": Metric("learning rate", Unit("rate", number), "The optimizer's learning rate in the round."),
        "rollouts": Metric("rollouts", Unit("programs", number), "Programs written in a round."),
    }
)
"""Metrics with words of their own, by their key; `no_signal` is 1 - `signal`."""

PANELS = (
    Panel("Pass rate", ("pass_rate", "example_pass_rate", "dev_pass_rate")),
    Panel("Reward", ("reward",)),
    Panel("Passing the examples only", ("overfit",)),
    Panel("Groups without signal", ("no_signal",)),
    Panel("Duplicate programs", ("duplicates",)),
    Panel("Completion length", ("tokens",)),
    Panel("Truncated completions", ("truncated",)),
)
"""Charts of a phase, in order; `loss/...`, `grad_norm` and metrics that are not named here follow, one chart each."""

NOT_CHARTED = frozenset({"rollouts", "signal"})
"""Metrics that need no chart: constant, or shown another way."""

STAGES = MappingProxyType(
    {
        "write_s": ("writing", "The policy samples programs."),
        "collect_s": ("writing and grading", "The policy samples programs and waits for their verdicts."),
        "wait_s": ("waiting for verdicts", "The learner is idle: graders are still running programs."),
        "judge_s": ("judging", "Critic values, log-probs of other models, and credit."),
        "learn_s": ("learning", "Forward and backward passes, optimizer steps."),
        "after_s": ("co-learners", "Steps of critics, value heads and the like."),
        "store_s": ("storing", "Rollouts go to the experience store."),
        "other_s": ("other", "Co-learners, the store, and what else there is."),
        "evaluate_s": ("evaluating", "pass@1 on the development problems."),
        "save_s": ("saving", "Checkpoints."),
    }
)
"""Stages of a round by their key in timings.jsonl: (label, meaning), in the order in which they are stacked."""

IDLE = "wait_s"
"""The stage in which the learner has nothing to do."""

OUTCOMES = MappingProxyType(
    {
        str(Outcome.PASSED): "Every hidden test passed.",
        str(Outcome.WRONG_ANSWER): "A test gave another value than expected.",
        str(Outcome.COMPILE_ERROR): "The program is no Python.",
        str(Outcome.RUNTIME_ERROR): "The program raised an exception.",
        str(Outcome.TIMEOUT): "The program used up its CPU time.",
        str(Outcome.MEMORY_LIMIT): "The program wanted more memory than allowed.",
        str(Outcome.OUTPUT_LIMIT): "The program printed or returned too much.",
        str(Outcome.SANDBOX_ERROR): "The grader could not tell; masked, never a reward.",
    }
)
"""How a program can end, by the name of the Outcome, in the order in which outcomes are stacked."""


def metric(key: str) -> Metric:
    """Words for any key of metrics.jsonl."""
    if key in METRICS:
        return METRICS[key]
    if key.startswith("loss/"):
        name = plain_words(key.removeprefix("loss/"))
        return Metric(f"{name} loss", LOSS, f"Value of the {name} term at the round's last optimizer step.")
    return Metric(plain_words(key), PLAIN, f"`{key}` of metrics.jsonl.")


def stage(key: str) -> str:
    """Name of a stage of timings.jsonl."""
    return STAGES[key][0] if key in STAGES else plain_words(key.removesuffix("_s"))


def plain_words(key: str) -> str:
    """`wrong_answer` -> `wrong answer`."""
    return key.replace("_", " ").replace("/", ", ")
