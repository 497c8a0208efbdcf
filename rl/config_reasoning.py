"""The section of a config that says in which form problems are answered, and which worked solutions are learned."""

from __future__ import annotations

from typing import Literal

from rl.config_sections import Section


class ReasoningSection(Section):
    """Answers in words (recipes expert_iteration, finetune_cot, grpo, hinted_cot, ppo, warm_start)."""

    form: Literal["program", "token", "natural", "answer"] = "program"
    """`program`; in words `token`, `question ### rationale --> answer`, or `natural`; or the `answer` alone."""
    check_steps: bool = False
    """Refuse a teacher's worked solutions that state an equation which does not hold."""
