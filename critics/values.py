"""What the logits of an outcome critic mean, as pure functions of tensors (CodeRL, arXiv 2207.01780, section 3.3).

    pooled = max over program tokens of z_t;   loss = -log softmax(pooled)[u];   q_t = softmax(z_t)[u]

with z_t the logits after reading token t and u the outcome that happened (q is equation 11).
We differ from the paper in: the state behind z_t has read token t (the released code's has not), and padding and prompt
have no vote (in the released code they decide most programs).

Axes: B programs, T tokens, K outcome classes; X any axes. The last class is `passed`.
"""

from __future__ import annotations

import torch


def max_over_program(values_BTX: torch.Tensor, program_BT: torch.Tensor) -> torch.Tensor:
    """Maximum over the program's tokens, (B, X); 0 for a row that has none. Tied tokens share the gradient."""
    masked_BTX = torch.where(program_BT.unsqueeze(-1), values_BTX, -torch.inf)
    return torch.where(program_BT.any(dim=1, keepdim=True), masked_BTX.amax(dim=1), 0.0)


def max_so_far(values_BTX: torch.Tensor, program_BT: torch.Tensor) -> torch.Tensor:
    """Maximum over the program's tokens up to and including each token, (B, T, X); 0 before the first of them."""
    masked_BTX = torch.where(program_BT.unsqueeze(-1), values_BTX, -torch.inf)
    begun_BT = program_BT.cumsum(dim=1) > 0
    return torch.where(begun_BT.unsqueeze(-1), masked_BTX.cummax(dim=1).values, 0.0)


def outcome_cross_entropy(logits_XK: torch.Tensor, labels_X: torch.Tensor) -> torch.Tensor:
    """-log of the probability given to the outcome that happened, (X,), in nats."""
    return -torch.log_softmax(logits_XK, dim=-1).gather(-1, labels_X.unsqueeze(-1)).squeeze(-1)


def outcome_probability(logits_XK: torch.Tensor, labels_X: torch.Tensor) -> torch.Tensor:
    """Probability given to the outcome that happened, (X,): the token value q of CodeRL where logits are a token's."""
    return torch.exp(-outcome_cross_entropy(logits_XK, labels_X))


def pass_probability(logits_XK: torch.Tensor) -> torch.Tensor:
    """Probability given to `passed`, (X,)."""
    return torch.softmax(logits_XK, dim=-1)[..., -1]
