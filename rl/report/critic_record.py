"""Read what a run knows of its critic: its calibration, and its values along a few programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from critics.calibration import FRACTIONS, Bin, Calibration, Scores
from rl.critic_tokens import ReadProgram, Token
from rl.report.files import read_object
from rl.run import CALIBRATION, CRITIC_TOKENS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CriticRecord:
    """What a run knows of its critic, as it was fitted before reinforcement."""

    calibration: Calibration | None
    """How far it can be trusted; None where that cannot be read."""
    programs: tuple[ReadProgram, ...] | None
    """Programs with its values; None where they cannot be read."""


def read_critic(folder: Path, notes: list[str]) -> CriticRecord | None:
    """The critic's part of a run folder; None where it has no critic. What cannot be read becomes a note."""
    if not any((folder / name).exists() for name in (CALIBRATION, CRITIC_TOKENS)):
        return None
    calibration = _parsed(folder / CALIBRATION, _calibration, notes)
    return CriticRecord(calibration, _parsed(folder / CRITIC_TOKENS, _programs, notes))


def _parsed(path: Path, parse: Callable[[Mapping[str, Any]], T], notes: list[str]) -> T | None:
    """What a file holds, or None and a note."""
    n_notes = len(notes)
    values = read_object(path, notes)
    if len(notes) > n_notes:
        return None
    try:
        return parse(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        notes.append(f"{path.name} cannot be read: {type(error).__name__}: {error}")
        return None


def _calibration(values: Mapping[str, Any]) -> Calibration:
    classes = tuple(str(name) for name in values["classes"])
    return Calibration(
        classes=classes,
        n_programs=int(values["n_programs"]),
        n_problems=int(values["n_problems"]),
        shares=tuple(_share(share) for _, share in zip(classes, values["shares"], strict=True)),
        critic={fraction: _scores(values["critic"][f"{fraction:g}"], classes) for fraction in FRACTIONS},
        majority=_scores(values["majority"], classes),
        problem=_scores(values["problem"], classes),
        confusion=tuple(tuple(int(count) for count in row) for row in values["confusion"]),
        reliability=tuple(
            Bin(int(each["count"]), _share(each["said"]), _share(each["happened"])) for each in values["reliability"]
        ),
    )


def _scores(values: Mapping[str, Any], classes: Sequence[str]) -> Scores:
    def per_class(name: str) -> tuple[float | None, ...]:
        found = zip(classes, values[name], strict=True)
        return tuple(None if value is None else _share(value) for _, value in found)

    return Scores(
        accuracy=_share(values["accuracy"]),
        macro_f1=_share(values["macro_f1"]),
        f1=per_class("f1"),
        recall=per_class("recall"),
        auc=per_class("auc"),
        calibration_error=_share(values["calibration_error"]),
        pass_calibration_error=_share(values["pass_calibration_error"]),
    )


def _programs(values: Mapping[str, Any]) -> tuple[ReadProgram, ...]:
    return tuple(
        ReadProgram(
            problem_id=str(program["problem_id"]),
            prompt=str(program["prompt"]),
            outcome=str(program["outcome"]),
            tokens=tuple(
                Token(str(token["text"]), _share(token["pass_prob"]), _share(token["happened_prob"]))
                for token in program["tokens"]
            ),
        )
        for program in values["programs"]
    )


def _share(value: Any) -> float:
    """A number between 0 and 1; raises ValueError for anything else."""
    if not isinstance(value, int | float) or not -1e-6 <= value <= 1 + 1e-6:
        raise ValueError(f"expected a number between 0 and 1, got {value!r}")
    return min(1.0, max(0.0, float(value)))
