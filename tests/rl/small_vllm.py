"""A small server of the protocol that TRL's client speaks with vLLM, around a model of transformers, in this process.

Weights come through a list instead of NCCL. Calls in a wrong order are answered with 400, as vLLM's engine refuses them.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

from envs.rollout import StopReason
from rl.decode import StopStrings, sample
from rl.models import Policy

SERVED = "served"


class SmallVllm(ThreadingHTTPServer):
    """Serves a copy of a policy's model whose weights are forgotten, as `--load-format dummy` does."""

    daemon_threads = True

    def __init__(self, policy: Policy, takes_weights: bool = True, temper: float = 1.0) -> None:
        """`temper` scales the logits: a server that does not say what the policy says."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.policy, self.takes_weights, self.temper = policy, takes_weights, temper
        self.model = copy.deepcopy(policy.model)
        for parameter in self.model.parameters():
            parameter.data.zero_()
        self.inbox: list[tuple[str, torch.Tensor]] = []
        self.arrived = threading.Event()
        self.state = "new"
        self.calls: list[str] = []
        self.mutex = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def open_channel(self, told: Mapping[str, Any]) -> SmallVllm:
        assert (told["world_size"], told["rank_offset"]) == (2, 1)
        return self

    def send(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """What the trainer's side of the channel does."""
        self.inbox = [(name, value.clone()) for name, value in weights]
        self.arrived.set()

    def step(self, path: str, before: tuple[str, ...], after: str) -> None:
        if self.state not in before:
            raise ValueError(f"{path} after {self.state}")
        self.state = after

    def receive(self, announced: Mapping[str, Any]) -> None:
        assert self.arrived.wait(30)
        self.arrived.clear()
        held = dict(self.model.named_parameters())
        assert announced["names"] == [name for name, _ in self.inbox]
        for (name, value), dtype, shape in zip(self.inbox, announced["dtype_names"], announced["shapes"], strict=True):
            assert (str(value.dtype), list(value.shape)) == (f"torch.{dtype}", shape)
            held[name].data.copy_(value)

    def complete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        assert body["model"] == SERVED
        if "prompt_logprobs" in body:
            return {"choices": [{"prompt_logprobs": self.prompt_log_probs(body["prompt"])}]}
        assert (body["top_p"], body["top_k"], body["return_token_ids"]) == (1.0, 0, True)
        stop = None
        if "stop" in body:
            stop = StopStrings(body["stop"], self.policy.tokenizer, self.model.config.vocab_size)
        with self.mutex:
            (completions,) = sample(
                self.model,
                [body["prompt"]],
                [[body.get("seed", 0) + place for place in range(body["n"])]],
                temperature=body["temperature"],
                max_new_tokens=body["max_tokens"],
                end_id=body["stop_token_ids"][0],
                stop=stop,
            )
        reasons = {StopReason.LENGTH: ("length", None), StopReason.END_OF_TEXT: ("stop", None)}
        choices = []
        for one in completions:
            reason, stopped = reasons.get(one.stop, ("stop", "a stop string"))
            log_probs = {"tokens": [f"token_id:{token}" for token in one.ids], "token_logprobs": list(one.log_probs)}
            choices.append(
                {"token_ids": list(one.ids), "logprobs": log_probs, "finish_reason": reason, "stop_reason": stopped}
            )
        return {"choices": choices}

    @torch.no_grad()
    def prompt_log_probs(self, ids: list[int]) -> list[dict[str, Any] | None]:
        logits = self.temper * self.model(input_ids=torch.tensor([ids])).logits[0, :-1]
        log_probs = torch.log_softmax(logits.float(), dim=-1)
        return [
            None,
            *({str(t): {"logprob": float(row[t]), "rank": 1}} for t, row in zip(ids[1:], log_probs, strict=True)),
        ]


class Handler(BaseHTTPRequestHandler):
    server: SmallVllm

    def do_GET(self) -> None:
        config = {"weight_transfer_config": {"backend": "nccl"} if self.server.takes_weights else None}
        path = self.path.partition("?")[0]
        answers = {
            "/v1/models": {"data": [{"id": SERVED}]},
            "/server_info": {"vllm_config": config},
            "/get_world_size": {"world_size": 1},
        }
        self._answer(200, answers[path])

    def do_POST(self) -> None:
        server, body = self.server, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.calls.append(self.path)
        try:
            answer: dict[str, Any] = {}
            if self.path == "/init_weight_transfer_engine":
                server.step(self.path, ("new",), "ready")
            elif self.path == "/start_weight_update":
                server.step(self.path, ("ready",), "updating")
            elif self.path == "/update_weights":
                server.step(self.path, ("updating",), "updating")
                server.receive(body["update_info"])
            elif self.path == "/finish_weight_update":
                server.step(self.path, ("updating",), "ready")
            elif self.path == "/v1/completions":
                server.step(self.path, ("ready",), "ready")
                answer = server.complete(body)
            self._answer(200, answer)
        except ValueError as error:
            self._answer(400, {"error": {"message": str(error)}})

    def _answer(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Tests read `calls`."""
