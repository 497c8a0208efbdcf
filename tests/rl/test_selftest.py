"""The selftest passes on what training uses, and a planted bug of each kind fails the check of its name and no other."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from envs.errors import UserError
from envs.rollout import Group
from rl.batch import Batch, collate
from rl.config import ModelSection, RunConfig, SamplingSection
from rl.credit import ADVANTAGES
from rl.decode import Completion, sample
from rl.layout import Layout, plain_layout, shared_prompt_layout
from rl.learner import LOG_PROBS, Learner, TokenLogProbs, _can_share_prompts, _switch_off_dropout, policy_learner
from rl.losses import Estimator, Outputs, Term, kl_estimate, rows_in_use, unit_weights
from rl.models import LanguageModel
from rl.selftest import Check, Parts, exit_code, render, run_check, run_selftest
from rl.selftest.terms import TERMS

NAMES = [
    "micro batches", "padding", "order", "shared prompts", "bfloat16", "ranks", "first step", "sampler", "finite differences",
    "outside the mask", "end of text", "mask by length", "equal rewards",
]  # fmt: skip


def failed(parts: Parts, skip: Sequence[str] = ("ranks",)) -> list[str]:
    """Names of the checks that a planted bug fails; ranks take seconds and are tried where they matter."""
    return [check.name for check in run_selftest(parts=parts, skip=skip) if not check.passed]


@pytest.mark.slow
def test_everything_passes_on_what_training_uses() -> None:
    checks = run_selftest()
    assert [check.name for check in checks] == NAMES
    assert exit_code(checks) == 0, render(checks)
    assert all(math.isfinite(check.measured) and check.what and not check.note for check in checks)


def test_a_config_chooses_model_and_temperature() -> None:
    config = RunConfig(model=ModelSection(name="scratch:tiny"), sampling=SamplingSection(temperature=0.3))
    checks = run_selftest(config, skip=("ranks", "bfloat16"))
    assert exit_code(checks) == 0, render(checks)
    with pytest.raises(UserError, match="no/such/model"):
        run_selftest(RunConfig(model=ModelSection(name="no/such/model")))


# Learners with a bug.


def planted(
    learner: type[Learner] = Learner, module: type[TokenLogProbs] = TokenLogProbs, *, keep_dropout: bool = False
) -> Callable[..., Learner]:
    """A `policy_learner` of other classes, which may also forget to switch dropout off."""

    def make(model: LanguageModel, *, share_prompts: bool = True, **settings: Any) -> Learner:
        if not keep_dropout:
            _switch_off_dropout(model)
        share_prompts = share_prompts and _can_share_prompts(model)
        return learner(module(model, share_prompts=share_prompts), share_prompts=share_prompts, **settings)

    return make


class PerMicroBatchMean(Learner):
    """Divides by the units of each micro-batch, then by their number."""

    def backward(self, batch: Batch, objective: tuple[Term, ...], temperature: float) -> dict[str, float]:
        parts = [batch.rows(rows) for rows in self._micro_batches(batch, rows_in_use(objective, batch))]
        whole, self.micro_batch_tokens = self.micro_batch_tokens, 10**6
        gradients: list[list[torch.Tensor]] = []
        for part in parts:
            losses = super().backward(part, objective, temperature)
            gradients.append([p.grad.clone() for p in self.module.parameters() if p.grad is not None])
        self.micro_batch_tokens = whole
        for place, parameter in enumerate(p for p in self.module.parameters() if p.grad is not None):
            parameter.grad = torch.stack([part[place] for part in gradients]).mean(dim=0)
        return losses


class MultipliesByTheMask(Learner):
    """Takes 0 * loss where nothing is learned, which is NaN where the loss is."""

    def backward(self, batch: Batch, objective: tuple[Term, ...], temperature: float) -> dict[str, float]:
        self.optimizer.zero_grad()
        weights = {term.name: unit_weights(term, batch) for term in objective}
        batch = batch.with_columns({f"weight of {name}": w_BT for name, (w_BT, _) in weights.items()})
        wants = frozenset(want for term in objective for want in term.wants)
        totals = dict.fromkeys(weights, 0.0)
        for rows in self._micro_batches(batch, rows_in_use(objective, batch)):
            part = batch.rows(rows)
            outputs = self.module(part, temperature, wants)
            for term in objective:
                loss = multiplies_by_the_mask(term, outputs, part, part.columns[f"weight of {term.name}"])
                (loss / weights[term.name][1]).backward(retain_graph=True)
                totals[term.name] += float(loss.detach() / weights[term.name][1])
        return totals


class SeesPadding(TokenLogProbs):
    """Looks at padding on its way to a log-prob."""

    def forward(self, batch: Batch, temperature: float, wants: frozenset[str]) -> Outputs:
        n_pads_B1 = (~batch.present_BT).sum(dim=1, keepdim=True)
        found = dict(super().forward(batch, temperature, wants))
        return found | {"log_probs": found["log_probs"] * (1 + 0.01 * n_pads_B1)}


class OffByOne(TokenLogProbs):
    """Takes the log-prob of the token before the one that each state predicts."""

    def forward(self, batch: Batch, temperature: float, wants: frozenset[str]) -> Outputs:
        lay_out = self.lay_out
        ids_BT = batch.ids_BT.roll(1, dims=1)
        self.lay_out = lambda _: lay_out(batch)
        try:
            return super().forward(replace(batch, ids_BT=ids_BT), temperature, wants)
        finally:
            self.lay_out = lay_out


class NoTemperature(TokenLogProbs):
    """Forgets the temperature everywhere."""

    def forward(self, batch: Batch, temperature: float, wants: frozenset[str]) -> Outputs:
        return super().forward(batch, 1.0, wants)


class NoTemperatureWithoutGradient(Learner):
    """Forgets the temperature in the pass before the training pass."""

    def outputs(self, batch: Batch, temperature: float = 1.0, wants: frozenset[str] = LOG_PROBS) -> Outputs:
        return super().outputs(batch, 1.0, wants)


class TrainMode(Learner):
    """Does not switch the module to eval mode before a pass without gradient."""

    @torch.no_grad()
    def outputs(self, batch: Batch, temperature: float = 1.0, wants: frozenset[str] = LOG_PROBS) -> Outputs:
        self.module.train()
        return {name: found.detach() for name, found in self.module(batch, temperature, wants).items()}


class SeesItsSiblings(TokenLogProbs):
    """Lets completions that share a prompt see each other."""

    def __init__(self, model: LanguageModel, *, share_prompts: bool = False) -> None:
        super().__init__(model, share_prompts=share_prompts)
        self.lay_out = _without_walls if share_prompts else plain_layout


def _without_walls(batch: Batch) -> Layout:
    layout = shared_prompt_layout(batch)
    n_places = layout.ids_RS.shape[1]
    causal_SS = torch.full((n_places, n_places), torch.finfo(torch.float32).min).triu(1)
    return replace(layout, attention=causal_SS.expand_as(layout.attention))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make_learner", "name"),
    [
        (planted(PerMicroBatchMean), "micro batches"),
        (planted(MultipliesByTheMask), "padding"),
        (planted(module=OffByOne), "sampler"),
        (planted(module=NoTemperature), "sampler"),
        (planted(NoTemperatureWithoutGradient), "first step"),
        (planted(TrainMode, keep_dropout=True), "first step"),
        (planted(keep_dropout=True), "first step"),
    ],
    ids=[
        "per_micro_batch_mean",
        "nan_in_padding",
        "off_by_one",
        "no_temperature",
        "no_temperature_before",
        "train_mode",
        "dropout",
    ],
)
def test_a_bug_of_the_learner_is_named(make_learner: Callable[..., Learner], name: str) -> None:
    assert failed(Parts(make_learner=make_learner)) == [name]


def test_padding_that_is_seen_is_named_among_others() -> None:
    """How much padding a row has depends on its micro-batch, so splitting and the first step show it too."""
    names = failed(Parts(make_learner=planted(module=SeesPadding)))
    assert {"micro batches", "padding", "first step"} <= set(names)


def test_a_wrong_mask_of_shared_prompts_is_named_twice() -> None:
    """Training shares prompts, so what the sampler recorded is not what training sees either."""
    assert failed(Parts(make_learner=planted(module=SeesItsSiblings))) == ["shared prompts", "sampler"]


class PerRankMean(Learner):
    """Divides by the units of this rank; data parallel then takes the mean of the ranks."""

    def _over_ranks(self, count: torch.Tensor) -> torch.Tensor:
        return count.double() * self.accelerator.num_processes


def per_rank_mean(model: LanguageModel, *, share_prompts: bool = True, **settings: Any) -> Learner:
    return planted(PerRankMean)(model, share_prompts=share_prompts, **settings)


def fails_on_rank_one(model: LanguageModel, *, share_prompts: bool = True, **settings: Any) -> Learner:
    learner = policy_learner(model, share_prompts=share_prompts, **settings)
    if learner.accelerator.process_index == 1:
        raise MemoryError("rank 1 is full")
    return learner


@pytest.mark.slow
def test_a_mean_per_rank_is_named() -> None:
    assert failed(Parts(make_learner=per_rank_mean), skip=()) == ["ranks"]


@pytest.mark.slow
def test_a_rank_that_fails_is_a_failed_check() -> None:
    checks = run_selftest(parts=Parts(make_learner=fails_on_rank_one), skip=set(NAMES) - {"ranks"})
    assert not checks[0].passed
    assert "MemoryError: rank 1 is full" in checks[0].note


# Other parts with a bug.


def masks_the_end(groups: Sequence[Group]) -> Batch:
    """Takes the id that ends a text for padding of the loss."""
    batch = collate(groups)
    return replace(batch, learned_BT=batch.learned_BT & (batch.ids_BT != 7))


def masks_the_last_token(groups: Sequence[Group]) -> Batch:
    """One token short."""
    batch = collate(groups)
    last_B1 = batch.present_BT.sum(dim=1, keepdim=True) - 1
    return replace(batch, learned_BT=batch.learned_BT & (torch.arange(batch.ids_BT.shape[1]) != last_B1))


def masks_padding_by_id(groups: Sequence[Group]) -> Batch:
    """Finds padding by its id."""
    batch = collate(groups)
    there_BT = batch.ids_BT != 0
    return replace(batch, present_BT=there_BT, learned_BT=batch.learned_BT & there_BT)


def multiplies_by_the_mask(term: Term, outputs: Outputs, batch: Batch, w_BT: torch.Tensor) -> torch.Tensor:
    """0 * NaN is NaN."""
    return term.weight * (term.loss(outputs, batch) * w_BT).sum()


def normalised_with_residue(rewards_G: torch.Tensor) -> torch.Tensor:
    """Blows rounding up: a standard deviation of 1e-17 divides differences of 1e-17."""
    return (rewards_G - rewards_G.mean()) / (rewards_G.std() + 1e-20)


def kl_without_gradient(outputs: Outputs, batch: Batch) -> torch.Tensor:
    reference_BT = batch.columns["reference_log_probs"]
    return kl_estimate(outputs["log_probs"].detach(), reference_BT, batch.learned_BT, Estimator.K3)


def records_the_next_log_prob(*given: Any, **settings: Any) -> list[list[Completion]]:
    """A sampler whose log-probs belong to the token after."""
    return [
        [replace(c, log_probs=(*c.log_probs[1:], c.log_probs[0])) for c in group]
        for group in sample(*given, **settings)
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (Parts(collate=masks_the_end), "end of text"),
        (Parts(collate=masks_the_last_token), "end of text"),
        (Parts(collate=masks_padding_by_id), "mask by length"),
        (Parts(reduce=multiplies_by_the_mask), "outside the mask"),
        (Parts(advantages={**ADVANTAGES, "residue": normalised_with_residue}), "equal rewards"),
        (Parts(terms=(*TERMS, Term("kl", kl_without_gradient, needs=("reference_log_probs",)))), "finite differences"),
        (Parts(draw=records_the_next_log_prob), "sampler"),
    ],
    ids=[
        "masked_end",
        "one_short",
        "pad_is_end",
        "nan_in_padding",
        "std_residue",
        "kl_without_gradient",
        "shifted_sampler",
    ],
)
def test_a_bug_of_another_part_is_named(parts: Parts, name: str) -> None:
    assert failed(parts) == [name]


def nothing(*_: object) -> float:
    """Finds no error."""
    return 0.0


def something(*_: object) -> float:
    """Finds an error."""
    return 0.5


def breaks(*_: object) -> float:
    """Does not come to an end."""
    raise ArithmeticError("one over nought")


def not_a_number(*_: object) -> float:
    """Finds NaN, which is no error within any bound."""
    return math.nan


def test_every_failure_is_named_and_shown() -> None:
    checks = [run_check(0.1, measure) for measure in (nothing, something, breaks, not_a_number)]
    assert [check.passed for check in checks] == [True, False, False, False]
    lines = render(checks).splitlines()
    assert lines[0].startswith("ok      nothing       error 0       of at most 0.1")
    assert lines[1].startswith("FAILED  something")
    assert lines[3].strip() == "ArithmeticError: one over nought"
    assert lines[-1] == "failed: something, breaks, not a number"
    assert exit_code(checks) == 1


def test_no_failure_is_said_too() -> None:
    checks: list[Check] = [run_check(0.1, nothing)]
    assert render(checks).splitlines()[-1] == "all 1 checks passed"
    assert exit_code(checks) == 0
