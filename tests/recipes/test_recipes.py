"""Every recipe, end to end, through the real command on the real grader."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from rl.config_checks import RECIPES_OF_TEACHERS
from rl.experience import read_rows
from rl.recipes import RECIPES
from tests.command import rl_train

SMALL = (
    "--model.name scratch:nano --data.dev_size 8 --data.test_size 8 --graders.workers 2 --warm_start.rounds 3 "
    "--warm_start.problems_per_round 4 --warm_start.evaluate_every 2 --reinforce.rounds 2 --reinforce.evaluate_every 2 "
    "--reinforce.problems_per_round 4 --sampling.n 3 --sampling.max_new_tokens 12 --evaluation.n 2 --evaluation.ks [1,2] "
    "--critic.model scratch:nano --critic.problems 8 --critic.rounds 3 --socratic.problems 8 --socratic.steps 2"
).split()


def small_run(recipe: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return rl_train("run", "rl/configs/quickstart.toml", "--recipe", recipe, "--folder", str(folder), *SMALL, *words)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe", [name for name in RECIPES if name not in ("expert_iteration", "repair", *RECIPES_OF_TEACHERS)]
)
def test_a_recipe_runs_and_leaves_a_whole_run_folder(recipe: str, tmp_path: Path) -> None:
    done = small_run(recipe, tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert all(set(result["pass_at"]) == {"1", "2"} for result in results.values())
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "manifest.json", "metrics.jsonl", "timings.jsonl", "checkpoints", "report.html"} <= names
    rounds = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [r["round"] for r in rounds if r["phase"] == "warm_start" and "grad_norm" in r] == [0, 1, 2]
    final = tmp_path / "run/checkpoints/final"
    assert AutoModelForCausalLM.from_pretrained(final).num_parameters() > 0
    assert AutoTokenizer.from_pretrained(final).eos_token == "<|end|>"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["warm_start", "grpo"])
def test_a_recipe_trains_an_encoder_decoder(recipe: str, tmp_path: Path) -> None:
    words = ("--model.name", "scratch:nano-t5", "--reinforce.kl_weight", "0.1")
    planned = small_run(recipe, tmp_path / "run", *words, "--dry-run")
    assert planned.returncode == 0, planned.stderr
    done = small_run(recipe, tmp_path / "run", *words)
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [r["round"] for r in rounds if r["phase"] == "warm_start" and "grad_norm" in r] == [0, 1, 2]
    assert AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "run/checkpoints/final").num_parameters() > 0
    evaluated = rl_train(*f"evaluate --policy {tmp_path}/run --size 5 --n 2 --max-new-tokens 8 --json".split())
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["n_programs"] == 10


@pytest.mark.slow
@pytest.mark.parametrize("model", ["scratch:nano", "scratch:nano-t5"])
def test_same_seed_same_run(model: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert small_run("grpo", tmp_path / name, "--seed", "5", "--model.name", model).returncode == 0
    for file in ("metrics.jsonl", "checkpoints/final/model.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.slow
def test_adapters_stop_strings_and_every_option_of_reinforcement_run_together(tmp_path: Path) -> None:
    done = small_run(
        "grpo", tmp_path / "run", "--model.lora_rank", "2", "--sampling.stop_at_dedent", "true", "--sampling.stop", "['#']",
        "--reinforce.epochs", "2", "--reinforce.minibatches", "2", "--reinforce.clip_high", "0.3", "--reinforce.dual_clip", "3",
        "--reinforce.ratio", "sequence", "--reinforce.kl_weight", "0.1", "--reinforce.entropy_weight", "0.01",
        "--reinforce.max_draws", "2", "--reinforce.curriculum", "true", "--reinforce.advantage", "leave_one_out",
        "--reinforce.overlong_margin", "4", "--reinforce.mask_truncated", "true", "--reinforce.reward", "four_level",
        "--reinforce.per", "constant",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    last = [r for r in rounds if r["phase"] == "reinforce" and "grad_norm" in r][-1]
    assert {"loss/clipped", "loss/kl_k2", "loss/entropy", "tried"} <= set(last)
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "run/checkpoints/final").num_parameters() > 0


@pytest.mark.slow
def test_rounds_written_ahead_are_corrected(tmp_path: Path) -> None:
    done = small_run("grpo", tmp_path / "run", "--reinforce.ahead", "1", "--reinforce.rounds", "4")
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert sum("loss/clipped" in r for r in rounds) == 4


@pytest.mark.slow
def test_a_trained_policy_is_evaluated_from_its_run_folder(tmp_path: Path) -> None:
    assert small_run("warm_start", tmp_path / "run").returncode == 0
    words = f"evaluate --policy {tmp_path}/run --size 5 --n 2 --ks 1,2 --max-new-tokens 8 --json".split()
    done = rl_train(*words)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["n_problems"], result["n_programs"]) == (5, 10)


def guesses(folder: Path, *, told: bool = False) -> None:
    """Guess a number: the labelled solutions say each of 0 to 7 equally often, the tests want 5.

    Where it is `told`, an example test says so, and so does every repair prompt.
    """
    test = {"input": [], "output": 5}
    for split in ("labelled", "train", "dev", "test"):
        rows = [
            {
                "id": f"{split}-{index}",
                "statement": f"guess {index % 8}",
                "interface": "function",
                "entry_point": "solve",
                "starter_code": "def solve():\n",
                "example_tests": [test] if told else [],
                "hidden_tests": [test],
                "solutions": [f"def solve():\n    return {index // 8}\n"] if split == "labelled" else [],
            }
            for index in range(64)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


LEARNING = (
    "--data.name files --data.train train --data.test_size 64 --warm_start.rounds 70 --warm_start.problems_per_round 16 "
    "--warm_start.learning_rate 1e-2 --warm_start.stop_above 1 --warm_start.evaluate_every 35 --reinforce.rounds 60 "
    "--reinforce.problems_per_round 8 --reinforce.learning_rate 1e-3 --sampling.n 8 --evaluation.temperature 1 "
    "--expert_iteration.iterations 2 --expert_iteration.problems_per_round 16 --expert_iteration.learning_rate 1e-2 "
    "--reinforce.schedule constant --evaluation.n 4 --critic.problems 32 --critic.rounds 20 "
    "--coderl.imitation_weight 0.1 --json"
).split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "least_before", "least_after"),
    [
        ("warm_start", 0.0, 0.04),
        ("grpo", 0.04, 0.7),
        ("ppo", 0.04, 0.7),
        ("coderl", 0.04, 0.7),
        ("expert_iteration", 0.04, 0.7),
    ],
)
def test_a_recipe_learns(tmp_path: Path, recipe: str, least_before: float, least_after: float) -> None:
    """Imitation teaches the form, one guess in eight being right; after it, rewards alone teach the answer."""
    guesses(tmp_path)
    done = small_run(recipe, tmp_path / "run", "--data.path", str(tmp_path), *LEARNING)
    assert done.returncode == 0, done.stderr
    before, *_, after = (result["pass_at"]["1"]["mean"] for result in json.loads(done.stdout).values())
    assert least_before <= before < 0.4
    assert after > least_after


@pytest.mark.slow
def test_with_nothing_to_imitate_an_iteration_says_what_to_do(tmp_path: Path) -> None:
    done = small_run("expert_iteration", tmp_path / "run", "--expert_iteration.problems", "4")
    assert done.returncode == 2
    assert done.stderr.startswith("rl-train: imitate_1: not one program passed")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_iterations_restart_and_leave_solved_problems_alone(tmp_path: Path) -> None:
    guesses(tmp_path)
    words = "--expert_iteration.restart true --expert_iteration.unsolved_only true --expert_iteration.epochs 1".split()
    done = small_run("expert_iteration", tmp_path / "run", "--data.path", str(tmp_path), *LEARNING, *words)
    assert done.returncode == 0, done.stderr
    store = tmp_path / "run/experience"
    first, second = ({row["problem_id"] for row in read_rows(store, phases=(f"attempt_{n}",))} for n in (1, 2))
    solved = {row["problem_id"] for row in read_rows(store, phases=("attempt_1",)) if row["outcome"] == "passed"}
    assert solved
    assert second == first - solved


PUBLISHED = {
    "mbpp": ("mbpp/mbpp.jsonl", "train", "validation", "test"),
    "puzzles": ("p3", "train", "train", "test"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_same_command_trains_on_published_sets(tmp_path: Path, name: str, real_data: Path) -> None:
    place, train, dev, test = PUBLISHED[name]
    splits = f"--data.labelled {train} --data.train {train} --data.dev {dev} --data.test {test}".split()
    done = small_run("grpo", tmp_path / "run", "--data.name", name, "--data.path", str(real_data / place), *splits)
    assert done.returncode == 0, done.stderr
    rounds = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [r["round"] for r in rounds if r["phase"] == "reinforce" and "grad_norm" in r] == [0, 1]
