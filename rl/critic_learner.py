"""A critic as a Learner trains it: a prompt is read once for all the programs that follow it.

Axes: B rows, T tokens, H hidden width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from critics.model import OutcomeCritic
from rl.batch import Batch
from rl.forward import states
from rl.layout import shared_prompt_layout
from rl.learner import LINE_WIDTHS, Learner, obeys_shared_prompts, spread
from rl.losses import Outputs


class LearningCritic(nn.Module):
    """A critic seen as a function from a batch to what it says about each learned token."""

    def __init__(self, critic: OutcomeCritic, *, share_prompts: bool = False) -> None:
        """`share_prompts` needs a backbone that obeys a mask of its own for each line."""
        super().__init__()
        self.critic = critic
        self.share_prompts = share_prompts
        self.line_tokens = LINE_WIDTHS * critic.backbone.config.get_text_config().hidden_size

    def forward(self, batch: Batch, temperature: float, wants: frozenset[str]) -> Outputs:
        """As `OutcomeCritic.outputs`."""
        return self.critic.outputs(self.states(batch), batch, wants)

    def states(self, batch: Batch) -> torch.Tensor:
        """hidden_BTH: the state after reading each learned token."""
        if not self.share_prompts:
            return self.critic.states(batch)
        layout = shared_prompt_layout(batch, self.line_tokens)
        return spread(states(None, self.critic.backbone, layout)[layout.read_N], layout, batch)


def critic_learner(critic: OutcomeCritic, **settings: Any) -> Learner:
    """A Learner of a critic. Prompts are shared where its backbone, tried on a few tokens, gives the same states."""
    plain, shared = (LearningCritic(critic, share_prompts=share) for share in (False, True))
    share = obeys_shared_prompts(critic.backbone, plain.states, shared.states)
    module = shared if share else plain
    return Learner(module, share_prompts=share, line_tokens=module.line_tokens, **settings)
