"""Learner: module, optimizer, schedule and state; one call of `step` is one optimizer update.

Axes: B rows, T tokens of a batch; N learned tokens of a micro-batch; V vocabulary; H hidden width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial, reduce
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from envs.errors import UserError
from rl.batch import Batch
from rl.distill import LISTED, TEACHER_IDS, TEACHER_TEMPERATURE
from rl.engine import gather, is_main, make_accelerator, start_engine
from rl.forward import encoder_of, layout_of, logits, states
from rl.layout import NO_LIMIT, Layout, shared_prompt_layout, split_rows
from rl.losses import Outputs, Term, rows_in_use, term_loss, unit_weights
from rl.models import LanguageModel

WEIGHT = "weight of {}"
"""Name of the column that carries the unit weights of a term."""
LINE_WIDTHS = 3
"""Longest line of shared prompts, in hidden widths: attention grows with the square of a line, and beyond this it costs
more than the prompts that are saved (measured on two CPU cores, `tests/benchmarks/training.py`)."""
LOG_PROBS = frozenset({"log_probs"})


class TokenLogProbs(nn.Module):
    """A language model seen as a function from rows to what it says about each learned token."""

    def __init__(self, model: LanguageModel, *, share_prompts: bool = False) -> None:
        """`share_prompts` runs a prompt once for its rollouts; the model must obey a mask of its own for each line."""
        super().__init__()
        self.model = model
        self.head_is_plain = _head_is_plain(model)
        self.line_tokens = LINE_WIDTHS * model.config.get_text_config().hidden_size
        self.lay_out = layout_of(model)
        if share_prompts:
            self.lay_out = partial(shared_prompt_layout, line_tokens=self.line_tokens)

    def forward(self, batch: Batch, temperature: float, wants: frozenset[str]) -> Outputs:
        """Outputs for the learned tokens of `batch` at `temperature`, or at that of the column of this name.

        Rows are padded on the right and attention is causal, so a token never sees padding.
        """
        layout, raw_NV = self.logits(batch)
        if "temperature" in batch.columns:
            logits_NV = raw_NV / batch.columns["temperature"][layout.target_N].unsqueeze(1)
        else:
            logits_NV = raw_NV / temperature
        log_probs_NV = torch.log_softmax(logits_NV, dim=-1)
        log_probs_N = log_probs_NV.gather(1, batch.ids_BT[layout.target_N].unsqueeze(1)).squeeze(1)
        outputs = {"log_probs": spread(log_probs_N, layout, batch)}
        if "entropy" in wants:
            outputs["entropy"] = spread(-(log_probs_NV.exp() * log_probs_NV).sum(dim=-1), layout, batch)
        if LISTED in wants:
            outputs[LISTED] = spread(_listed(raw_NV, layout, batch), layout, batch)
        return outputs

    def logits(self, batch: Batch) -> tuple[Layout, torch.Tensor]:
        """(layout, logits_NV): only the states that predict a learned token go through the output head."""
        layout = self.lay_out(batch)
        if self.head_is_plain:
            hidden_RSH = states(encoder_of(self.model), self.model.get_decoder(), layout)
            logits_NV = self.model.get_output_embeddings()(hidden_RSH[layout.source_N])
        else:
            logits_NV = logits(self.model, layout)[layout.source_N]
        return layout, logits_NV.float()


class Learner:
    """Trains one module that maps (batch, temperature, wanted outputs) to Outputs: a policy, a value head, a critic."""

    def __init__(
        self,
        module: nn.Module,
        *,
        learning_rate: float,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        decay_steps: int = 0,
        max_grad_norm: float = 1.0,
        micro_batch_tokens: int = 16384,
        share_prompts: bool = False,
        line_tokens: int = NO_LIMIT,
        zero: int = 0,
        offload: str = "none",
    ) -> None:
        """`micro_batch_tokens` bounds the tokens of one pass: it changes memory and speed, not the gradient.

        The learning rate rises over `warmup_steps` and falls to a tenth over `decay_steps`, both on a straight line.
        `share_prompts` says that the module wants the rows of a prompt together, in lines of at most `line_tokens`.
        `zero` and `offload` are those of `rl.engine.Zero`.
        """
        self.accelerator = make_accelerator()
        self.n_steps = 0
        self.micro_batch_tokens = micro_batch_tokens
        self.share_prompts = share_prompts
        self.line_tokens = line_tokens
        make_optimizer = partial(torch.optim.AdamW, lr=learning_rate, weight_decay=weight_decay, fused=True)
        self.bare_module = module
        self.engine = start_engine(module, make_optimizer, max_grad_norm=max_grad_norm, zero=zero, offload=offload)
        self.factor = partial(_factor, warmup_steps, decay_steps)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.engine.torch_optimizer, self.factor)

    @property
    def module(self) -> nn.Module:
        """What a learning pass calls."""
        return self.engine.module

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of this rank."""
        return self.engine.optimizer

    def step(self, batch: Batch, objective: tuple[Term, ...], temperature: float = 1.0) -> dict[str, float]:
        """Make one optimizer update on the whole batch; returns the loss of each term, the gradient norm and the rate.

        Raises UserError, on all ranks and before the weights change, where a loss or the norm is not finite.
        """
        metrics = {f"loss/{name}": loss for name, loss in self.backward(batch, objective, temperature).items()}
        self._refuse_infinite(metrics)
        metrics["grad_norm"] = self.engine.step()
        self._refuse_infinite(metrics)
        metrics["learning_rate"] = float(self.schedule.get_last_lr()[0])
        self.schedule.step()
        self.n_steps += 1
        return metrics

    def backward(self, batch: Batch, objective: tuple[Term, ...], temperature: float) -> dict[str, float]:
        """Leave the gradient of the objective over the whole batch in the parameters; returns the loss of each term.

        Raises ValueError where a term needs a column that the batch lacks, and where two terms have one name.
        """
        if len({term.name for term in objective}) < len(objective):
            raise ValueError(f"two terms have one name in {', '.join(term.name for term in objective)}")
        for term in objective:
            if missing := [name for name in term.needs if name not in batch.columns]:
                raise ValueError(
                    f"term {term.name} needs column {missing[0]}; the batch has {', '.join(batch.columns)}"
                )
        self.module.train()
        self.engine.zero_grad()
        batch = batch.to(self.accelerator.device)
        units: dict[str, torch.Tensor] = {}
        for term in objective:
            w_BT, n_units = unit_weights(term, batch)
            units[term.name] = self._over_ranks(n_units).clamp(min=1)
            batch = batch.with_columns({WEIGHT.format(term.name): w_BT})
        wants = frozenset(want for term in objective for want in term.wants)
        totals = dict.fromkeys(units, 0.0)
        for part, is_last in self._equal_passes(batch, rows_in_use(objective, batch)):
            with self.engine.passing(is_last):
                outputs = self.module(part, temperature, wants)
                losses = {
                    term.name: term_loss(term, outputs, part, part.columns[WEIGHT.format(term.name)]) / units[term.name]
                    for term in objective
                }
                # Data parallel averages gradients over ranks; the units have counted every rank already.
                self.engine.backward(reduce(torch.add, losses.values()) * self.accelerator.num_processes)
            totals = {name: total + losses[name].item() for name, total in totals.items()}
        return {name: float(self._over_ranks(torch.tensor(total))) for name, total in totals.items()}

    @torch.no_grad()
    def outputs(self, batch: Batch, temperature: float = 1.0, wants: frozenset[str] = LOG_PROBS) -> Outputs:
        """Outputs for the whole batch, without gradient, in eval mode, on the batch's own device."""
        # Not the engine's module, whose passes all ranks make together: a rank without rows makes none.
        module = self.bare_module
        module.eval()
        found: dict[str, torch.Tensor] = {}
        for rows in self._micro_batches(batch, torch.arange(len(batch))):
            part = batch.rows(rows)
            outputs = module(part.to(self.accelerator.device), temperature, wants)
            for name in wants:
                output = outputs[name].cpu()
                if name not in found:
                    found[name] = output.new_zeros(*batch.ids_BT.shape, *output.shape[2:])
                found[name][rows, : output.shape[1]] = output
        return found or {name: torch.zeros(batch.ids_BT.shape) for name in wants}

    def save(self, folder: Path) -> None:
        """Write weights that are trained, optimizer, schedule and the number of steps: a checkpoint's Part."""
        optimizer = self.engine.state()
        if is_main():
            save_file(self._state(), folder / "weights.safetensors")
            rest = {"optimizer": optimizer, "schedule": self.schedule.state_dict()}
            with (folder / "optimizer.pt").open("wb") as file:  # a file of Python's says why a write failed
                torch.save(rest | {"n_steps": self.n_steps}, file)

    def restore(self, folder: Path) -> None:
        """Take back what `save` wrote; every rank reads it."""
        state = self._state()
        with torch.no_grad():
            for name, saved in load_file(folder / "weights.safetensors").items():
                state[name].copy_(saved)
        rest = torch.load(folder / "optimizer.pt", weights_only=True)
        self.engine.restore(rest["optimizer"])
        if self.schedule.optimizer is not self.engine.torch_optimizer:
            self.schedule = torch.optim.lr_scheduler.LambdaLR(self.engine.torch_optimizer, self.factor)
        self.schedule.load_state_dict(rest["schedule"])
        for group, rate in zip(self.engine.torch_optimizer.param_groups, self.schedule.get_last_lr(), strict=True):
            group["lr"] = rate
        self.n_steps = rest["n_steps"]

    def _state(self) -> dict[str, torch.Tensor]:
        """Parameters that are trained, and buffers, by name; tied ones once."""
        module = self.bare_module
        parameters = {name: value.data for name, value in module.named_parameters() if value.requires_grad}
        return parameters | dict(module.named_buffers())

    def _refuse_infinite(self, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise UserError(
                    f"learner: {name} is {value} at optimizer step {self.n_steps + 1}; expected a finite number; the "
                    f"step was not made: start again with a lower learning rate, a longer learner.warmup_steps or a "
                    f"lower learner.max_grad_norm"
                )

    def _equal_passes(self, batch: Batch, rows: torch.Tensor) -> Iterator[tuple[Batch, bool]]:
        """Micro-batches, and whether each is the last; ranks with fewer end with passes that weigh nothing."""
        parts = [batch.rows(part) for part in self._micro_batches(batch, rows)]
        n_passes = max(gather([len(parts)]))
        parts += [_weightless(batch)] * (n_passes - len(parts))
        for index, part in enumerate(parts):
            yield part, index == n_passes - 1

    def _micro_batches(self, batch: Batch, rows: torch.Tensor) -> Iterator[torch.Tensor]:
        return split_rows(
            batch, rows, self.micro_batch_tokens, share_prompts=self.share_prompts, line_tokens=self.line_tokens
        )

    def _over_ranks(self, count: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.accelerator.reduce(count.double().to(self.accelerator.device), "sum")
        return total


def policy_learner(model: LanguageModel, *, share_prompts: bool = True, **settings: Any) -> Learner:
    """A Learner of a policy. Prompts are shared where the model, tried on a few tokens, gives the same log-probs.

    Dropout is switched off in the model: a ratio of two passes must compare policies, not two draws of masks.
    """
    _switch_off_dropout(model)
    share_prompts = share_prompts and _can_share_prompts(model)
    module = TokenLogProbs(model, share_prompts=share_prompts)
    return Learner(module, share_prompts=share_prompts, line_tokens=module.line_tokens, **settings)


def _factor(warmup_steps: int, decay_steps: int, step: int) -> float:
    """What the learning rate is multiplied with at a step, counted from 0."""
    decayed = 1.0 - 0.9 * min(1.0, step / decay_steps) if decay_steps else 1.0
    return min(1.0, (step + 1) / (warmup_steps + 1)) * decayed


def _weightless(batch: Batch) -> Batch:
    """One row of two tokens, with the columns of `batch`, on which every loss and every weight is zero."""
    device = batch.ids_BT.device
    there = torch.ones(1, 2, dtype=torch.bool, device=device)
    learned = torch.tensor([[False, True]], device=device)
    zero = torch.zeros(1, dtype=torch.long, device=device)
    columns = {
        name: column.new_full((1, 2, *column.shape[2:]), float(name.endswith("temperature")))
        for name, column in batch.columns.items()
    }
    return Batch(torch.zeros(1, 2, dtype=torch.long, device=device), there, learned, zero + 1, zero, zero, columns)


def spread(values_N: torch.Tensor, layout: Layout, batch: Batch) -> torch.Tensor:
    """Values of the learned tokens, (N,) or (N, K), at their places in the batch, 0 elsewhere."""
    return values_N.new_zeros(*batch.ids_BT.shape, *values_N.shape[1:]).index_put(layout.target_N, values_N)


def _listed(logits_NV: torch.Tensor, layout: Layout, batch: Batch) -> torch.Tensor:
    """Log-probs of the tokens that a teacher lists, (N, K), at the teacher's temperature, which is 1 unless told."""
    if TEACHER_TEMPERATURE in batch.columns:
        logits_NV = logits_NV / batch.columns[TEACHER_TEMPERATURE][layout.target_N].unsqueeze(1)
    ids_NK = batch.columns[TEACHER_IDS][layout.target_N].long()
    return torch.log_softmax(logits_NV, dim=-1).gather(1, ids_NK)


def _switch_off_dropout(model: LanguageModel) -> None:
    """Models keep their dropout in modules or in float attributes such as `attention_dropout`."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if ("dropout" in name or name == "layerdrop") and isinstance(value, float):
                setattr(module, name, 0.0)


@torch.no_grad()
def _head_is_plain(model: LanguageModel) -> bool:
    """Whether logits are the output embedding applied to the decoder's states, with no cap or scale after it."""
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    if decoder is None or head is None:
        return False
    was_training = model.training
    model.eval()
    layout = layout_of(model)(_two_rows(model))
    plain = torch.allclose(
        logits(model, layout), head(states(encoder_of(model), decoder, layout)), atol=1e-5, rtol=1e-4
    )
    model.train(was_training)
    return bool(plain)


def _can_share_prompts(model: LanguageModel) -> bool:
    """Whether a policy gives the same log-probs when prompts are shared."""
    plain, shared = (TokenLogProbs(model, share_prompts=share) for share in (False, True))
    return obeys_shared_prompts(
        model,
        lambda batch: plain(batch, 1.0, LOG_PROBS)["log_probs"],
        lambda batch: shared(batch, 1.0, LOG_PROBS)["log_probs"],
    )


@torch.no_grad()
def obeys_shared_prompts(
    model: LanguageModel, plain: Callable[[Batch], torch.Tensor], shared: Callable[[Batch], torch.Tensor]
) -> bool:
    """Whether a model obeys a mask of its own for each group: recurrent models do not.

    Both functions give what it says about each token of a batch, (B, T, ...); `shared` by lines that share a prompt.
    A sliding window is not applied under such a mask, which rows longer than the window would show, so it is refused.
    Behind an encoder, which has read the prompt once, there is nothing to share.
    """
    if model.config.is_encoder_decoder or getattr(model.config.get_text_config(), "sliding_window", None) is not None:
        return False
    batch = _two_rows(model)
    was_training = model.training
    model.eval()
    try:
        same = torch.allclose(plain(batch)[batch.learned_BT], shared(batch)[batch.learned_BT], atol=1e-4)
    except (TypeError, ValueError, RuntimeError):
        return False  # the model takes no such mask or no positions
    finally:
        model.train(was_training)
    return bool(same)


def _two_rows(model: LanguageModel) -> Batch:
    """A few tokens to try a model on: two completions of one prompt."""
    ids_BT = torch.arange(18, device=model.device).reshape(2, 9) % model.config.get_text_config().vocab_size
    ids_BT[1, :4] = ids_BT[0, :4]
    everything_BT = torch.ones_like(ids_BT, dtype=torch.bool)
    learned_BT = everything_BT.clone()
    learned_BT[:, :4] = False
    prompt_B = torch.full((2,), 4, device=model.device)
    one = torch.zeros_like(prompt_B)
    return Batch(ids_BT, everything_BT, learned_BT, prompt_B, one, one, {})
