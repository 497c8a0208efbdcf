"""The section of a config that says in which form problems are answered, and which worked solutions are learned."""

from __future__ import annotations

from typing import Literal

from rl.config_sections import Section


class ReasoningSection(Section):
    """Answers in words that end with a number (recipes finetune_cot, hinted_cot; others in config_checks)."""

    form: Literal["program", "token", "natural", "answer"] = "program"
    """`token`: `question ###`, then `rationale --> answer`; `natural`: Let's think step by step; `answer`: it alone."""
    check_steps: bool = False
    """Refuse a teacher's worked solutions that state an equation which does not hold."""
