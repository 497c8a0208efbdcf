"""Recipe socratic, end to end, through the real command on the real grader."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from envs.decompose import turns
from envs.problem import problem_to_row
from envs.problem_sets import load_problems
from rl.experience import EVALUATION, read_rows
from rl.selftest.resume import arguments, differing_files
from tests.command import in_a_fork, rl_train
from tests.recipes.test_recipes import small_run
from tests.rl.dying_run import run_and_die

WORDS = (
    "--data.name files --data.train train --data.dev_size 8 --data.test_size 8 --warm_start.rounds 0 --sampling.max_new_tokens 64 "
    "--evaluation.temperature 0 --evaluation.n 1 --evaluation.ks [1] --socratic.model scratch:nano --socratic.problems 16 "
    "--socratic.steps 100 --socratic.problems_per_round 8 --socratic.learning_rate 1e-2 --socratic.evaluate_every 50 --json"
).split()


def few_problems(folder: Path) -> None:
    """Problems of two steps in few words, the same few in all splits but for their ids, so that little learning shows."""
    problems = [p for p in load_problems("word_problems", "train", n=400).problems if "family:profit" in p.tags][:8]
    assert len(problems) == 8
    for split in ("labelled", "train", "dev", "test"):
        rows = [problem_to_row(problem) | {"id": f"{split}/{problem.id}"} for problem in problems]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def of_variant(variant: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    place = ("--data.path", str(folder.parent), "--socratic.variant", variant)
    return small_run("socratic", folder, *place, *WORDS, *words)


def rows_of(run: Path, name: str) -> list[dict[str, Any]]:
    return list(read_rows(run / "experience", phases=(f"evaluation_{name}",), purpose=EVALUATION))


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["iterative", "all_at_once", "unified", "chain_of_thought", "answer_only"])
def test_every_variant_learns_its_part_of_a_few_chains(variant: str, tmp_path: Path) -> None:
    few_problems(tmp_path)
    done = of_variant(variant, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    pair = variant in ("iterative", "all_at_once")
    calculates = variant != "answer_only"
    parts = ["with an oracle's questions"] * pair + ["without calculator"] * calculates
    assert list(results) == ["learned", *parts]
    assert results["learned"]["pass_at"]["1"]["mean"] > 0.5
    assert "8 of 8 decompositions give the right answer and are learned" in done.stderr
    figures = json.loads((tmp_path / "run/steps_final.json").read_text())
    assert figures["complete"] > 0.5
    assert (figures["steps right"] > 0.5) == calculates
    checkpoints = {path.name for path in (tmp_path / "run/checkpoints").iterdir()}
    assert {"best", "final"} <= checkpoints
    assert ("final_decomposer" in checkpoints) == pair
    authors = {segment["author"] for row in rows_of(tmp_path / "run", "final") for segment in row["segments"]}
    assert authors - {"environment"} == ({"decomposer", "solver"} if pair else {"policy"})
    assert ("environment" in authors) == calculates
    if pair:
        asked = [turn.asked for turn in turns(load_problems("files", "test", tmp_path).problems[0])]
        (first, *_) = rows_of(tmp_path / "run", "oracle_questions")
        assert all(question in first["text"] for question in asked)
    without = {
        segment["author"] for row in rows_of(tmp_path / "run", "without_calculator") for segment in row["segments"]
    }
    assert "environment" not in without


@pytest.mark.slow
def test_a_pair_that_is_killed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """While the solver learns, while the decomposer does, and while their chains are stored."""
    few_problems(tmp_path)
    short = ("--socratic.steps", "12", "--socratic.evaluate_every", "4", "--checkpoints.every", "5")
    words = [
        "--recipe",
        "socratic",
        "--data.path",
        str(tmp_path),
        *(word for word in WORDS if word != "--json"),
        *short,
    ]
    for moment, count in (("saving", 2), ("saving", 4), ("storing", 2)):
        died = in_a_fork(run_and_die, str(tmp_path / "killed"), moment, str(count), *words)
        assert died.returncode == -9, died.stderr[-500:]
    for name in ("killed", "unharmed"):
        done = rl_train(*arguments(tmp_path / name, words))
        assert done.returncode == 0, done.stderr[-500:]
    assert differing_files(tmp_path / "unharmed", tmp_path / "killed") == []


@pytest.mark.slow
def test_functions_are_decomposed_into_helpers(tmp_path: Path) -> None:
    words = (
        "--warm_start.rounds 0 --socratic.steps 4 --sampling.max_new_tokens 48 --socratic.max_steps 3 --json".split()
    )
    done = small_run("socratic", tmp_path / "run", *words)
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {"learned", "with an oracle's questions"}
    chains = list(read_rows(tmp_path / "run/experience", phases=("chains",)))
    assert {row["outcome"] for row in chains} == {"passed"}
    assert all("def step_1(" in row["text"] for row in chains)
    assert all('"""' in row["text"] for row in rows_of(tmp_path / "run", "oracle_questions"))


@pytest.mark.slow
def test_the_published_socratic_file_is_learned_from(tmp_path: Path, real_data: Path) -> None:
    splits = "--data.labelled test --data.train test --data.dev test --data.test test --warm_start.rounds 0".split()
    words = [*splits, "--socratic.model", "scratch:nano", "--json"]
    data = ("--data.name", "gsm8k_socratic", "--data.path", str(real_data / "gsm8k"), "--sampling.max_new_tokens", "8")
    done = small_run("socratic", tmp_path / "run", *data, *words, "--socratic.problems", "40")
    assert done.returncode == 0, done.stderr
    chains = list(read_rows(tmp_path / "run/experience", phases=("chains",)))
    assert len(chains) == 40
    assert sum(row["outcome"] == "passed" for row in chains) >= 38


@pytest.mark.slow
def test_a_comparison_measures_pairs_beside_single_models(tmp_path: Path) -> None:
    few_problems(tmp_path)
    (tmp_path / "c.toml").write_text(
        f"""
folder = "{tmp_path}/out"
[model]
name = "scratch:nano"
[data]
name = "files"
path = "{tmp_path}"
dev_size = 8
test_size = 8
[graders]
workers = 2
[sampling]
max_new_tokens = 64
[warm_start]
rounds = 0
[evaluation]
temperature = 0.1
n = 1
ks = [1]
[socratic]
model = "scratch:nano"
steps = 80
problems_per_round = 8
learning_rate = 1e-2
evaluate_every = 40
[compare]
seeds = [1]
n = 2
ks = [1, 2]
[compare.arms.pair]
recipe = "socratic"
[compare.arms.alone]
recipe = "socratic"
socratic.variant = "chain_of_thought"
"""
    )
    done = rl_train("compare", str(tmp_path / "c.toml"), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    standings = {standing["name"]: standing for standing in result["standings"]}
    assert list(standings) == ["warm_start", "pair", "alone"]
    assert all(standings[name]["pass_at"]["pass@1"]["mean"] > 0.3 for name in ("pair", "alone"))
    assert standings["pair"]["budget"]["steps"] == 160
    assert standings["alone"]["budget"]["steps"] == 80
    stored = rows_of(tmp_path / "out/pair-1", "compare_sampled")
    assert len(stored) == 16
    assert {"decomposer", "solver"} <= {segment["author"] for row in stored for segment in row["segments"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--data.labelled", "compositions"),
            "data.labelled: variant iterative needs problems of basics/compositions that",
        ),
        (
            ("--data.dev", "train"),
            "data.dev: variant iterative needs problems of basics/train that bring sub-questions",
        ),
        (("--socratic.model", "scratch:huge"), "socratic.model: expected scratch:"),
    ],
)
def test_what_cannot_be_learned_is_told_in_one_line(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = small_run("socratic", tmp_path / "run", "--warm_start.rounds", "0", "--json", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(f"rl-train: {said}")
