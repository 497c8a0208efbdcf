"""What answers requests: the models behind their engines, the critic, the grader, and how much of each one may have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from critics.model import OutcomeCritic, load_critic, same_ids
from envs.errors import UserError
from envs.grading import Grader
from rl.models import Policy, load_policy, policy_folder
from rl.serve.engine import Ask, ClosedError, Engine, Work
from rl.serve.errors import ApiError, bad_request, internal, shutting_down
from rl.serve.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Models:
    """What is served."""

    policy: Path
    """Run folder, model folder or hub name."""
    critic: Path | None = None
    """Folder of a critic; without one there is no critic sampling."""
    repair: Path | None = None
    """Repair model, as the policy."""
    name: str | None = None
    """What clients call it; by default the last part of the policy's path."""


@dataclass(frozen=True, slots=True)
class Shares:
    """How much one request may ask for."""

    max_rows: int = 64
    """Completions that are open at once, and so the most choices of one prompt."""
    max_prompts: int = 256
    """Prompts of one request."""
    max_tokens: int = 4096
    """Longest completion."""
    max_budget: int = 2**17
    """Tokens that critic sampling may generate for one request."""
    max_tests: int = 64
    """Example tests of a problem."""
    max_cpu_s: float = 10.0
    """CPU seconds of one run of a program."""
    max_memory_mb: int = 1024
    """Address space of a program, in MiB."""
    searches: int = 8
    """Problems that are searched at once; others wait."""


class Service:
    """Models that are loaded, with what runs them. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        *,
        critic: OutcomeCritic | None = None,
        repair: Policy | None = None,
        grader: Grader | None = None,
        shares: Shares = Shares(),
        metrics: Metrics | None = None,
    ) -> None:
        """`grader` is closed with the service; critic sampling needs it and the critic."""
        self.name, self.policy, self.critic, self.grader, self.shares = name, policy, critic, grader, shares
        self.metrics = metrics or Metrics()
        self.engine = Engine(policy, shares.max_rows)
        self.repair_engine = Engine(repair, shares.max_rows) if repair is not None else None
        self.searches = ThreadPoolExecutor(shares.searches, thread_name_prefix="search")
        self.token_text = lru_cache(maxsize=2**17)(self._token_text)
        self.metrics.watch("open_completions", "Completions in the batch", lambda: self.engine.load[0])
        self.metrics.watch("waiting_completions", "Completions that wait for it", lambda: self.engine.load[1])

    def close(self) -> None:
        """End the engines, which fails what they have not done, and the grader."""
        self.engine.close()
        if self.repair_engine is not None:
            self.repair_engine.close()
        if self.grader is not None:
            self.grader.close()
        self.searches.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def encode(self, text: str) -> tuple[int, ...]:
        """Ids of a text; of an empty one the end of text, since a model must begin with something."""
        return await asyncio.to_thread(self.policy.encode, text) or (self.policy.end_id,)

    def longest(self, prompt_ids: Sequence[int], wanted: int | None) -> int:
        """Tokens that a completion of a prompt may have: those that are wanted, or fewer where the model has less room.

        Raises ApiError where the prompt leaves no room, and for more than the server gives.
        """
        most, positions = self.shares.max_tokens, self.policy.positions
        if wanted is not None and wanted > most:
            raise bad_request(f"max_tokens: expected at most {most}; got {wanted}", "max_tokens")
        room = self.engine.room(len(prompt_ids))
        if positions is not None and len(prompt_ids) + (wanted != 0) > positions:
            raise bad_request(
                f"the prompt has {len(prompt_ids)} tokens, which leaves no room in the model's {positions} positions",
                code="context_length_exceeded",
            )
        return min(most if wanted is None else wanted, room)

    async def steps(self, asks: Sequence[Ask], *, every_token: bool) -> AsyncGenerator[Work, None]:
        """The work on asks, again and again as it grows, or once it is done; whoever stops listening cancels it.

        Raises ApiError where it fails.
        """
        loop, changed = asyncio.get_running_loop(), asyncio.Event()
        try:
            work = self.engine.submit(asks, lambda: loop.call_soon_threadsafe(changed.set), every_token=every_token)
        except ClosedError as error:
            raise failure(error) from None
        try:
            done = False
            while not done:
                await changed.wait()
                changed.clear()
                done = work.done  # looked at first: what is appended before is seen below
                if work.error is not None:
                    raise failure(work.error)
                yield work
        finally:
            work.cancel()
            self._count(work)

    def _count(self, work: Work) -> None:
        self.metrics.prompt_tokens.inc(sum(len(ask.prompt_ids) for ask in work.asks[: work.begun]))
        self.metrics.generated_tokens.inc(sum(len(row.ids) for rows in work.rows for row in rows))

    def _token_text(self, token: int) -> str:
        """One token as text; a part of a character as the tokenizer's own name for it, so that no two look alike."""
        tokenizer = self.policy.tokenizer
        text = str(tokenizer.decode([token], clean_up_tokenization_spaces=False))
        return str(tokenizer.convert_ids_to_tokens(token)) if "�" in text else text


def failure(error: Exception) -> ApiError:
    """What a client is told of work that failed: nothing of what is inside."""
    return shutting_down() if isinstance(error, ClosedError) else internal()


def load_service(
    models: Models, shares: Shares, metrics: Metrics, *, workers: int | None = None, isolation: str | None = None
) -> Service:
    """Read the models from their folders, onto the GPU where there is one, and start what runs them.

    Raises UserError for what cannot be read, and for a critic or repair model of another tokenizer than the policy's.
    """
    policy = load_policy(str(policy_folder(models.policy)))
    critic = None if models.critic is None else load_critic(models.critic, policy.tokenizer).eval()
    repair = None if models.repair is None else load_policy(str(policy_folder(models.repair)))
    if repair is not None and critic is None:
        raise UserError("--repair: a repair model mends what critic sampling finds; expected --critic as well")
    if repair is not None and not same_ids(repair.tokenizer, policy.tokenizer):
        raise UserError(f"--repair: {models.repair} was made with another tokenizer than {models.policy}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for model in (policy.model, critic, None if repair is None else repair.model):
        if model is not None:
            model.to(device)
    grader = Grader(workers, isolation=isolation) if critic is not None else None
    name = models.name or models.policy.resolve().name
    return Service(name, policy, critic=critic, repair=repair, grader=grader, shares=shares, metrics=metrics)
