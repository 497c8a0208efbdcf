"""Learning recipes, one per file: each chooses who writes, who judges, what tokens are worth and what is minimised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rl.evaluate import Evaluation
from rl.experiment import Experiment
from rl.recipes import grpo, ppo, warm_start

RECIPES: Mapping[str, Callable[[Experiment], dict[str, Evaluation]]] = MappingProxyType(
    {
        "grpo": grpo.run,
        "ppo": ppo.run,
        "warm_start": warm_start.run,
    }
)
"""Every recipe by its name: the only registry. A recipe returns its evaluations by name, in order."""
