"""Sections of a config that speak of repairing programs by what the example tests found."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from rl.config_sections import Section


class RepairSection(Section):
    """Imitation of repairs: of programs that pass, shown one that failed (recipes repair, rlef)."""

    run: Path | None = None
    """Run folder whose stored programs are learned from; without one the policy attempts train problems."""
    problems: int = Field(default=1000, ge=1)
    """Train problems that the policy attempts, `sampling.n` programs each."""
    programs_per_problem: int = Field(default=4, ge=1)
    """Most failed programs per problem whose repair is learned."""
    also_plain: bool = False
    """Learn the programs that repair from the plain prompt as well, so that one model writes and repairs."""
    epochs: int = Field(default=8, ge=1)
    """Passes over the problems that have repairs."""
    steps: int = Field(default=0, ge=0)
    """Optimizer steps in all, however many problems have repairs; 0 goes by `epochs`."""
    problems_per_round: int = Field(default=32, ge=1)
    """Problems of one optimizer step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of AdamW."""
    evaluate_every: int = Field(default=25, ge=1)
    """Rounds between looks at the share of failed dev programs that are repaired."""


class RlefSection(Section):
    """Reinforcement over several turns (recipe rlef); `reinforce` says the rest."""

    turns: int = Field(default=2, ge=2)
    """Most programs of one attempt: each but the first is a repair of the one before."""
    imitate_repairs: bool = True
    """Imitate repairs first, as `repair` says, for a policy that does not know the repair prompt."""
