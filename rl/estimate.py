"""Estimates of a run's memory and time, from a short real pass of sampling and learning on this machine.

Both are upper estimates: completions count at their longest, every round is run, and no row is left out for having no
credit. Shared prompts, ended rows and early stops make a run faster.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from envs.problem import Problem
from envs.rollout import Group
from rl.batch import Batch, collate
from rl.collect import collect
from rl.engine import world_size
from rl.experiment import Experiment
from rl.incremental import cache_bytes
from rl.layout import split_rows
from rl.learner import Learner
from rl.models import LanguageModel
from rl.plan import Phase, Plan
from rl.write import Write, by_policy, by_reference

ENOUGH_S = 0.5
"""A sample that took so long is measured well enough; shorter ones are followed by one of four times the size."""
ROWS = 256
"""Sequences that `by_policy` decodes together."""
ADAM_STATES = 2
"""Numbers that AdamW keeps per trained weight."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of the problems of a run."""

    prompt: int
    """Longest prompt of the train, dev and test problems."""
    longest: str
    """Id of the problem that has it."""
    prompt_mean: float
    """Mean prompt of them."""
    labelled: int
    """Longest prompt with reference solution of the labelled problems; 0 where there are none."""
    labelled_mean: float
    """Mean prompt with reference solution."""
    solutions: float
    """Mean number of reference solutions per labelled problem."""
    completion: int
    """Longest completion of the policy."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What a short real pass took."""

    write_s: float
    """Seconds per sampled token, with many rows together."""
    learn_s: float
    """Seconds per token, prompts included, of a forward and backward pass."""
    kept_bytes: float
    """Bytes per token of a micro-batch that a forward pass keeps for the backward pass."""
    cache_bytes: float
    """Bytes of keys and values per token."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an estimate."""

    name: str
    """What takes it."""
    amount: float
    """Bytes or seconds."""


def measure_lengths(experiment: Experiment) -> Lengths:
    """Tokenise every prompt and every reference solution of the run."""
    encode = experiment.policy.encode
    asked = (*experiment.train, *experiment.dev, *experiment.test)
    prompts = [len(encode(experiment.ask(problem).text)) for problem in asked]
    groups = _references(experiment)
    totals = [len(r.prompt_ids) + len(r.completion_ids) for group in groups for r in group.rollouts]
    return Lengths(
        prompt=max(prompts),
        longest=asked[prompts.index(max(prompts))].id,
        prompt_mean=sum(prompts) / len(prompts),
        labelled=max(totals, default=0),
        labelled_mean=sum(totals) / max(1, len(totals)),
        solutions=len(totals) / max(1, len(groups)),
        completion=experiment.config.sampling.max_new_tokens,
    )


def measure_speed(experiment: Experiment, phase: Phase) -> Speed:
    """Sample for some problems and make steps of size 0 on what was sampled: nothing is learned."""
    groups, write_s = _measure_writing(experiment)
    learner = experiment.learner(0.0)
    batch = _with_columns(collate(_some(groups, learner.micro_batch_tokens)), phase)
    _seconds_of_a_step(learner, batch, phase)  # the first step also pays for what is set up once
    learn_s = _seconds_of_a_step(learner, batch, phase) / int(batch.present_BT.sum())
    return Speed(write_s, learn_s, _kept_bytes(learner, batch, phase), cache_bytes(experiment.policy.model))


def rows_per_round(phase: Phase, lengths: Lengths) -> int:
    """Texts that a round learns from, on all ranks."""
    return math.ceil(phase.problems * (phase.n if phase.n is not None else lengths.solutions * phase.parts))


def row_tokens(phase: Phase, lengths: Lengths) -> int:
    """Tokens of the longest text of a phase, its prompt included."""
    return lengths.labelled if phase.n is None else lengths.prompt + phase.shown + lengths.completion


def weights_memory(experiment: Experiment, plan: Plan, ranks: int) -> list[Item]:
    """What one of `ranks` keeps in memory while the largest phase runs: weights, gradients, optimizer states, copies.

    Weights count whole at every stage of ZeRO: between steps, when programs are written, every rank has all of them.
    """
    model = experiment.policy.model
    weights = _bytes(model.parameters())
    trained = _bytes(parameter for parameter in model.parameters() if parameter.requires_grad)
    zero = experiment.config.engine.zero if ranks > 1 else 0
    items = [
        Item("weights", weights),
        Item("gradients", trained / (ranks if zero >= 2 else 1)),
        Item("AdamW states", ADAM_STATES * trained / (ranks if zero >= 1 else 1)),
    ]
    if zero:
        items.append(Item("ZeRO's own parts of the weights", (2 if zero == 3 else 1) * trained / ranks))
    copies = {judge for phase in plan.phases for judge in phase.judges if judge.is_copy}
    for judge in sorted(copies, key=lambda judge: judge.column):
        factor = 2 + ADAM_STATES if judge.is_trained else 1
        trainer = " with gradients and AdamW states" if judge.is_trained else ""
        items.append(Item(f"copy of the policy for {judge.column}{trainer}", factor * weights))
    return items


def pass_memory(experiment: Experiment, plan: Plan, lengths: Lengths, speed: Speed) -> tuple[list[Item], list[Item]]:
    """What a learning pass and what sampling add at most; they do not happen together."""
    model = experiment.policy.model
    longest = max(row_tokens(phase, lengths) for phase in plan.phases)
    tokens = max(experiment.config.learner.micro_batch_tokens, longest)
    vocabulary = model.config.get_text_config().vocab_size
    learning = [
        Item("activations of a micro-batch", speed.kept_bytes * tokens),
        Item("logits of a micro-batch and their gradient", 2 * 4.0 * tokens * vocabulary),
    ]
    n = max(experiment.config.sampling.n, experiment.config.evaluation.n)
    rows = n * max(1, ROWS // n)
    shown = max(phase.shown for phase in plan.phases)
    cache = speed.cache_bytes * rows * (lengths.prompt + shown + lengths.completion)
    return learning, [Item(f"keys and values of {rows} sequences", cache)]


def run_time(experiment: Experiment, plan: Plan, lengths: Lengths, speed: Speed, grade_s: float) -> list[Item]:
    """Seconds at most per part of the run, on as many ranks as there are now."""
    config, ranks = experiment.config, world_size()
    items = []
    program_s = lengths.completion * speed.write_s + grade_s
    for phase in plan.phases:
        rows = phase.rounds * rows_per_round(phase, lengths) / ranks
        length = lengths.labelled_mean if phase.n is None else lengths.prompt_mean + phase.shown + lengths.completion
        if phase.n is not None:
            programs = phase.draws * rows
            items.append(Item(f"{phase.name}: writing", programs * lengths.completion * speed.write_s))
            items.append(Item(f"{phase.name}: running programs", programs * grade_s))
        # A pass without gradient costs a third of one with it.
        passes = phase.epochs + sum(1 / 3 + judge.is_trained for judge in phase.judges)
        items.append(Item(f"{phase.name}: learning", rows * length * passes * speed.learn_s))
        looks = phase.rounds // phase.evaluate_every if phase.evaluate_every else 0
        items.append(Item(f"{phase.name}: {looks} looks at dev", looks * len(experiment.dev) * program_s / ranks))
    programs = plan.evaluations * len(experiment.test) * config.evaluation.n
    items.append(Item(f"{plan.evaluations} evaluations", programs * program_s / ranks))
    return items


def total(items: Iterable[Item]) -> float:
    """Sum of the amounts."""
    return math.fsum(item.amount for item in items)


def memory_here(model: LanguageModel) -> tuple[str, int, int]:
    """(what, bytes in all, bytes free) of the memory that the learner would use on this machine."""
    if torch.cuda.is_available():
        free, everything = torch.cuda.mem_get_info()
        return torch.cuda.get_device_name(), everything, free + torch.cuda.memory_reserved()
    found = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    everything, free = (1024 * int(found[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdecimal():
        everything = min(everything, int(text))
    return "main memory", everything, min(free + _bytes(model.parameters()), everything)


def _measure_writing(experiment: Experiment) -> tuple[list[Group], float]:
    """Groups of the train problems, ungraded, and seconds per sampled token of the largest sample."""
    most = min(len(experiment.train), max(1, ROWS // experiment.config.sampling.n))
    problems, tokens, longest = 2, 8, experiment.config.sampling.max_new_tokens
    while True:
        problems, tokens = min(problems, most), min(tokens, longest)
        started = time.perf_counter()
        groups = _written(experiment, problems, tokens)
        seconds = time.perf_counter() - started
        if seconds > ENOUGH_S or (problems, tokens) == (most, longest):
            n_tokens = sum(len(rollout.completion_ids) for group in groups for rollout in group.rollouts)
            return groups, seconds / max(1, n_tokens)
        problems, tokens = 4 * problems, 4 * tokens


def _written(experiment: Experiment, n_problems: int, max_new_tokens: int) -> list[Group]:
    sampling = experiment.config.sampling
    write = by_policy(
        experiment.policy,
        ask=experiment.ask,
        n=sampling.n,
        temperature=sampling.temperature,
        max_new_tokens=max_new_tokens,
        seed=experiment.config.seed,
        stop=experiment.stop(),
        rows=ROWS,
    )
    return _groups(write, experiment.train[:n_problems])


def _references(experiment: Experiment) -> list[Group]:
    return _groups(by_reference(experiment.policy, ask=experiment.ask), experiment.labelled)


def _groups(write: Write, problems: Sequence[Problem]) -> list[Group]:
    """What is written about the problems, not run."""
    return list(collect(problems, write, grade=None))


def _some(groups: Sequence[Group], tokens: int) -> list[Group]:
    """The first groups that fill one micro-batch."""
    kept: list[Group] = []
    used = 0
    for group in groups:
        kept.append(group)
        used += sum(len(rollout.prompt_ids) + len(rollout.completion_ids) for rollout in group.rollouts)
        if used >= tokens:
            break
    return kept


def _with_columns(batch: Batch, phase: Phase) -> Batch:
    """The batch with credit for every row, and zeros in the columns that the judges would give."""
    batch = batch.with_advantages(torch.ones(len(batch), 1))
    needs = {need for term in phase.objective for need in term.needs} - set(batch.columns)
    several = {judge.column: (judge.per_token,) for judge in phase.judges if judge.per_token is not None}
    return batch.with_columns({need: torch.zeros(*batch.ids_BT.shape, *several.get(need, ())) for need in needs})


def _seconds_of_a_step(learner: Learner, batch: Batch, phase: Phase) -> float:
    started = time.perf_counter()
    learner.step(batch, phase.objective, phase.temperature)
    return time.perf_counter() - started


def _kept_bytes(learner: Learner, batch: Batch, phase: Phase) -> float:
    """Bytes per laid-out token that the pass of one micro-batch keeps for its backward pass, weights left out."""
    module: Any = learner.bare_module
    rows = next(
        split_rows(
            batch,
            torch.arange(len(batch)),
            learner.micro_batch_tokens,
            share_prompts=learner.share_prompts,
            line_tokens=learner.line_tokens,
        )
    )
    part = batch.rows(rows).to(learner.accelerator.device)
    weights = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # held, so that no later tensor takes its place
        return tensor

    wants = frozenset(want for term in phase.objective for want in term.wants)
    module.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module(part, phase.temperature, wants)
    n_tokens: int = module.lay_out(part).n_tokens
    return sum(storage.nbytes() for storage in kept.values()) / n_tokens


def _bytes(parameters: Iterable[torch.Tensor]) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in parameters)
