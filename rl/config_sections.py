"""The base of every section of a config, and the sections that do not decide what is learned: a run may change them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of every section: no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class GradersSection(Section):
    """The processes that run programs."""

    workers: int | None = Field(default=None, ge=1)
    """Worker processes; by default one per core."""
    min_isolation: Literal["L1", "L2", "L3"] = "L2"
    """Weakest jail that is accepted; L1 has no kernel protection and is only for programs you trust."""


class CheckpointsSection(Section):
    """What a run that was killed goes on from."""

    every: int = Field(default=10, ge=1)
    """Rounds between two checkpoints; what lies after the last one is done again, but for stored rounds."""
    keep: int = Field(default=2, ge=1)
    """Checkpoints that stay while a phase runs."""
