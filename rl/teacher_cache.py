"""What a paid server has answered, kept so that nothing is paid for twice, and what it has cost so far.

A line is on the disk before a request is sent and when its answer has come, so a budget holds and an answer stays
whatever kills the process. A request without an answer counts at the most that it may have cost.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envs.errors import UserError
from rl.durable import append_line, lines_of, without_torn_tail

Choice = Mapping[str, Any]
"""One answer: `text` and `finish_reason`, as the server gave them."""


def key_of(request: Mapping[str, Any]) -> str:
    """The name of a request: a hash of everything that decides its answer."""
    text = json.dumps(request, sort_keys=True, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class AnswerCache:
    """The answers of a folder; one process at a time adds to one file of it. Safe to use from several threads."""

    def __init__(
        self,
        folder: Path,
        *,
        max_requests: int | None = None,
        max_tokens: int | None = None,
        part: int = 0,
        parts: int = 1,
    ) -> None:
        """Read the folder. The budgets bound what it has cost over all runs; None is no bound.

        Each of `parts` ranks writes a file of its own and may spend its share of what is left. Raises UserError where
        another process holds this rank's file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"answers-{part:03d}.jsonl"
        self._lock = (folder / f".answers-{part:03d}.lock").open("a")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise UserError(
                f"teacher.cache: {folder} is in use by another run, which may be paying for the same answers; wait "
                f"until it ends, or name another folder"
            ) from None
        without_torn_tail(self.file)
        self._mutex = threading.Lock()
        self._answers: dict[str, Sequence[Choice]] = {}
        self._tokens_of: dict[int, int] = {}
        requests = tokens = 0
        for path in sorted(folder.glob("answers-*.jsonl")):
            costs = self._read(path)
            requests, tokens = requests + len(costs), tokens + sum(costs.values())
            if path == self.file:
                self._tokens_of = costs
        self._number = max(self._tokens_of, default=0)
        own_requests, own_tokens = len(self._tokens_of), sum(self._tokens_of.values())
        self.max_requests = None if max_requests is None else own_requests + (max_requests - requests) // parts
        self.max_tokens = None if max_tokens is None else own_tokens + (max_tokens - tokens) // parts

    @property
    def requests(self) -> int:
        """Requests of this file that may have cost something."""
        return len(self._tokens_of)

    @property
    def tokens(self) -> int:
        """Tokens that the requests of this file have cost, at most."""
        return sum(self._tokens_of.values())

    def get(self, key: str) -> Sequence[Choice] | None:
        """The answers to a request; None where it was never answered."""
        with self._mutex:
            return self._answers.get(key)

    def spend(self, at_most: int) -> int:
        """Note that a request of at most so many tokens is about to be sent; returns its number.

        Raises UserError, and notes nothing, where it does not fit into a budget.
        """
        with self._mutex:
            for name, limit, used, more in (
                ("max_requests", self.max_requests, self.requests, 1),
                ("max_tokens", self.max_tokens, self.tokens, at_most),
            ):
                if limit is not None and used + more > limit:
                    raise UserError(
                        f"teacher.{name}: the next request would exceed the budget: {used} spent, {more} needed, "
                        f"{limit} allowed; answers so far are kept in {self.file.parent}; raise the budget to go on"
                    )
            self._number += 1
            self._tokens_of[self._number] = at_most
            append_line(self.file, json.dumps({"sent": self._number, "tokens": at_most}))
            return self._number

    def refused(self, number: int) -> None:
        """Note that the server took no such request, so that it cost nothing."""
        with self._mutex:
            append_line(self.file, json.dumps({"refused": number}))
            del self._tokens_of[number]

    def add(
        self, number: int, key: str, choices: Sequence[Choice], tokens: int | None, facts: Mapping[str, Any]
    ) -> None:
        """Keep the answers to a request, on the disk when this returns; `tokens` is what it cost, None if unknown."""
        with self._mutex:
            cost = self._tokens_of[number] if tokens is None else tokens
            line = {"answered": number, "key": key, "tokens": cost, "choices": list(choices), **facts}
            append_line(self.file, json.dumps(line))
            self._tokens_of[number] = cost
            self._answers[key] = choices

    def __enter__(self) -> AnswerCache:
        return self

    def __exit__(self, *_: object) -> None:
        """Let another process use the file."""
        self._lock.close()

    def _read(self, path: Path) -> dict[int, int]:
        """Take in the answers of a file; returns tokens by number of request."""
        costs: dict[int, int] = {}
        for line in lines_of(path):
            row = json.loads(line)
            if "sent" in row:
                costs[row["sent"]] = row["tokens"]
            elif "refused" in row:
                del costs[row["refused"]]
            else:
                costs[row["answered"]] = row["tokens"]
                self._answers[row["key"]] = row["choices"]
        return costs
