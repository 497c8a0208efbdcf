"""Where the learner's arithmetic runs: one process, or several ranks that run this same program (SPMD).

Every rank calls every collective in the same order; what only one rank may do asks `is_main`.
"""

from __future__ import annotations

import copy
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from importlib.util import find_spec
from typing import Any, TypeAlias, TypeVar

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import gather_object
from torch import nn

from envs.errors import UserError

T = TypeVar("T")
MakeOptimizer: TypeAlias = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
"""Parameters -> the AdamW that steps them."""
ADAM_STATES = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of each weight."""
BUCKET, WHOLE_BELOW = 50_000_000, 10_000
"""Weights that ZeRO exchanges at once, at most; and those of a parameter that stage 3 leaves whole, below."""

if not torch.cuda.is_available():
    # Without it every process prints a warning that no accelerator was found, where deepspeed is installed.
    os.environ.setdefault("DS_ACCELERATOR", "cpu")


def make_accelerator() -> Accelerator:
    """An Accelerator for this process: a GPU where there is one, the launcher's ranks where there are any."""
    return Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())


def is_main() -> bool:
    """Whether this rank writes files and talks to people."""
    return bool(_state().is_main_process)


def world_size() -> int:
    """Number of ranks."""
    return int(_state().num_processes)


def rank() -> int:
    """Number of this rank, from 0."""
    return int(_state().process_index)


def share(items: Sequence[T]) -> list[T]:
    """This rank's part of what all ranks hold: every world_size-th item."""
    state = _state()
    return list(items[state.process_index :: state.num_processes])


def gather(items: Sequence[T]) -> list[T]:
    """The items of all ranks, on every rank, rank by rank."""
    return list(gather_object(list(items))) if world_size() > 1 else list(items)


def together(work: Callable[[], T]) -> T:
    """Run work that may fail on one rank: then it raises on all of them, so that none waits for ever.

    A user's mistake is one on every rank; of another error the other ranks raise RuntimeError.
    """
    error: Exception | None = None
    result: T | None = None
    try:
        result = work()
    except Exception as caught:
        error = caught
    failed = [one for one in gather([(str(error), isinstance(error, UserError)) if error else None]) if one]
    if error is not None:
        raise error
    if failed:
        message, is_users = failed[0]
        raise UserError(message) if is_users else RuntimeError(f"another rank failed: {message}")
    return result  # type: ignore[return-value]


def _state() -> PartialState:
    return PartialState(cpu=not torch.cuda.is_available())


class DataParallel:
    """One module on one rank, or whole on each of several, with gradients that are averaged over them."""

    def __init__(self, module: nn.Module, make_optimizer: MakeOptimizer, max_grad_norm: float) -> None:
        """`make_optimizer` gets the parameters; a step scales gradients down to the norm `max_grad_norm`."""
        self.accelerator = make_accelerator()
        self.max_grad_norm = max_grad_norm
        # Its schedule is not prepared by accelerate, which would step it once per rank.
        self.torch_optimizer = make_optimizer(module.parameters())
        self.module, self.optimizer = self.accelerator.prepare(module, self.torch_optimizer)

    @contextmanager
    def passing(self, is_last: bool) -> Iterator[None]:
        """Around the forward and backward pass of a micro-batch; ranks exchange gradients in the last of a step."""
        with nullcontext() if is_last else self.accelerator.no_sync(self.module):
            yield

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.optimizer.zero_grad()

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of a loss."""
        self.accelerator.backward(loss)

    def step(self) -> float:
        """Change the weights; returns the norm of the gradient. Where that is not finite nothing is changed."""
        norm = float(self.accelerator.clip_grad_norm_(self.module.parameters(), self.max_grad_norm))
        if math.isfinite(norm):
            self.optimizer.step()
        return norm

    def state(self) -> dict[str, Any]:
        """The optimizer's state, as torch writes it."""
        return dict(self.optimizer.state_dict())

    def restore(self, state: dict[str, Any]) -> None:
        """Take the optimizer's state back."""
        self.optimizer.load_state_dict(state)


class Zero:
    """One module under DeepSpeed's ZeRO: optimizer states (stage 1), gradients (2) and weights (3) shared over ranks.

    Between steps every rank holds whole weights in the plain module that it was given: they are gathered once after a
    step, and all sampling, scoring and saving works on them. Only learning passes see partitions, in a twin of the
    module that DeepSpeed owns; the plain one never carries anything of DeepSpeed's. States are written whole and by
    parameter, as torch writes them, so that any number of ranks and any stage goes on from them.
    """

    def __init__(
        self, module: nn.Module, make_optimizer: MakeOptimizer, max_grad_norm: float, stage: int, offload: str
    ) -> None:
        """`offload` keeps in main memory: nothing ("none"), the states ("optimizer"), at stage 3 weights too ("all").

        DeepSpeed starts with the first pass: a module that is only asked costs nothing.
        """
        if find_spec("deepspeed") is None:
            raise UserError("engine.zero: DeepSpeed is not installed; install rl-train[deepspeed], or set it to 0")
        self.plain = module.to(make_accelerator().device)
        self.make_optimizer = make_optimizer
        self.stage = stage
        self.settings = _zero_settings(module, stage, offload, max_grad_norm)
        self.restore({"state": {}})

    @property
    def module(self) -> nn.Module:
        """What a learning pass calls."""
        if self.engine is None:
            self._start()
        module: nn.Module = self.engine
        return module

    @contextmanager
    def passing(self, is_last: bool) -> Iterator[None]:
        """Around the forward and backward pass of a micro-batch by `module`; after the last of a step comes `step`."""
        self._take_back()
        self.engine.set_gradient_accumulation_boundary(is_last)
        yield

    def zero_grad(self) -> None:
        """Every step leaves no gradient behind."""

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of a loss; every rank makes as many passes."""
        self.engine.backward(loss, scale_wrt_gas=False)

    def step(self) -> float:
        """Change the weights and lend them out; returns the norm of the gradient, nan where nothing was changed."""
        self.engine.step()
        norm = float(self.engine.get_global_grad_norm()) if self.engine.was_step_applied() else math.nan
        self._lend()
        return norm

    def state(self) -> dict[str, Any]:
        """The optimizer's state as that of one rank would be, in main memory; every rank calls it."""
        from deepspeed.utils import safe_get_full_optimizer_state

        (group,) = self.torch_optimizer.param_groups  # whose parameters are DeepSpeed's by now
        groups = [dict(group) | {"params": list(range(len(list(self.plain.parameters()))))}]
        made = self._flats()[0] if self.engine is not None else None
        if made is None or made not in self.torch_optimizer.state:
            return {"state": self.restored["state"], "param_groups": groups}
        step = self.torch_optimizer.state[made]["step"]
        states = {
            index: {"step": step.clone()}
            | {name: safe_get_full_optimizer_state(parameter, name).cpu() for name in ADAM_STATES}
            for index, parameter in enumerate(self.twin.parameters())
            if parameter.requires_grad
        }
        return {"state": states, "param_groups": groups}

    def restore(self, state: dict[str, Any]) -> None:
        """Begin again from the plain module's weights as they are and from the state of an optimizer."""
        self.restored = state
        self.engine: Any = None
        self.gathered: Any = None
        shared = {id(p): nn.Parameter(p.data, requires_grad=p.requires_grad) for p in self.plain.parameters()}
        self.twin = copy.deepcopy(self.plain, shared)
        self.optimizer = self.torch_optimizer = self.make_optimizer(self.twin.parameters())

    def _start(self) -> None:
        """Hand the twin to DeepSpeed; what it prints to standard output is not ours to say."""
        import deepspeed

        warnings.filterwarnings("ignore", message=".*all_gather_into_tensor", category=FutureWarning)  # DeepSpeed's
        with redirect_stdout(sys.stderr):
            _without_operations()
            if not torch.distributed.is_initialized():  # one rank, which offloads
                backend = "nccl" if torch.cuda.is_available() else "gloo"
                store = torch.distributed.HashStore()  # type: ignore[attr-defined]
                torch.distributed.init_process_group(backend, store=store, rank=0, world_size=1)
            self.engine, *_ = deepspeed.initialize(
                model=self.twin, optimizer=self.torch_optimizer, config=self.settings, dist_init_required=False
            )
        saved = self.restored["state"]
        if saved:
            for flat in self._flats():
                states = {name: torch.zeros_like(flat) for name in ADAM_STATES}
                self.torch_optimizer.state[flat] = states | {"step": next(iter(saved.values()))["step"].clone()}
            for index, parameter in enumerate(self.twin.parameters()):
                for name in ADAM_STATES if index in saved else ():
                    self._keep(parameter, name, saved[index][name])
            self.restored = {"state": {}}
        if self.stage < 3:
            self._lend()

    def _flats(self) -> list[torch.Tensor]:
        """This rank's parts of the weights, as DeepSpeed hands them to the optimizer."""
        optimizer = self.engine.optimizer
        flats: list[torch.Tensor] = (
            optimizer.fp32_partitioned_groups_flat if self.stage == 3 else optimizer.single_partition_of_fp32_groups
        )
        return flats

    def _keep(self, parameter: Any, name: str, whole: torch.Tensor) -> None:
        """Take this rank's part of one state of a parameter."""
        from deepspeed.utils import safe_set_full_optimizer_state, safe_set_local_optimizer_state

        if self.stage < 3:
            self.engine.optimizer._lazy_init_hp_params_optimizer_state()  # else done by the first step
            safe_set_full_optimizer_state(parameter, whole.to(parameter.device), name)
            return
        size = parameter.ds_tensor.numel()  # the last part is filled up
        padded = nn.functional.pad(whole.flatten(), (0, size * world_size() - whole.numel()))
        safe_set_local_optimizer_state(parameter, padded[rank() * size : (rank() + 1) * size], name)

    def _lend(self) -> None:
        """Gather the weights and let the plain module have them: the same memory, no copy."""
        if self.stage == 3 and self.gathered is None:
            from deepspeed.runtime.zero import GatheredParameters

            self.gathered = GatheredParameters(list(self.twin.parameters()))
            self.gathered.__enter__()
        for plain, twin in zip(self.plain.parameters(), self.twin.parameters(), strict=True):
            plain.data = twin.data

    def _take_back(self) -> None:
        """Before a learning pass: where the twin holds parts only, the plain module lets go of the whole."""
        if self.stage < 3 or self.engine is None:
            return
        for plain in self.plain.parameters():
            plain.data = plain.data.new_empty(0)
        if self.gathered is not None:
            self.gathered.__exit__(None, None, None)
            self.gathered = None


def start_engine(
    module: nn.Module, make_optimizer: MakeOptimizer, *, max_grad_norm: float, zero: int, offload: str
) -> DataParallel | Zero:
    """Data parallel, or ZeRO of a stage above 0, where there are ranks to share with or something to offload."""
    if zero and (world_size() > 1 or offload != "none"):
        return Zero(module, make_optimizer, max_grad_norm, zero, offload)
    return DataParallel(module, make_optimizer, max_grad_norm)


def _zero_settings(module: nn.Module, stage: int, offload: str, max_grad_norm: float) -> dict[str, Any]:
    """DeepSpeed's config. Buffers are no larger than the model, and only tiny weights stay whole at stage 3."""
    bucket = min(BUCKET, sum(parameter.numel() for parameter in module.parameters()))
    zero: dict[str, Any] = {
        "stage": stage,
        "reduce_bucket_size": bucket,
        "allgather_bucket_size": bucket,
        "stage3_prefetch_bucket_size": bucket,
        "stage3_param_persistence_threshold": WHOLE_BELOW,
    }
    if offload != "none":
        zero["offload_optimizer"] = {"device": "cpu"}
    if offload == "all":
        zero["offload_param"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": max_grad_norm,
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": None,
    }


def _without_operations() -> None:
    """Keep DeepSpeed from compiling an operation on a machine without a GPU: for a minute, in all ranks at once.

    It is for inference over tensor-parallel ranks, which is not done here. With torch's AdamW nothing else is compiled.
    """
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__ = {}
