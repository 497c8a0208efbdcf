"""Other projects' clients against the real command, each in an environment of its own, on data that is here."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from rl.models import load_policy
from tests.command import Served, serving
from tests.environments import environment

pytestmark = pytest.mark.soak

LITELLM = """
import sys, litellm
url = sys.argv[1]
ask = dict(model="openai/world", api_base=url, api_key="none", max_tokens=8, seed=1)
whole = litellm.completion(messages=[{"role": "user", "content": "def f(a, b):"}], n=2, **ask)
assert len(whole.choices) == 2 and whole.usage.completion_tokens > 0, whole
pieces = list(litellm.completion(messages=[{"role": "user", "content": "def f(a, b):"}], stream=True, **ask))
text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
assert text == whole.choices[0].message.content, (text, whole)
text = litellm.text_completion(prompt="def f(a, b):", **ask)
assert isinstance(text.choices[0].text, str)
try:
    litellm.completion(messages=[{"role": "user", "content": "a"}], **{**ask, "max_tokens": 10**9})
except litellm.BadRequestError as error:
    assert "max_tokens" in str(error)
else:
    raise AssertionError("a mistake was not told")
"""
LIKELIHOOD = """
task: sums_likelihood
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: right
target_delimiter: ""
metric_list: [{metric: acc}]
"""
GENERATION = """
task: sums_generation
dataset_path: json
dataset_kwargs: {data_files: {test: %s}}
test_split: test
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["\\n\\n", "def"], max_gen_toks: 16, do_sample: false, temperature: 0}
metric_list: [{metric: exact_match}]
"""
ROWS = [
    {"question": f"Give a {sign} b.\ndef f(a, b):", "choices": [f"\n    return a {s} b" for s in "+-*"], "right": i}
    for i, sign in enumerate("+-*")
]


@pytest.fixture(scope="module")
def url(served: Served) -> str:
    return f"{served.url}/v1"


def run(*words: object, folder: Path, **variables: str) -> str:
    """Run a tool to its end; what it wrote."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env=kept | offline | {"OPENAI_API_KEY": "none"} | variables,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


def test_litellm(url: str, tmp_path: Path) -> None:
    run(environment("litellm") / "python", "-c", LITELLM, url, folder=tmp_path)


def test_lm_eval_measures_likelihoods_and_generates(url: str, world_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row | {"answer": "x"}) + "\n" for row in ROWS))
    (tmp_path / "likelihood.yaml").write_text(LIKELIHOOD % (tmp_path / "rows.jsonl"))
    (tmp_path / "generation.yaml").write_text(GENERATION % (tmp_path / "rows.jsonl"))
    model = world_folder / "checkpoints" / "final"
    arguments = f"model=world,base_url={url}/completions,tokenizer={model},tokenizer_backend=huggingface,max_length=1024,num_concurrent=2"
    lm_eval = environment("lm-eval[api]", "transformers") / "lm_eval"
    tasks = ("--tasks", "sums_likelihood,sums_generation", "--include_path", tmp_path)
    run(
        lm_eval, "--model", "local-completions", "--model_args", arguments, *tasks, "--batch_size", 2,
        "--log_samples", "--output_path", tmp_path / "out", folder=tmp_path,
    )  # fmt: skip
    found = {
        (sample["doc"]["question"], choice): response[0]
        for sample in samples(tmp_path / "out", "sums_likelihood")
        for choice, response in zip(sample["doc"]["choices"], sample["filtered_resps"], strict=True)
    }
    policy = load_policy(str(model))
    for (question, choice), value in found.items():
        context, whole = policy.encode(question), policy.encode(question + choice)
        assert whole[: len(context)] == context
        with torch.no_grad():
            log_probs = torch.log_softmax(policy.model(input_ids=torch.tensor([whole])).logits[0], dim=-1)
        expected = sum(float(log_probs[i - 1, whole[i]]) for i in range(len(context), len(whole)))
        assert float(value) == pytest.approx(expected, abs=1e-2)
    assert len(found) == 9
    written = [sample["filtered_resps"][0] for sample in samples(tmp_path / "out", "sums_generation")]
    assert len(written) == 3
    assert not any("def" in text for text in written)


def samples(folder: Path, task: str) -> list[Any]:
    """Rows that lm-eval logged of a task."""
    (file,) = folder.rglob(f"samples_{task}_*.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture
def long_served(small_world: Any, tmp_path: Path) -> Iterator[Served]:
    """EvalPlus asks for chats with 768 tokens, in words that a tokenizer of three problems takes letter by letter."""
    small_world.policy.model.config.max_position_embeddings = 4096
    try:
        small_world.policy.save(tmp_path / "world")
    finally:
        small_world.policy.model.config.max_position_embeddings = 1024
    with serving("--policy", str(tmp_path / "world")) as served:
        yield served


def test_evalplus_generates_through_its_openai_backend(long_served: Served, real_data: Path, tmp_path: Path) -> None:
    source = real_data / "humaneval" / "HumanEval.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(source.read_bytes()).splitlines()]
    more = {"contract": "", "base_input": [], "plus_input": [], "atol": 0}
    with gzip.open(tmp_path / "HumanEvalPlus.jsonl.gz", "wt") as out:
        out.writelines(json.dumps(row | more) + "\n" for row in rows)
    evalplus = environment("evalplus") / "evalplus.codegen"
    words = ("world", "humaneval", "--backend", "openai", "--base-url", f"{long_served.url}/v1", "--greedy")
    run(
        evalplus, *words, "--id-range", "[0,3]", "--root", tmp_path / "out",
        folder=tmp_path, HUMANEVAL_OVERRIDE_PATH=str(tmp_path / "HumanEvalPlus.jsonl.gz"),
    )  # fmt: skip
    written = [
        json.loads(line)
        for file in (tmp_path / "out").rglob("*.jsonl")
        if not file.name.endswith(".raw.jsonl")
        for line in file.read_text().splitlines()
    ]
    assert [row["task_id"] for row in written] == ["HumanEval/0", "HumanEval/1", "HumanEval/2"]


@pytest.fixture
def quick_served(world_folder: Path) -> Iterator[Served]:
    """A server whose longest answer is short: thousands of requests are made of it."""
    shares = ("--max-budget", "200", "--max-tokens", "32", "--max-cpu-s", "1")
    with serving("--policy", str(world_folder), "--critic", "--repair", str(world_folder), *shares) as served:
        yield served


def test_schemathesis_finds_no_failure_of_ours(quick_served: Served, tmp_path: Path) -> None:
    run(
        environment("schemathesis") / "st", "run", f"{quick_served.url}/openapi.json", "--checks", "not_a_server_error",
        "--max-examples", "20", "--seed", "1", "--suppress-health-check", "all", "--request-timeout", "60",
        folder=tmp_path,
    )  # fmt: skip
