"""The section of a config that speaks of purifying a teacher's programs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rl.config_sections import Section


class PurifySection(Section):
    """Selection of a teacher's programs, which nobody ran, by a critic that few labels fit (recipe symbolic_kd)."""

    keep: Literal["critic", "random", "all"] = "critic"
    """Which programs may be imitated: those that the critic scores highest, as many drawn at random, or all."""
    recall: float = Field(default=0.8, gt=0, le=1)
    """Share of the right programs that the critic keeps: its cut-off is found at this recall on validation programs."""
    problems: int = Field(default=120, ge=3)
    """Train problems whose programs, `teacher.n` each, are run for the critic to learn from; they are not imitated."""
    validation: float = Field(default=0.35, gt=0, lt=1)
    """Share of these problems that only find the cut-off; 25 right programs among theirs bring it within 2 points."""
    test: float = Field(default=0.2, gt=0, lt=1)
    """Share of these problems that only say how good the critic is."""
    other_names: bool = True
    """Show the critic each program under other names of its variables in each epoch."""
    other_numbers: bool = True
    """Show it questions in words with other numbers, changed in statement and program alike, in each epoch."""
    passes: int = Field(default=5, ge=1)
    """Such readings that a score is the mean of; one is enough where both keys above are false."""
    measure: bool = True
    """Run all programs in the end to report how pure the corpus is; nothing is selected by it."""
