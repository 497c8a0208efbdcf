"""Judges: a user's reward function in a process of its own, or a reward service over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from tempfile import TemporaryFile
from typing import Any, Protocol

from envs.errors import UserError
from envs.problem import Problem
from envs.reward_audit.shapes import Form, Shape, asking, reward_in

START_S = 300.0
"""Seconds in which a module must have been imported: torch and its like take long."""


class JudgeEndedError(Exception):
    """The judge ended, hung or raised instead of answering; the text says which."""


class Judge(Protocol):
    """What gives rewards."""

    shape: Shape
    """How it is asked."""

    def reward(self, problem: Problem, program: str, form: Form) -> float | None:
        """The reward of one program; None where it could not tell. Raises JudgeEndedError."""

    def renew(self) -> None:
        """Forget what earlier programs may have left in it."""

    def close(self) -> None:
        """End it."""


class FunctionJudge:
    """The reward function that MODULE:FUNCTION or FILE.py:FUNCTION names."""

    def __init__(self, name: str, deadline_s: float = 60.0) -> None:
        """Import it, in another process. Raises UserError for one that is not there or has an unknown signature."""
        self.name = name
        self.deadline_s = deadline_s
        self._process: subprocess.Popen[bytes] | None = None
        self._to = self._from = -1
        self._unread = b""
        self._start()

    def reward(self, problem: Problem, program: str, form: Form) -> float | None:
        """As `Judge.reward`."""
        if self._process is None:
            self._start()
        nonce = secrets.token_hex(8)
        request = {"nonce": nonce, "arguments": asking(self.shape, form, problem, program)}
        with contextlib.suppress(BrokenPipeError):  # it has ended, which reading tells
            os.write(self._to, json.dumps(request).encode() + b"\n")
        try:
            answer = self._read(nonce, self.deadline_s)
        except JudgeEndedError:
            self._kill()
            raise
        if "raised" in answer:
            raise JudgeEndedError(f"raised {answer['raised']}")
        reward: float | None = answer["reward"]
        return reward

    def renew(self) -> None:
        """As `Judge.renew`."""
        self.close()

    def close(self) -> None:
        """Let it end by itself, so that its own workers end, too."""
        if self._process is None:
            return
        os.close(self._to)
        self._to = -1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._kill()

    def _start(self) -> None:
        there, self._to = os.pipe()
        self._from, back = os.pipe()
        command = [sys.executable, "-m", "envs.reward_audit.child", self.name, str(there), str(back)]
        with TemporaryFile() as said:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, pass_fds=(there, back),
                start_new_session=True,
            )  # fmt: skip
            os.close(there)
            os.close(back)
            self._unread = b""
            try:
                answer = self._read("start", START_S)
            except JudgeEndedError as error:
                self._kill()
                said.seek(0)
                last = said.read().decode(errors="replace").strip().splitlines()[-1:]
                raise UserError(f"--reward: importing {self.name} {error}: {' '.join(last)}") from None
        if "mistake" in answer:
            self._kill()
            raise UserError(answer["mistake"])
        self.shape = Shape(answer["shape"])

    def _read(self, nonce: str, deadline_s: float) -> dict[str, Any]:
        """The answer of this nonce; lines without it are noise."""
        until = time.monotonic() + deadline_s
        while True:
            line, newline, rest = self._unread.partition(b"\n")
            if newline:
                self._unread = rest
                word, _, text = line.decode(errors="replace").partition(" ")
                if word == nonce:
                    answer: dict[str, Any] = json.loads(text)
                    return answer
                continue
            if not select.select([self._from], [], [], max(0.0, until - time.monotonic()))[0]:
                raise JudgeEndedError(f"gave no answer in {deadline_s:g} s")
            if not (part := os.read(self._from, 65536)):
                assert self._process is not None
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(10)
                raise JudgeEndedError(f"ended with status {self._process.returncode}")
            self._unread += part

    def _kill(self) -> None:
        """End the process and all of its session."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        for descriptor in (self._to, self._from):
            if descriptor >= 0:
                os.close(descriptor)


class UrlJudge:
    """A reward service that is sent one completion at a time."""

    def __init__(self, url: str, shape: Shape, deadline_s: float = 60.0) -> None:
        """Raises UserError for an address that is not of HTTP."""
        if not url.startswith(("http://", "https://")):
            raise UserError(f"--url: expected http://... or https://...; got {url}")
        self.url = url
        self.shape = shape
        self.deadline_s = deadline_s

    def reward(self, problem: Problem, program: str, form: Form) -> float | None:
        """As `Judge.reward`."""
        body = json.dumps(asking(self.shape, form, problem, program)).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self.deadline_s) as reply:
                return reward_in(json.loads(reply.read()))
        except urllib.error.HTTPError as error:
            raise JudgeEndedError(f"answered with status {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise JudgeEndedError(f"gave no answer: {error}") from None

    def renew(self) -> None:
        """Nothing: what a program left in a service, only its owner can undo."""

    def close(self) -> None:
        """Nothing: the service goes on."""


def judge_of(reward: str | None, url: str | None, shape: str, deadline_s: float) -> Judge:
    """The judge that a command line names: a function, or else a service that is asked in a shape."""
    if reward is not None:
        return FunctionJudge(reward, deadline_s)
    return UrlJudge(url or "", Shape(shape), deadline_s)
