"""Continuous batching: one thread owns the model; completions join and leave its batch between two steps.

    while there is work:  read the prompts that wait;  draw a token for every row;  let ended rows go;  one step

(Yu et al., "Orca", OSDI 2022, schedule by the iteration in this way.) A completion draws from its own stream of random
numbers: the same seed gives the same tokens whoever shares the batch, up to the rounding of the model's arithmetic,
and exactly the same where nobody does.

Axes: B rows that are open, V vocabulary, S places of a prompt.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from envs.errors import UserError
from envs.rollout import StopReason
from rl.decode import close_ranks, draw, uniform
from rl.incremental import CausalRows, check, moved
from rl.models import Policy
from rl.serve.text import TextSoFar

PROMPT_TOKENS = 4096
"""Tokens of prompts, padding included, that are read between two steps; or one prompt."""
LEAST_LOG_PROB = -9999.0
"""What stands for the logarithm of zero, which JSON cannot hold."""


class ClosedError(Exception):
    """The engine ended before the work was done."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Completions that are wanted of one prompt."""

    prompt_ids: tuple[int, ...]
    """At least one id."""
    seeds: tuple[int, ...]
    """Seed of each completion; none where only the prompt is scored."""
    max_new_tokens: int
    """Longest completion."""
    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    """Sample from the fewest tokens that together have this probability."""
    stop: tuple[str, ...] = ()
    """Strings that end a completion."""
    top: int | None = None
    """Likeliest tokens that are told at each place, with their log-probs; None tells none."""
    score_prompt: bool = False
    """Whether the same is told of the prompt's own tokens."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the model says of a token at its place, by its own distribution: at temperature 1, with every token."""

    log_prob: float
    """Of the token that is there."""
    top: tuple[tuple[int, float], ...]
    """The likeliest tokens with theirs, likeliest first."""


@dataclass(slots=True)
class Row:
    """One completion: the engine appends, others read."""

    ask: Ask
    uniform: np.ndarray
    """Its random numbers."""
    ids: list[int] = field(default_factory=list)
    """What was sampled; the last may be the end of text, or complete a stop string."""
    log_probs: list[float] = field(default_factory=list)
    """Of the ids, under the distribution that they were drawn from; at temperature 0, of the model's own."""
    told: list[Told] = field(default_factory=list)
    """Token by token, where the ask wants it."""
    stop: StopReason | None = None
    """Why it ended; None while it is open."""
    text: TextSoFar | None = None
    """Watches for stop strings, where there are any."""


class Work:
    """Asks that were submitted together. The engine fills it, and calls `changed` on its own thread when it has."""

    def __init__(self, asks: Sequence[Ask], changed: Callable[[], object], every_token: bool) -> None:
        self.asks = tuple(asks)
        self.changed = changed
        self.every_token = every_token
        self.rows: list[list[Row]] = [[] for _ in asks]
        """Completions of each ask that has begun, in the order of its seeds."""
        self.prompts: list[list[Told | None]] = [[] for _ in asks]
        """What is told of each prompt's tokens; nothing of the first."""
        self.begun = 0
        """Asks that have begun."""
        self.open = 0
        """Rows that are in the batch."""
        self.cancelled = False
        self.done = False
        """Whether nothing more comes."""
        self.error: Exception | None = None
        """Why it has failed, if it has."""

    def cancel(self) -> None:
        """Nobody waits any more: the engine lets its rows go before the next step."""
        self.cancelled = True


class Engine:
    """A policy's model behind a thread of its own. Thread-safe; use it as a context manager, or call `close`."""

    def __init__(self, policy: Policy, max_rows: int = 64) -> None:
        """At most `max_rows` completions are open at once. Raises UserError for a model that it cannot batch."""
        if policy.model.config.is_encoder_decoder:
            raise UserError(
                f"--policy: expected a causal language model; got {policy.model.config.model_type}, an encoder-decoder"
            )
        check(policy.model, [], 1)
        self.policy = policy
        self.max_rows = max_rows
        self.model = policy.model.eval()
        self.vocabulary = int(policy.model.get_output_embeddings().weight.shape[0])
        """Number of the model's logits; ids of a prompt are below it."""
        self._works: list[Work] = []
        self._open: list[tuple[Work, Row]] = []
        self._rows: CausalRows | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def load(self) -> tuple[int, int]:
        """Completions that are open, and those that wait."""
        with self._changed:
            waiting = sum(len(ask.seeds) for work in self._works for ask in work.asks[work.begun :])
        return len(self._open), waiting

    def room(self, prompt_length: int) -> int:
        """Tokens that fit behind a prompt."""
        positions = self.policy.positions
        return 2**31 if positions is None else max(0, positions - prompt_length)

    def submit(self, asks: Sequence[Ask], changed: Callable[[], object], *, every_token: bool = False) -> Work:
        """Queue asks; `changed` is called when all is done, and with `every_token` after each step too.

        A completion ends with StopReason.LENGTH where the model has no room for more. Raises ClosedError once closed.
        """
        work = Work(asks, changed, every_token)
        with self._changed:
            if self._closed:
                raise ClosedError
            self._works.append(work)
            self._changed.notify()
        return work

    def close(self) -> None:
        """Stop the thread; what is not done fails."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    @torch.inference_mode()
    def _run(self) -> None:
        while self._has_work():
            try:
                self._admit()
                ids_B = self._advance()
                self._tell()
                if self._rows is not None:
                    self._rows.step(ids_B)
            except Exception as error:  # ours: whoever is in the batch learns of it, others find an empty one
                traceback.print_exc()
                _fail([work for work, _ in self._open], error)
                self._rows, self._open = None, []
                self._tell()
        _fail(self._works, ClosedError())

    def _has_work(self) -> bool:
        """Wait for work; False once closed."""
        with self._changed:
            while not (self._closed or self._works or self._open):
                self._changed.wait()
            return not self._closed

    def _admit(self) -> None:
        """Read the next prompts, and add their rows to the batch. What fails here fails for them alone."""
        chosen = self._next()
        try:
            for work, index in chosen:
                work.begun += 1
                if work.asks[index].score_prompt:
                    work.prompts[index] = self._told_of_prompt(work.asks[index])
            self._begin([(work, index) for work, index in chosen if work.asks[index].seeds])
        except Exception as error:
            traceback.print_exc()
            _fail([work for work, _ in chosen], error)

    def _next(self) -> list[tuple[Work, int]]:
        """The asks that come next, in their order, as far as rows and PROMPT_TOKENS bear: (work, index of its ask).

        What fits into no batch has one to itself. Prompts are scored one by one: each token has all its logits.
        """
        chosen: list[tuple[Work, int]] = []
        n_rows, width = len(self._open), 0
        with self._changed:
            waiting = [work for work in self._works if work.begun < len(work.asks) and not work.cancelled]
        for work in waiting:
            for index, ask in enumerate(work.asks[work.begun :], start=work.begun):
                n_rows, width = n_rows + len(ask.seeds), max(width, len(ask.prompt_ids))
                fits = n_rows <= self.max_rows and (not chosen or width * (len(chosen) + 1) <= PROMPT_TOKENS)
                if not fits and (chosen or self._open):
                    return chosen
                chosen.append((work, index))
                if ask.score_prompt:
                    return chosen
        return chosen

    def _begin(self, chosen: Sequence[tuple[Work, int]]) -> None:
        """Read some prompts together and add a row for each of their seeds."""
        prompts, owners, begun = list[Sequence[int]](), list[int](), list[tuple[Work, Row]]()
        for work, index in chosen:
            ask = work.asks[index]
            limit = min(ask.max_new_tokens, self.room(len(ask.prompt_ids)))
            rows = work.rows[index] = [Row(ask, uniform([seed], limit)[0].numpy()) for seed in ask.seeds]
            for row in rows:
                row.stop = None if limit else StopReason.LENGTH
                row.text = TextSoFar(self.policy.decode, ask.stop) if ask.stop else None
            if limit:
                owners += [len(prompts)] * len(rows)
                prompts.append(ask.prompt_ids)
                begun += [(work, row) for row in rows]
        if not begun:
            return
        longest = max(len(row.uniform) for _, row in begun)
        owner_R = torch.tensor(owners, device=self.model.device)
        new = CausalRows(self.model, prompts, [()] * len(prompts), owner_R, longest)
        if self._rows is None:
            self._rows = new
        else:
            self._rows.join(new)
        self._open += begun
        for work, _ in begun:
            work.open += 1

    def _told_of_prompt(self, ask: Ask) -> list[Told | None]:
        ids_1S = torch.tensor([ask.prompt_ids], device=self.model.device)
        log_probs_SV = torch.log_softmax(self.model(input_ids=ids_1S, use_cache=False).logits[0, :-1].float(), dim=-1)
        return [None, *_told(log_probs_SV, ids_1S[0, 1:], ask.top or 0)]

    def _advance(self) -> torch.Tensor:
        """Draw a token for each row, and let those go that have ended or that nobody waits for; the others' ids."""
        if self._rows is None:
            return torch.empty(0, dtype=torch.long)
        ids_B = self._draw(self._rows.logits_BV.float())
        over = [work.cancelled or row.stop is not None for work, row in self._open]
        if not any(over):
            return ids_B
        for (work, _), gone in zip(self._open, over, strict=True):
            work.open -= gone
        gaps, movers, n_open = close_ranks(torch.tensor(over, device=ids_B.device))
        for gap, mover in zip(gaps.tolist(), movers.tolist(), strict=True):
            self._open[gap] = self._open[mover]
        self._open = self._open[:n_open]
        if n_open == 0:
            self._rows = None
        else:
            self._rows.close_ranks(gaps, movers, n_open)
            self._rows.trim()
        return moved(ids_B, gaps, movers, n_open)

    def _draw(self, logits_BV: torch.Tensor) -> torch.Tensor:
        """The next id of each row, noted in the rows."""
        asks = [row.ask for _, row in self._open]
        device = logits_BV.device
        uniform_B = torch.tensor([row.uniform[len(row.ids)] for _, row in self._open], device=device)
        temperature_B1 = torch.tensor([ask.temperature for ask in asks], device=device).unsqueeze(1)
        from_BV = logits_BV
        if any(ask.top_p < 1 and ask.temperature > 0 for ask in asks):
            from_BV = nucleus(logits_BV, temperature_B1, torch.tensor([[ask.top_p] for ask in asks], device=device))
        ids_B, log_probs_B = draw(from_BV, uniform_B, temperature_B1)
        telling = [b for b, ask in enumerate(asks) if ask.top is not None]
        if telling:
            log_probs_AV = torch.log_softmax(logits_BV[telling], dim=-1)
            told_A = _told(log_probs_AV, ids_B[telling], max(asks[b].top or 0 for b in telling))
            for b, told in zip(telling, told_A, strict=True):
                self._open[b][1].told.append(Told(told.log_prob, told.top[: asks[b].top]))
        for (_, row), token, log_prob in zip(self._open, ids_B.tolist(), log_probs_B.tolist(), strict=True):
            row.ids.append(token)
            row.log_probs.append(log_prob)
            row.stop = self._reason(row, token)
        return ids_B

    def _reason(self, row: Row, token: int) -> StopReason | None:
        """Why a row ends with a token that was added; None where it goes on."""
        if row.text is not None:
            row.text.add(token)
            if row.text.stopped:
                return StopReason.STOP_STRING
        if token == self.policy.end_id:
            return StopReason.END_OF_TEXT
        return StopReason.LENGTH if len(row.ids) == len(row.uniform) else None

    def _tell(self) -> None:
        """Say what has changed, and forget works that are done."""
        with self._changed:
            works = tuple(self._works)
        for work in works:
            if not work.done:
                work.done = work.cancelled or (work.open == 0 and work.begun == len(work.asks))
                if work.done or (work.every_token and work.begun):
                    work.changed()
        with self._changed:
            self._works = [work for work in self._works if not work.done]


def nucleus(logits_BV: torch.Tensor, temperature_B1: torch.Tensor, top_p_B1: torch.Tensor) -> torch.Tensor:
    """Logits of the fewest tokens whose probabilities at the temperature sum to top_p at least; minus infinity for all
    others (Holtzman et al., arXiv 1904.09751)."""
    probs_BV = torch.softmax(logits_BV / torch.where(temperature_B1 == 0, 1.0, temperature_B1), dim=-1)
    sorted_BV, order_BV = probs_BV.sort(dim=-1, descending=True, stable=True)
    beyond_BV = sorted_BV.cumsum(dim=-1) - sorted_BV >= top_p_B1
    beyond_BV[:, 0] = False
    beyond_BV &= top_p_B1 < 1
    return logits_BV.masked_fill(torch.zeros_like(beyond_BV).scatter(1, order_BV, beyond_BV), float("-inf"))


def _told(log_probs_SV: torch.Tensor, ids_S: torch.Tensor, top: int) -> list[Told]:
    """The log-prob of each id and the `top` likeliest ones at its place."""
    log_probs_SV = log_probs_SV.clamp(min=LEAST_LOG_PROB)
    own_S = log_probs_SV.gather(1, ids_S.unsqueeze(1)).squeeze(1).tolist()
    values_SK, ids_SK = log_probs_SV.topk(min(top, log_probs_SV.shape[1]), dim=-1)
    rows = zip(own_S, ids_SK.tolist(), values_SK.tolist(), strict=True)
    return [Told(own, tuple(zip(ids, values, strict=True))) for own, ids, values in rows]


def _fail(works: Iterable[Work], error: Exception) -> None:
    for work in works:
        if not work.done:
            work.cancelled, work.done, work.error = True, True, error
            work.changed()
