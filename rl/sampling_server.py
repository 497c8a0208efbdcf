"""Sampling by a vLLM server that is sent the policy's weights, over the protocol that TRL's client speaks with it.

The server (vLLM 0.29) is started by

    VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --weight-transfer-config '{"backend": "nccl"}' \\
        --logprobs-mode processed_logprobs --max-logprobs -1

Weights are sent when they are others than those sent last, so also when a run goes on; then the server must say of a
few tokens what the policy says. Tests speak with a small server of this protocol; the way by NCCL has not been run.
"""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeAlias, TypeVar

import torch

from envs.errors import UserError
from envs.problem import Problem
from envs.rollout import Group, StopReason
from rl.decode import Completion, StopStrings
from rl.engine import is_main, together
from rl.models import LanguageModel
from rl.write import Write

PARALLEL = 64
"""Prompts that are asked for at once."""
PROBE_TOKENS = 32
APART = 0.1
"""Largest difference between the log-probs of policy and server, whose arithmetic may be in half precision."""
GROUP_PORT = 51216
"""Where the server's workers meet this process to receive weights."""
TIMEOUT_S = 1800.0


class Channel(Protocol):
    """What weights go through."""

    def send(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Send named weights, in the order in which they were announced."""


T = TypeVar("T")
OpenChannel: TypeAlias = Callable[[Mapping[str, Any]], Channel]
"""What both sides are told of where they meet -> the channel, once both are there."""


class SamplingServer:
    """A server that writes the policy's programs; its `sample` takes the place of `rl.decode.sample`."""

    def __init__(self, url: str, open_channel: OpenChannel | None = None) -> None:
        """Find the server's model; raises UserError where no vLLM server answers that takes weights."""
        self.url = url.rstrip("/")
        self.open_channel = open_channel or nccl_channel
        self.channel: Channel | None = None
        self.sent: tuple[float, ...] | None = None
        self.model = self._call("/v1/models")["data"][0]["id"]
        about = self._call("/server_info?config_format=json")["vllm_config"]
        if about["weight_transfer_config"] is None:
            raise UserError(
                f"sampling.server: {self.url} takes no weights; start it with VLLM_SERVER_DEV_MODE=1 and "
                """--weight-transfer-config '{"backend": "nccl"}'"""
            )

    def sample(
        self,
        model: LanguageModel,
        prompts_P: Sequence[Sequence[int]],
        seeds_PG: Sequence[Sequence[int]],
        *,
        temperature: float,
        max_new_tokens: int,
        end_id: int,
        stop: StopStrings | None = None,
        greedy_last: bool = False,
    ) -> list[list[Completion]]:
        """As `rl.decode.sample`, but that a group has one seed, and what it draws depends on what the server runs."""
        asked = {"max_tokens": max_new_tokens, "stop_token_ids": [end_id]}
        if stop is not None:
            asked |= {"stop": list(stop.strings), "include_stop_str_in_output": True}

        def group(prompt: Sequence[int], seeds: Sequence[int]) -> list[Completion]:
            n = len(seeds) - greedy_last
            sampled = self._complete(prompt, asked | {"n": n, "temperature": temperature, "seed": seeds[0] % 2**31})
            return sampled + (self._complete(prompt, asked | {"n": 1, "temperature": 0.0}) if greedy_last else [])

        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(group, prompts_P, seeds_PG))

    def synced(self, write: Write, model: LanguageModel) -> Write:
        """The same writing, with the weights that `model` has when it begins; every rank begins together."""

        def synced(problems: Sequence[Problem], round_number: int) -> Iterator[Group]:
            self.sync(model)
            yield from write(problems, round_number)

        return synced

    def sync(self, model: LanguageModel) -> None:
        """Have the server sample by these weights; every rank calls it, one of them sends. Raises UserError."""
        if model.config.is_encoder_decoder:
            raise UserError("sampling.server: expected a causal language model; got an encoder-decoder")
        now = tuple(float(parameter.detach().double().sum()) for parameter in model.parameters())
        if now != self.sent:
            together(lambda: self._send(model) if is_main() else None)
            self.sent = now

    def _send(self, model: LanguageModel) -> None:
        if self.channel is None:
            self.channel = self._meet()
        channel, weights = self.channel, [(name, value.data) for name, value in model.named_parameters()]
        announced = {
            "names": [name for name, _ in weights],
            "dtype_names": [str(value.dtype).removeprefix("torch.") for _, value in weights],
            "shapes": [list(value.shape) for _, value in weights],
        }
        self._call("/start_weight_update", {})
        self._while(("/update_weights", {"update_info": announced}), lambda: channel.send(weights))
        self._call("/finish_weight_update", {})
        self._call("/reset_prefix_cache", {})  # it holds states of the old weights
        self._compare(model)

    def _meet(self) -> Channel:
        """Open the channel: this process is rank 0, the server's workers are the others."""
        told = {
            "master_address": _own_address(self.url),
            "master_port": GROUP_PORT,
            "rank_offset": 1,
            "world_size": self._call("/get_world_size")["world_size"] + 1,
            "packed": True,
        }
        return self._while(("/init_weight_transfer_engine", {"init_info": told}), lambda: self.open_channel(told))

    def _while(self, request: tuple[str, dict[str, Any]], work: Callable[[], T]) -> T:
        """Do our part while the server, which answers when both are done, does its own."""
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self._call, *request)
            done = work()
            answer.result()
        return done

    @torch.no_grad()
    def _compare(self, model: LanguageModel) -> None:
        """Raise UserError where the server does not say of a few tokens what the policy says."""
        vocabulary = model.config.get_text_config().vocab_size
        ids = [7919 * (place + 1) % vocabulary for place in range(PROBE_TOKENS)]
        asked = {"max_tokens": 1, "temperature": 1.0, "prompt_logprobs": 0}
        (choice,) = self._choices(ids, asked)
        theirs = [
            listed[str(token)]["logprob"] for token, listed in zip(ids[1:], choice["prompt_logprobs"][1:], strict=True)
        ]
        logits_TV = model(input_ids=torch.tensor([ids], device=model.device)).logits[0, :-1].float()
        ours_T = torch.log_softmax(logits_TV, dim=-1).gather(1, torch.tensor(ids[1:], device=model.device)[:, None])
        apart = float((torch.tensor(theirs) - ours_T[:, 0].cpu()).abs().max())
        if not apart <= APART:
            raise UserError(
                f"sampling.server: after weights were sent to {self.url} its log-probs are {apart:.2g} apart from the "
                f"policy's; expected at most {APART:g}: does it serve the same kind of model, with "
                f"--logprobs-mode processed_logprobs?"
            )

    def _complete(self, prompt: Sequence[int], asked: Mapping[str, Any]) -> list[Completion]:
        whole = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "logprobs": 0}
        return [_completion(choice) for choice in self._choices(prompt, whole | dict(asked))]

    def _choices(self, prompt: Sequence[int], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        body = {
            "model": self.model,
            "prompt": list(prompt),
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
        }
        choices: list[dict[str, Any]] = self._call("/v1/completions", body | dict(asked))["choices"]
        return choices

    def _call(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Post a body, or get where there is none."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
                said = reply.read()
        except urllib.error.HTTPError as error:
            told = " ".join(error.read(2000).decode("utf-8", "replace").split())[:300]
            raise UserError(f"sampling.server: {self.url}{path} answers {error.code}: {told or error.reason}") from None
        except (OSError, ValueError) as error:
            raise UserError(f"sampling.server: no vLLM server answers at {self.url}: {error}") from None
        return json.loads(said) if said else {}


def nccl_channel(told: Mapping[str, Any]) -> Channel:
    """The channel of vLLM's weight transfer; raises UserError where it cannot be had."""
    if not torch.cuda.is_available():
        raise UserError(
            "sampling.server: weights reach a vLLM server through NCCL, which needs a GPU here; there is none"
        )
    try:
        from vllm.distributed.weight_transfer.nccl_common import trainer_init
        from vllm.distributed.weight_transfer.packed_tensor import packed_nccl_broadcast_producer
    except ImportError as error:
        raise UserError(f"sampling.server: vLLM 0.29 is not installed ({error}); install rl-train[vllm]") from None
    group = trainer_init(dict(told))

    class Nccl:
        def send(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
            packed_nccl_broadcast_producer(
                iterator=iter(weights), group=group, src=0, post_iter_func=lambda item: item[1]
            )

    return Nccl()


def _completion(choice: Mapping[str, Any]) -> Completion:
    ids, log_probs = tuple(choice["token_ids"]), tuple(choice["logprobs"]["token_logprobs"])
    if choice["finish_reason"] == "length":
        stop = StopReason.LENGTH
    else:
        stop = StopReason.STOP_STRING if isinstance(choice.get("stop_reason"), str) else StopReason.END_OF_TEXT
    return Completion(ids, log_probs, stop)


def _own_address(url: str) -> str:
    """The address by which the server's machine reaches this one."""
    parts = urllib.parse.urlsplit(url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname or "", parts.port or 80))
        address: str = probe.getsockname()[0]
    return address
