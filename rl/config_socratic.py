"""Section of a config that speaks of decompositions into sub-questions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rl.config_sections import Section


class SocraticSection(Section):
    """Learning to ask sub-questions and to answer them (recipe socratic)."""

    variant: Literal["iterative", "all_at_once", "unified", "chain_of_thought", "answer_only"] = "iterative"
    """A decomposer asks question by question, or all at once, and a solver answers; or one model writes all: questions
    and answers, answers only, the final answer only."""
    model: str = "policy"
    """What each model begins as: a copy of the policy, or `scratch:<size>`, a folder or a hub name of its own."""
    problems: int = Field(default=1000, ge=1)
    """Labelled problems whose decompositions are learned."""
    calculator: bool = True
    """Work out `<<expression=` while a solution is written."""
    max_steps: int = Field(default=8, ge=1)
    """Most sub-questions that a decomposer may ask one by one."""
    epochs: int = Field(default=20, ge=1)
    """Passes over the problems, for each model."""
    steps: int = Field(default=0, ge=0)
    """Optimizer steps of each model, however many problems there are; 0 goes by `epochs`."""
    problems_per_round: int = Field(default=16, ge=1)
    """Problems of one optimizer step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of AdamW."""
    evaluate_every: int = Field(default=100, ge=1)
    """Rounds between looks at the dev pass rate."""
