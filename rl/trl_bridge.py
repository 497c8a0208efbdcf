"""Our graders, critics and problem sets inside TRL's own trainers, for those who keep their TRL script.

    advantages_BT = A_B * (weight * q_BT + 1 - weight)

A is TRL's own advantage of a completion and q_t what an outcome critic gives, having read token t, to what happened
(CodeRL, arXiv 2207.01780, equation 10). TRL's GRPO loss takes advantages of shape (B, T) as they are.
We differ from the paper in: the baseline is that of the group, not the greedy program.

Axes: B rows, C tokens of the longest completion.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import torch
from datasets import Dataset
from trl import GRPOTrainer

from critics.model import OutcomeCritic
from critics.score import read
from envs.errors import UserError
from envs.problem import Problem, problem_to_row
from envs.prompts import plain
from envs.reward_function import AsyncUnitTestReward, UnitTestReward, compute_score
from envs.rollout import Prompt, Rollout, Segment, StopReason
from rl.credit import token_weights

__all__ = ["AsyncUnitTestReward", "CriticGRPOTrainer", "UnitTestReward", "compute_score", "trl_dataset"]


def trl_dataset(problems: Iterable[Problem], ask: Callable[[Problem], Prompt] = plain) -> Dataset:
    """Problems as a data set of TRL: `prompt`, and for the reward `problem`, our row as JSON with its hidden tests."""
    rows = [(problem.id, ask(problem).text, json.dumps(problem_to_row(problem))) for problem in problems]
    ids, prompts, texts = ([row[place] for row in rows] for place in range(3))
    return Dataset.from_dict({"prompt": prompts, "problem_id": ids, "problem": texts})


class CriticGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL brings no types
    """TRL's GRPO trainer with the credit of each completion spread over its tokens by an outcome critic."""

    def __init__(
        self,
        *arguments: Any,
        reward_funcs: UnitTestReward,
        critic: OutcomeCritic,
        critic_weight: float = 1.0,
        relative: bool = False,
        **settings: Any,
    ) -> None:
        """As GRPOTrainer, with a critic of the same tokenizer (`critics.model.load_critic`).

        `critic_weight` is how far the critic is trusted, from 0 (not at all) to 1; `relative` lets it move credit
        between the tokens of a program only. Raises UserError for another reward than ours, whose verdicts it needs.
        """
        if not isinstance(reward_funcs, UnitTestReward):
            raise UserError(
                f"reward_funcs: a critic needs verdicts; expected one UnitTestReward, got {type(reward_funcs).__name__}"
            )
        if not 0 <= critic_weight <= 1:
            raise UserError(f"critic_weight: expected a number from 0 to 1; got {critic_weight}")
        super().__init__(*arguments, reward_funcs=reward_funcs, **settings)
        self.unit_tests = reward_funcs
        self.critic = critic.to(self.accelerator.device).eval()
        self.critic_weight = critic_weight
        self.relative = relative

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        """TRL's rows, generated and graded, with advantages of shape (B, C) instead of (B,)."""
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        mask_BC = output["completion_mask"].bool()
        weights_BC = token_weights(self._values(output, mask_BC), mask_BC, self.critic_weight, relative=self.relative)
        output["advantages"] = output["advantages"].unsqueeze(1) * torch.where(mask_BC, weights_BC, 0.0)
        return output

    def _values(self, output: dict[str, Any], mask_BC: torch.Tensor) -> torch.Tensor:
        """q_BC: p(what happened) after each token of a completion; 1 where nobody knows what happened."""
        rollouts = [_rollout(output, row) for row in range(len(mask_BC))]
        q_BC = torch.ones(mask_BC.shape)
        for row, (reading, verdict) in enumerate(
            zip(read(self.critic, rollouts), self.unit_tests.verdicts, strict=True)
        ):
            label = self.critic.settings.classes.class_of(verdict.outcome)
            if label is not None:
                q_BC[row, : len(reading.token_probs_TK)] = reading.token_probs_TK[:, label]
        return q_BC.to(mask_BC.device)


def _rollout(output: dict[str, Any], row: int) -> Rollout:
    """One row of TRL's, whose prompts are padded on the left and completions on the right, as it was sampled."""
    prompt_ids, ids = (
        tuple(output[f"{part}_ids"][row][output[f"{part}_mask"][row].bool()].tolist())
        for part in ("prompt", "completion")
    )
    return Rollout(Prompt("", ""), prompt_ids, (Segment(ids, "policy"),), "", "", StopReason.END_OF_TEXT)
