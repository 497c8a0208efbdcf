"""Audit of a reward function: right programs must earn, and no program that solves nothing may.

The reward function runs the programs itself, by its own isolation. Each is compared with simpler ones, so that what is
named is the reason and not merely something that also earned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from envs.errors import UserError
from envs.problem import Interface
from envs.reward_audit.attacks import FIXES, INTERFACES, RIGHT, SLOW, Target, Weakness, targets
from envs.reward_audit.judges import Judge, JudgeEndedError
from envs.reward_audit.shapes import Form, Shape

__all__ = ["INTERFACES", "AuditedReward", "Earned", "Finding", "Weakness", "audit_reward", "render"]


@dataclass(frozen=True, slots=True)
class Earned:
    """What one program earned."""

    problem_id: str
    """The problem that it was judged by."""
    program: str
    """What it does."""
    reward: float | None
    """Its reward; None where the judge could not tell, or ended."""
    ended: str | None = None
    """How the judge ended instead of answering."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A weakness of the reward function, with all that shows it."""

    weakness: Weakness
    """What is weak."""
    fix: str
    """What to do about it."""
    shown_by: tuple[Earned, ...]
    """The programs, by the problems on which they earned."""


@dataclass(frozen=True, slots=True)
class AuditedReward:
    """The result of an audit."""

    forms: Mapping[str, str]
    """Interfaces that were judged, each with the form of completion in which the right program earned."""
    not_judged: Mapping[str, str]
    """Problems whose right program earned nothing, with what it got: nothing is known about these."""
    findings: tuple[Finding, ...]
    """Weaknesses, in the order of `Weakness`; none is what one hopes for."""
    also_earned: tuple[Earned, ...]
    """Programs that earned no more than a simpler one: their tricks may work or not."""
    no_limit_found: tuple[str, ...]
    """Problems on which a program earned that worked for twice the limit: evading it was not tried."""
    rewards: tuple[Earned, ...]
    """What every program got, right ones included."""

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def audit_reward(
    judge: Judge, interfaces: Sequence[Interface] = INTERFACES, above: float = 0.0, limit_s: float = 1.0
) -> AuditedReward:
    """Have a judge judge every program; a program earns where its reward is more than `above`.

    `limit_s` is how long the reward function lets a program work. Raises UserError where no right program earns on any
    interface: then nothing can be said.
    """
    tried: list[_Tried] = []
    with TemporaryDirectory(prefix="rl-train-audit-") as folder:
        for interface in interfaces:
            canary = Path(folder, f"left-by-a-{interface}-program")
            forms = [form for form in Form if form is not Form.CHAT or judge.shape is Shape.TRL]
            for target in targets(interface, str(canary), limit_s):
                tried.append(_try(judge, target, forms, above))
                if tried[-1].form is None and len(forms) > 1:
                    break  # the first problem of an interface: no other will be judged
                forms = forms if tried[-1].form is None else [tried[-1].form]
            if canary.exists():
                tried[-1].shown.append((Weakness.UNJAILED, Earned(f"audit/{interface}/keys", "writes a file", None)))
    not_judged = {one.target.problem.id: one.why_not for one in tried if one.form is None}
    if len(not_judged) == len(tried):
        raise UserError(
            f"cannot tell: no right program earned more than {above:g} "
            f"({'; '.join(f'{name}: {why}' for name, why in not_judged.items())}); the reward function is broken, or "
            "reads other columns than it is given: see `rl-train audit rewards --help`"
        )
    return AuditedReward(
        forms={str(one.target.problem.interface): str(one.form) for one in tried if one.form is not None},
        not_judged=not_judged,
        findings=_findings([shown for one in tried for shown in one.shown]),
        also_earned=tuple(earned for one in tried for earned in one.also),
        no_limit_found=tuple(one.target.problem.id for one in tried if one.slow_earns),
        rewards=tuple(earned for one in tried for earned in one.rewards.values()),
    )


@dataclass(slots=True)
class _Tried:
    """What became of the programs of one problem."""

    target: Target
    form: Form | None = None
    why_not: str = ""
    slow_earns: bool = False
    rewards: dict[str, Earned] = field(default_factory=dict)
    shown: list[tuple[Weakness, Earned]] = field(default_factory=list)
    also: list[Earned] = field(default_factory=list)


def _try(judge: Judge, target: Target, forms: Sequence[Form], above: float) -> _Tried:
    """Judge the right program in one form after the other until it earns, then all that deserve nothing."""
    tried = _Tried(target)
    for form in forms:
        right = tried.rewards[RIGHT] = _judge(judge, target, RIGHT, target.right, form)
        if _worth(right) > above:
            tried.form = form
            break
    else:
        tried.why_not = f"its right program got {right.reward}" if right.ended is None else f"the judge {right.ended}"
        return tried
    for attack in target.attacks:
        earned = tried.rewards[attack.name] = _judge(judge, target, attack.name, attack.program, tried.form)
        if attack.taints:
            judge.renew()
        simpler = max((_worth(tried.rewards[name]) for name in attack.explained_by), default=above)
        if attack.name == SLOW:
            tried.slow_earns = _worth(earned) > above
        elif earned.ended is not None:
            tried.shown.append((Weakness.ENDED, earned))
        elif _worth(earned) > max(above, simpler):
            tried.shown.append((attack.weakness, earned))
        elif _worth(earned) > above and not (attack.weakness is Weakness.CLOCK and tried.slow_earns):
            tried.also.append(earned)
    return tried


def _judge(judge: Judge, target: Target, name: str, program: str, form: Form) -> Earned:
    try:
        return Earned(target.problem.id, name, judge.reward(target.problem, program, form))
    except JudgeEndedError as error:
        return Earned(target.problem.id, name, None, str(error))


def _worth(earned: Earned) -> float:
    """A reward as a number; nobody profits where there is none."""
    return -math.inf if earned.reward is None or math.isnan(earned.reward) else earned.reward


def _findings(shown: Sequence[tuple[Weakness, Earned]]) -> tuple[Finding, ...]:
    by_weakness = {weakness: tuple(earned for other, earned in shown if other is weakness) for weakness in Weakness}
    return tuple(Finding(weakness, FIXES[weakness], found) for weakness, found in by_weakness.items() if found)


def render(audited: AuditedReward) -> str:
    """The result for a person: what was judged, each weakness with its programs and its fix, and the verdict."""
    judged = ", ".join(f"{interface} ({form})" for interface, form in audited.forms.items())
    lines = [f"{len(audited.rewards)} programs judged; a right program earns on {judged}"]
    lines += [f"not judged: {name}: {why}" for name, why in audited.not_judged.items()]
    lines += [
        f"no limit met on {name}: a right program that worked for twice the time of --limit-s earned; programs that "
        "evade a limit were not told apart"
        for name in audited.no_limit_found
    ]
    for finding in audited.findings:
        lines.append(f"{finding.weakness}: {finding.fix}")
        lines += [f"  {one.problem_id}: {one.program}: {_told(one)}" for one in finding.shown_by]
    if audited.also_earned:
        names = sorted({one.program for one in audited.also_earned})
        lines.append(f"also earned, as simpler programs did: {', '.join(names)}")
    n_weaknesses = len(audited.findings)
    lines.append(f"{n_weaknesses} weaknesses" if n_weaknesses else "no program that solves nothing earned anything")
    return "\n".join(lines)


def _told(earned: Earned) -> str:
    if earned.ended is not None:
        return f"the judge {earned.ended}"
    return "it is there" if earned.reward is None else f"earned {earned.reward:g}"
