"""The sections of a config that speak of an outcome critic, and of CodeRL, which learns with one."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rl.config_sections import Section


class CriticSection(Section):
    """The outcome critic (recipes coderl, symbolic_kd)."""

    model: str = "policy"
    """`policy` copies the policy; `scratch:nano|tiny|small` builds one; otherwise the folder of a model or a critic."""
    classes: Literal["four", "binary"] = "four"
    """Outcomes that it tells apart: CodeRL's four, or failed and passed."""
    pool: Literal["logits", "hidden"] = "logits"
    """What is maximised over a program's tokens to judge the whole."""
    head: Literal["linear", "mlp"] = "linear"
    """What turns a state into logits."""
    problems: int = Field(default=1000, ge=2)
    """Train problems that the policy attempts, `sampling.n` programs each, for the critic to learn from."""
    held_out: float = Field(default=0.2, gt=0, lt=1)
    """Share of these problems that only calibrate it."""
    programs_per_problem: int = Field(default=8, ge=1)
    """Most distinct programs per problem that it is fitted to."""
    rounds: int = Field(default=200, ge=0)
    """Rounds of its fit, one optimizer step each; 0 takes the critic in the folder `model` as it is."""
    problems_per_round: int = Field(default=32, ge=1)
    """Problems whose programs make one step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of AdamW at the beginning; it falls to a tenth over the rounds."""
    balance: float = Field(default=0.5, ge=0, le=1)
    """1: every outcome counts the same in total; 0: every program does."""
    reference_weight: float = Field(default=0.25, ge=0)
    """Weight of a reference solution against a program of the policy; 0 leaves them out."""
    refit_every: int = Field(default=0, ge=0)
    """Rounds of reinforcement between two steps of the critic; 0 freezes it."""
    trust: Literal["full", "calibrated"] = "calibrated"
    """`calibrated` lowers its weight to the share of frequent outcomes that it judges better than both baselines."""


class CoderlSection(Section):
    """CodeRL: imitation and critic-weighted reinforcement in the same steps (recipe coderl)."""

    token_weights: Literal["critic", "critic_relative", "uniform", "decay"] = "critic"
    """How a program's advantage is spread over its tokens: by the critic's q_t, by q_t over its mean in the program
    (which keeps the program's weight beside imitation), evenly, or falling linearly to 0."""
    baseline: Literal["greedy", "group_centered", "leave_one_out", "none"] = "greedy"
    """What the return of a program is compared with."""
    imitation_weight: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy on reference solutions; 0 leaves them out."""
    reinforcement_weight: float = Field(default=1.0, ge=0)
    """Weight of the policy gradient; 0 leaves it out."""
    references_per_round: int = Field(default=32, ge=1)
    """Labelled problems whose solutions are imitated in each round."""

    @property
    def uses_critic(self) -> bool:
        """Whether a critic is fitted."""
        return self.token_weights in ("critic", "critic_relative")
