"""Rows, columns and distances that the checks share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch

from envs.problem import HiddenTests, Interface, Problem
from envs.rollout import Group, Prompt, Rollout, Segment, StopReason
from rl.batch import Batch, collate
from rl.learner import Learner
from rl.losses import Term
from rl.models import LanguageModel, Policy, load_policy

MakeLearner = Callable[..., Learner]
"""(model, learning_rate=, micro_batch_tokens=, share_prompts=) -> Learner, as `policy_learner`."""
TEMPERATURE = 0.7
ALL_ROWS, ONE_ROW, SOME_ROWS = 10**6, 1, 24
"""Tokens of one pass."""
SIZES = ((5, (3, 7, 1)), (2, (4, 9)), (9, (2, 2, 6, 5)), (3, (8,)))
"""Groups: tokens of the prompt, and of each completion."""


def tiny_policy() -> Policy:
    """A policy that is built here in a moment, far from uniform, so that mistakes show."""
    policy = load_policy("scratch:nano", ["def f(x):\n    return x\n"])
    spread(policy.model)
    return policy


def spread(model: LanguageModel) -> None:
    """Move every weight of a fresh model, the same way on every machine."""
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)


def with_dropout() -> LanguageModel:
    """The tiny model with half of its attention dropped while it is in train mode."""
    model = tiny_policy().model
    for module in model.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.5
    return model


def a_rollout(prompt_ids: Iterable[int], segments: tuple[Segment, ...]) -> Rollout:
    """A rollout of given ids."""
    return Rollout(Prompt("selftest", ""), tuple(prompt_ids), segments, "", "", StopReason.END_OF_TEXT)


def a_group(rollouts: Sequence[Rollout]) -> Group:
    """A group that nobody has run."""
    problem = Problem("selftest", "", Interface.FUNCTION, HiddenTests())
    return Group(problem, tuple(rollouts), (None,) * len(rollouts))


def rows_of(model: LanguageModel) -> Batch:
    """Groups of SIZES with ids drawn from the model's vocabulary, without columns."""
    generator = torch.Generator().manual_seed(0)

    def some_ids(n: int) -> tuple[int, ...]:
        return tuple(torch.randint(1, model.get_input_embeddings().num_embeddings, (n,), generator=generator).tolist())

    groups = []
    for prompt_length, lengths in SIZES:
        prompt = some_ids(prompt_length)
        groups.append(a_group([a_rollout(prompt, (Segment(some_ids(n), "policy"),)) for n in lengths]))
    return collate(groups)


def rows_with_columns(model: LanguageModel, make_learner: MakeLearner) -> Batch:
    """The same rows with columns around the model's own log-probs."""
    batch = rows_of(model)
    learner = make_learner(model, learning_rate=1e-3, micro_batch_tokens=ALL_ROWS)
    return with_columns(batch, learner.outputs(batch, TEMPERATURE)["log_probs"])


def rows_without_model(model: LanguageModel) -> Batch:
    """The same rows with columns that every rank computes without the model."""
    return with_columns(rows_of(model), torch.tensor(-math.log(model.config.vocab_size)))


def with_columns(batch: Batch, near: torch.Tensor) -> Batch:
    """Columns that every term needs: log-probs around `near`, with ratios on both sides of the clips; advantages."""
    generator = torch.Generator().manual_seed(2)
    names = ("proximal_log_probs", "behavior_log_probs", "reference_log_probs")
    noise = [torch.randn(batch.ids_BT.shape, generator=generator).to(near.dtype) for _ in range(len(names) + 2)]
    columns = {name: near + 0.4 * apart for name, apart in zip(names, noise, strict=False)}
    return batch.with_columns(columns | {"advantages": noise[-1], "returns": noise[-2]})


def gradient(
    model: LanguageModel,
    batch: Batch,
    objective: tuple[Term, ...],
    make_learner: MakeLearner,
    micro_batch_tokens: int = ALL_ROWS,
    *,
    share_prompts: bool = False,
) -> torch.Tensor:
    """Gradient of an objective by all weights, then its losses, as one vector."""
    learner = make_learner(
        model, learning_rate=1e-3, micro_batch_tokens=micro_batch_tokens, share_prompts=share_prompts
    )
    losses = learner.backward(batch, objective, TEMPERATURE)
    found = [parameter.grad.flatten().float().cpu() for parameter in model.parameters() if parameter.grad is not None]
    learner.optimizer.zero_grad()
    return torch.cat([*found, torch.tensor(list(losses.values()))])


def apart(expected: torch.Tensor, found: torch.Tensor) -> float:
    """Norm of the difference over the norm of what is expected; infinite where that is 0 or not a finite number."""
    apart = float((found - expected).norm() / expected.norm())
    return apart if math.isfinite(apart) else math.inf


def largest(errors: torch.Tensor) -> float:
    """Largest absolute value; infinite where something is not finite."""
    largest = float(errors.abs().max())
    return largest if math.isfinite(largest) else math.inf
