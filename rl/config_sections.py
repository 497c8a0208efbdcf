"""The base of every section of a config, and the sections that every recipe reads."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of every section: no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class LearnerSection(Section):
    """What every optimizer step shares."""

    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay."""
    warmup_steps: int = Field(default=10, ge=0)
    """Steps over which the learning rate rises to its value."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm."""
    micro_batch_tokens: int = Field(default=2048, ge=1)
    """Padded tokens of one forward pass; changes memory and speed, never the gradient."""


class EvaluationSection(Section):
    """How pass rates are measured."""

    n: int = Field(default=4, ge=1)
    """Programs per problem."""
    temperature: float = Field(default=0.8, ge=0)
    """Sampling temperature; 0 is greedy."""
    ks: tuple[int, ...] = (1, 4)
    """k of each pass@k; none may exceed n."""


class GradersSection(Section):
    """The processes that run programs."""

    on: Literal["auto", "local", "ray"] = "auto"
    """Where they run: on this machine, or on all of a Ray cluster; `auto` takes the cluster that a run is in."""
    workers: int | None = Field(default=None, ge=1)
    """Worker processes of each rank; by default one per core, on a cluster one per free CPU but one of each machine."""
    min_isolation: Literal["L1", "L2", "L3"] = "L2"
    """Weakest jail that is accepted; L1 has no kernel protection and is only for programs you trust."""


class EngineSection(Section):
    """How the models that are trained are spread over ranks."""

    zero: int = Field(default=0, ge=0, le=3)
    """Stage of DeepSpeed's ZeRO: 1 shares optimizer states over ranks, 2 gradients too, 3 weights too (in a step)."""
    offload: Literal["none", "optimizer", "all"] = "none"
    """What ZeRO keeps in main memory: the optimizer's states, or at stage 3 the weights too."""
    retries: int = Field(default=3, ge=0)
    """Times that a run on Ray workers goes on after one failed; lost machines are not counted."""


class CheckpointsSection(Section):
    """What a run that was killed goes on from."""

    every: int = Field(default=10, ge=1)
    """Rounds between two checkpoints; what lies after the last one is done again, but for stored rounds."""
    keep: int = Field(default=2, ge=1)
    """Checkpoints that stay while a phase runs."""


class AlarmsSection(Section):
    """What a run watches itself for; 0 switches a key off. All of them warn, but for stop_sandbox_errors."""

    equal_rewards: int = Field(default=10, ge=0)
    """Rounds running in which all programs of every problem got one reward: nothing can be learned from them."""
    sandbox_errors: float = Field(default=0.02, ge=0, lt=1)
    """Largest share of programs that the sandbox could not judge, over 3 rounds."""
    stop_sandbox_errors: float = Field(default=0.5, ge=0, lt=1)
    """A round or evaluation with a larger share of them stops the run; it is not kept, and a resumed run repeats it."""
    truncated: float = Field(default=0.5, ge=0, lt=1)
    """Largest share of completions cut at the length limit, over 3 rounds."""
    duplicates: float = Field(default=0.9, ge=0, lt=1)
    """Largest share of programs that equal another of their problem, over 3 rounds."""
    overfit: float = Field(default=0.3, ge=0, lt=1)
    """Largest share of programs that pass the example tests and fail the hidden ones, over 3 measured rounds."""
    reward_rise: float = Field(default=0.1, ge=0)
    """Rise of the mean reward that the dev pass rate must follow, over windows of 3 evaluations (rl/alarms.py)."""
    examples_every: int = Field(default=5, ge=0)
    """Rounds of reinforcement between two in which programs also run by their example tests, for `overfit`."""


class LogSection(Section):
    """Where numbers go besides the run folder."""

    to: tuple[Literal["trackio", "tensorboard", "wandb"], ...] = ()
    """Trackers that get every number too; all write to this machine, wandb with WANDB_MODE=online to its server."""
    project: str = "rl-train"
    """Name under which trackio and wandb file the run."""
