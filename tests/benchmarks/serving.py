"""Tokens per second that the server gives to clients at once, beside `generate` for one request after the other.

    python -m tests.benchmarks.serving [--model FOLDER] [--clients 16] [--requests 96] [--json OUT]

Every request asks for exactly `--tokens` tokens of a prompt of its own; the server is a process of its own, and its
clients speak HTTP. `generate` is transformers' own, with its cache, in this process and alone: no HTTP, no queue.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from envs.problem_sets import load_problems
from envs.prompts import plain
from rl.models import Policy, load_policy, policy_folder
from tests.command import serving
from tests.rl.serve.running import ask

PROMPTS = 96


def main() -> None:
    """Measure both in turn, twice, and print what was found."""
    options = _options()
    with tempfile.TemporaryDirectory() as where:
        folder = options.model or _scratch(Path(where))
        policy = load_policy(str(policy_folder(folder)))
        prompts = [plain(problem).text for problem in load_problems("basics", "test").problems[:PROMPTS]]
        prompts = [prompts[i % len(prompts)] for i in range(options.requests)]
        found: dict[str, list[float]] = {"generate": [], "server": []}
        with serving("--policy", str(folder), "--name", "it", "--max-rows", str(max(64, options.clients))) as served:
            for _ in range(2):
                found["generate"].append(_rate(options, lambda: _generate(policy, prompts, options.tokens)))
                found["server"].append(
                    _rate(options, lambda: _ask(served.url, prompts, options.tokens, options.clients))
                )
    best = {name: max(rates) for name, rates in found.items()}
    result = {
        "command": " ".join(["python -m tests.benchmarks.serving", *sys.argv[1:]]),
        "clients": options.clients,
        "requests": options.requests,
        "tokens": options.tokens,
        "cores": len(os.sched_getaffinity(0)),
        "parameters": sum(p.numel() for p in policy.model.parameters()),
        "tokens per second": found,
        "server / generate": best["server"] / best["generate"],
    }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")


def _rate(options: argparse.Namespace, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return options.requests * options.tokens / (time.perf_counter() - began)


def _generate(policy: Policy, prompts: list[str], tokens: int) -> None:
    for prompt in prompts:
        ids = torch.tensor([policy.encode(prompt)])
        with torch.inference_mode():
            answer = policy.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                pad_token_id=policy.end_id,
            )
        assert answer.shape[1] == ids.shape[1] + tokens


def _ask(url: str, prompts: list[str], tokens: int, clients: int) -> None:
    """Each client sends its next request when it has its answer. An answer that ends early is asked for again."""
    waiting = list(prompts)

    def client() -> None:
        while True:
            try:
                prompt = waiting.pop()
            except IndexError:
                return
            missing = tokens
            while missing:
                body: dict[str, Any] = {"model": "it", "prompt": prompt, "max_tokens": missing}
                reply = ask(f"{url}/v1/completions", body)
                assert reply.status == 200, reply.body
                missing -= reply.json["usage"]["completion_tokens"]

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _scratch(folder: Path) -> Path:
    """A model of the quickstart's shape that has learned nothing: it seldom ends a text by itself."""
    texts = [plain(problem).text for problem in load_problems("basics", "train").problems[:200]]
    load_policy("scratch:tiny", texts, seed=0).save(folder)
    return folder


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="run or model folder (default: an untrained scratch:tiny)")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=96)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
