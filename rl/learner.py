"""Learner: module, optimizer, schedule and state; one call of `step` is one optimizer update.

Axes: B rows, T tokens, V vocabulary, N learned tokens of a micro-batch, H hidden width.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from transformers import PreTrainedModel

from rl.batch import Batch
from rl.engine import make_accelerator
from rl.losses import Term, denominator, rows_in_use, weighted_sum


class TokenLogProbs(nn.Module):
    """A causal language model seen as a function from rows to the log-prob of each learned token."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.head_is_plain = _head_is_plain(model)

    def forward(self, batch: Batch, temperature: float) -> torch.Tensor:
        """log_probs_BT of the tokens of `batch` at `temperature`; 0 where nothing is learned.

        Rows are padded on the right and attention is causal, so a token never sees padding. Only the positions that
        predict a learned token go through the output head.
        """
        row_N, column_N = batch.learned_BT.nonzero(as_tuple=True)
        arguments = {"input_ids": batch.ids_BT, "attention_mask": batch.present_BT, "use_cache": False}
        if self.head_is_plain:
            hidden_BTH = self.model.get_decoder()(**arguments).last_hidden_state
            logits_NV = self.model.get_output_embeddings()(hidden_BTH[row_N, column_N - 1])
        else:
            logits_NV = self.model(**arguments).logits[row_N, column_N - 1]
        log_probs_NV = torch.log_softmax(logits_NV.float() / temperature, dim=-1)
        log_probs_N = log_probs_NV.gather(1, batch.ids_BT[row_N, column_N].unsqueeze(1)).squeeze(1)
        return log_probs_N.new_zeros(batch.ids_BT.shape).index_put((row_N, column_N), log_probs_N)


class Learner:
    """Trains one model; every recipe and every critic is fitted by this class."""

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        learning_rate: float,
        weight_decay: float = 0.0,
        warmup_steps: int = 0,
        max_grad_norm: float = 1.0,
        micro_batch_tokens: int = 16384,
    ) -> None:
        """`micro_batch_tokens` bounds rows times length of one pass: it changes memory and speed, not the gradient."""
        self.accelerator = make_accelerator()
        self.model = model
        self.n_steps = 0
        self.max_grad_norm = max_grad_norm
        self.micro_batch_tokens = micro_batch_tokens
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1.0, (n + 1) / (warmup_steps + 1)))
        self.log_probs, self.optimizer, self.schedule = self.accelerator.prepare(
            TokenLogProbs(model), optimizer, schedule
        )

    def step(self, batch: Batch, objective: tuple[Term, ...], temperature: float = 1.0) -> dict[str, float]:
        """Make one optimizer update on the whole batch; returns the loss of each term and the gradient norm."""
        losses = self.backward(batch, objective, temperature)
        grad_norm = self.accelerator.clip_grad_norm_(self.log_probs.parameters(), self.max_grad_norm)
        self.optimizer.step()
        self.schedule.step()
        self.n_steps += 1
        return {f"loss/{name}": loss for name, loss in losses.items()} | {"grad_norm": float(grad_norm)}

    def backward(self, batch: Batch, objective: tuple[Term, ...], temperature: float) -> dict[str, float]:
        """Leave the gradient of the objective over the whole batch in the parameters; returns the loss of each term.

        Raises ValueError where a term needs a column that the batch lacks.
        """
        for term in objective:
            if missing := [name for name in term.needs if name not in batch.columns]:
                raise ValueError(
                    f"term {term.name} needs column {missing[0]}; the batch has {', '.join(batch.columns)}"
                )
        self.model.train()
        self.optimizer.zero_grad()
        batch = batch.to(self.accelerator.device)
        denominators = {term.name: self._over_ranks(denominator(term, batch)) for term in objective}
        totals = dict.fromkeys(denominators, 0.0)
        for micro_batch in micro_batches(batch, rows_in_use(objective, batch), self.micro_batch_tokens):
            log_probs_BT = self.log_probs(micro_batch, temperature)
            losses = {
                term.name: weighted_sum(term, log_probs_BT, micro_batch) / denominators[term.name] for term in objective
            }
            # Data parallel averages gradients over ranks; the denominator has counted every rank already.
            self.accelerator.backward(sum(losses.values()) * self.accelerator.num_processes)
            totals = {name: total + losses[name].item() for name, total in totals.items()}
        return totals

    def _over_ranks(self, count: torch.Tensor) -> torch.Tensor:
        total: torch.Tensor = self.accelerator.reduce(count.double(), "sum")
        return total.clamp(min=1)


def micro_batches(batch: Batch, rows: torch.Tensor, max_tokens: int) -> Iterator[Batch]:
    """Split rows, sorted by length, so that no part exceeds `max_tokens` padded tokens; a longer row stands alone."""
    lengths = batch.present_BT[rows].sum(dim=1)
    order = torch.argsort(lengths, descending=True, stable=True)
    start = 0
    while start < len(order):
        size = max(1, max_tokens // int(lengths[order[start]]))
        yield batch.rows(rows[order[start : start + size]])
        start += size


@torch.no_grad()
def _head_is_plain(model: PreTrainedModel) -> bool:
    """Whether logits are the output embedding applied to the decoder's states, with no cap or scale after it."""
    decoder, head = model.get_decoder(), model.get_output_embeddings()
    if decoder is None or head is None:
        return False
    was_training = model.training
    model.eval()
    ids = torch.arange(4, device=model.device).unsqueeze(0)
    logits = model(input_ids=ids, use_cache=False).logits
    plain = head(decoder(input_ids=ids, use_cache=False).last_hidden_state)
    model.train(was_training)
    return bool(torch.allclose(logits, plain, atol=1e-5, rtol=1e-4))
