"""Learning recipes, one per file: each chooses who writes, who judges, what tokens are worth and what is minimised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rl.config import RunConfig
from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.plan import Plan
from rl.recipes import (
    coderl,
    ekt,
    expert_iteration,
    finetune_cot,
    grpo,
    hinted_cot,
    kd,
    on_policy_distillation,
    ppo,
    repair,
    rlef,
    seqkd,
    socratic,
    symbolic_kd,
    warm_start,
)
from rl.write import Write


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a recipe can do."""

    run: Callable[[Experiment], dict[str, Evaluation]]
    """Train; returns its evaluations by name, in order."""
    plan: Callable[[RunConfig], Plan]
    """Say what `run` would do."""
    write: Callable[[Experiment, int, bool], Write] | None = None
    """(finished run, n, greedy?) -> how what it learned writes, where that is not a policy from the plain prompt."""


RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "coderl": Recipe(coderl.run, coderl.plan),
        "ekt": Recipe(ekt.run, ekt.plan),
        "expert_iteration": Recipe(expert_iteration.run, expert_iteration.plan),
        "finetune_cot": Recipe(finetune_cot.run, finetune_cot.plan),
        "grpo": Recipe(grpo.run, grpo.plan),
        "hinted_cot": Recipe(hinted_cot.run, hinted_cot.plan),
        "kd": Recipe(kd.run, kd.plan),
        "on_policy_distillation": Recipe(on_policy_distillation.run, on_policy_distillation.plan),
        "ppo": Recipe(ppo.run, ppo.plan),
        "repair": Recipe(repair.run, repair.plan),
        "rlef": Recipe(rlef.run, rlef.plan),
        "seqkd": Recipe(seqkd.run, seqkd.plan),
        "socratic": Recipe(socratic.run, socratic.plan, socratic.write),
        "symbolic_kd": Recipe(symbolic_kd.run, symbolic_kd.plan),
        "warm_start": Recipe(warm_start.run, warm_start.plan),
    }
)
"""Every recipe by its name: the only registry."""
