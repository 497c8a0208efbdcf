"""One rank of a comparison: steps of a small learner on this rank's uneven share of groups; rank 0 writes what came of it.

python -m tests.rl.zero_rank OUT STAGE OFFLOAD STEPS [CHECKPOINT]
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from rl.batch import collate
from rl.engine import Zero, is_main, share
from rl.learner import Learner, policy_learner
from rl.losses import kl_to_reference, policy_gradient
from rl.models import load_policy
from tests.builders import a_group, a_rollout
from tests.rl.test_learner import CREDIT, GROUPS, P, W

OBJECTIVE = (policy_gradient(), kl_to_reference(0.1))
UNEVEN = [*GROUPS, a_group([a_rollout((40, 41, 42), (9,)), a_rollout((40, 41, 42), (3, 3, 5, 7))], [P, W])]
"""Two groups of five rollouts for rank 0, one of two for rank 1."""


def gradient(learner: Learner) -> torch.Tensor:
    """The whole gradient that a backward pass left, whoever holds it."""
    if not isinstance(learner.engine, Zero):
        return torch.cat([p.grad.flatten() for p in learner.bare_module.parameters() if p.grad is not None])
    from deepspeed.utils import safe_get_full_grad

    return torch.cat([safe_get_full_grad(p).flatten() for p in learner.engine.twin.parameters()])


def main(out: Path, stage: int, offload: str, steps: int, checkpoint: Path | None) -> None:
    torch.manual_seed(0)
    policy = load_policy("scratch:nano", ["def f(x): return x + 1\n" * 20])
    learner = policy_learner(
        policy.model, learning_rate=1e-2, warmup_steps=2, micro_batch_tokens=12, zero=stage, offload=offload
    )
    if checkpoint is not None and checkpoint.exists():
        learner.restore(checkpoint)
    groups = share(UNEVEN)
    batch = collate(groups)
    batch = batch.with_advantages(CREDIT(groups, batch))
    batch = batch.with_columns({"reference_log_probs": torch.full(batch.ids_BT.shape, -3.0)})
    found = {}
    if checkpoint is None:
        learner.backward(batch, OBJECTIVE, 1.0)
        found["gradient"] = gradient(learner)
        learner.engine.step()
        found["first"] = torch.cat([p.detach().flatten() for p in policy.model.parameters()])
    norms = [learner.step(batch, OBJECTIVE)["grad_norm"] for _ in range(steps)]
    found["norms"] = torch.tensor(norms)
    found["weights"] = torch.cat([p.detach().flatten() for p in policy.model.parameters()])
    found["log_probs"] = learner.outputs(collate(UNEVEN))["log_probs"]
    if checkpoint is not None:
        if is_main():
            checkpoint.mkdir(exist_ok=True)
        learner.save(checkpoint)
    if is_main():
        save_file({name: tensor.contiguous() for name, tensor in found.items()}, out)
        policy.save(out.with_suffix(""))


if __name__ == "__main__":
    out, stage, offload, steps, *checkpoint = sys.argv[1:]
    main(Path(out), int(stage), offload, int(steps), Path(checkpoint[0]) if checkpoint else None)
