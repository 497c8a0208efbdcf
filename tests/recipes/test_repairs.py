"""Recipes that repair, end to end: a repair model that critic sampling uses, and reinforcement over turns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from critics.model import build_critic, save_critic
from rl.experience import read_rows
from rl.models import load_policy
from rl.selftest.resume import differing_files
from tests.command import rl_train
from tests.recipes.test_recipes import guesses, small_run
from tests.rl.test_resume import die, finish

WORDS = (
    "--data.name files --data.train train --data.test_size 32 --warm_start.rounds 70 --warm_start.problems_per_round 16 "
    "--warm_start.learning_rate 1e-2 --warm_start.stop_above 1 --warm_start.evaluate_every 35 --reinforce.rounds 20 "
    "--reinforce.problems_per_round 8 --reinforce.learning_rate 1e-3 --sampling.n 8 --evaluation.temperature 1 "
    "--reinforce.schedule constant --evaluation.n 4 --repair.epochs 12 --repair.problems_per_round 16 "
    "--repair.learning_rate 1e-2"
).split()


def run_of(recipe: str, folder: Path, *words: str) -> dict[str, float]:
    """pass@1 of every evaluation of a small run, whose problems lie beside its folder."""
    done = small_run(recipe, folder, "--data.path", str(folder.parent), *WORDS, "--json", *words)
    assert done.returncode == 0, done.stderr
    return {name: result["pass_at"]["1"]["mean"] for name, result in json.loads(done.stdout).items()}


@pytest.mark.slow
def test_a_repair_model_mends_what_sampling_again_does_not_and_serves_critic_sampling(tmp_path: Path) -> None:
    guesses(tmp_path, told=True)
    found = run_of("repair", tmp_path / "run")
    assert found["sampling again what failed"] < 0.4
    assert found["repairing it"] > 0.8
    rows = list(read_rows(tmp_path / "run/experience", phases=("repair_pairs",)))
    assert {(row["mode"], row["outcome"]) for row in rows} == {("repair", "passed")}
    assert all(row["problem_id"].startswith("train") for row in rows)
    final = tmp_path / "run/checkpoints/final"
    tokenizer = load_policy(str(final)).tokenizer
    save_critic(build_critic("scratch:nano", tokenizer), tokenizer, tmp_path / "critic")
    words = (
        f"evaluate --policy {tmp_path}/run/checkpoints/warm_start --problems files --data.path {tmp_path} --split test "
        f"--critic-sampling --critic {tmp_path}/critic --repair {tmp_path}/run --size 16 --n 2 --ks 1 "
        "--max-new-tokens 12 --budget 96 --temperature 1 --workers 2 --json"
    )
    done = rl_train(*words.split())
    assert done.returncode == 0, done.stderr
    solved = {row["name"]: row["metrics"]["solved"]["mean"] for row in json.loads(done.stdout)["rows"]}
    assert solved["repair"] > solved["plain"]


@pytest.mark.slow
def test_programs_of_another_run_are_learned_from(tmp_path: Path) -> None:
    guesses(tmp_path, told=True)
    run_of("grpo", tmp_path / "other")
    begin = ("--model.name", f"{tmp_path}/other/checkpoints/warm_start", "--warm_start.rounds", "0")
    found = run_of("repair", tmp_path / "run", *begin, "--repair.run", f"{tmp_path}/other", "--repair.also_plain", "1")
    assert found["repairing it"] > 0.8
    assert not list(read_rows(tmp_path / "run/experience", phases=("repair_programs",)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("nowhere", "holds no run; expected a run folder"),
        ("began", "has no checkpoints/final: expected a run that ended"),
        ("strange", "has another tokenizer than this policy"),
    ],
)
def test_a_run_that_cannot_be_learned_from_is_refused_before_anything_is_trained(
    tmp_path: Path, run: str, said: str
) -> None:
    guesses(tmp_path, told=True)
    for name in ("began", "strange"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    load_policy("scratch:nano", ["quite another text"] * 9).save(tmp_path / "strange/checkpoints/final")
    words = ("--data.path", str(tmp_path), *WORDS, "--repair.run", str(tmp_path / run))
    done = small_run("repair", tmp_path / "run", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run/metrics.jsonl").exists()


@pytest.mark.slow
def test_without_programs_that_pass_there_is_nothing_to_repair_by(tmp_path: Path) -> None:
    done = small_run("repair", tmp_path / "run", "--repair.problems", "4")
    assert done.returncode == 2
    assert done.stderr.startswith("rl-train: repair: no problem has both a program that fails")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_reinforcement_over_turns_learns_and_measures_its_repairs(tmp_path: Path) -> None:
    guesses(tmp_path, told=True)
    found = run_of(
        "rlef", tmp_path / "run", *"--rlef.imitate_repairs 0 --reinforce.rounds 40 --reinforce.reward binary".split()
    )
    assert found["before, repairs"] < 0.4
    assert found["after, repairs"] > 0.7
    rounds = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    shares = [r for r in rounds if r["phase"] == "reinforce" and "last_turn" in r]
    assert len(shares) == 40
    assert all(r["reward"] == pytest.approx(r["last_turn"]) for r in shares)
    assert shares[0]["asked_again"] > 0.5
    modes = {row["mode"] for row in read_rows(tmp_path / "run/experience", phases=("reinforce",))}
    assert modes == {"plain", "repair"}


RESUMED = ("--recipe", "rlef", *WORDS, "--reinforce.rounds", "8", "--repair.epochs", "4", "--rlef.turns", "3")


@pytest.mark.slow
@pytest.mark.parametrize("moment", [("grading", 8), ("storing", 12)], ids=str)
def test_turns_go_on_to_the_same_bytes(tmp_path: Path, moment: tuple[str, int]) -> None:
    guesses(tmp_path, told=True)
    words = (*RESUMED, "--data.path", str(tmp_path))
    finish(tmp_path / "unharmed", words)
    assert {"repair_pairs", "reinforce"} <= {row["phase"] for row in read_rows(tmp_path / "unharmed/experience")}
    die(tmp_path / "run", *moment, *words)
    finish(tmp_path / "run", words)
    assert differing_files(tmp_path / "unharmed", tmp_path / "run") == []


@pytest.mark.slow
def test_a_run_with_a_critic_ends_with_the_command_that_samples_by_it(tmp_path: Path) -> None:
    guesses(tmp_path, told=True)
    words = ("--data.path", str(tmp_path), *WORDS, "--reinforce.rounds", "1", "--critic.problems", "16")
    done = small_run("coderl", tmp_path / "run", *words)
    assert done.returncode == 0, done.stderr
    _, said = done.stdout.splitlines()[-1].split(": rl-train ")
    shown = rl_train(*said.replace("--size 50", "--size 4").split())
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("4 problems, at most 96 generated tokens each")
