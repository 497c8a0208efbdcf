"""Purified imitation, end to end: few labels fit a critic, what it keeps is purer, nothing is selected by other labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from critics.model import load_critic
from envs.problem import Problem
from envs.problem_sets import load_problems
from rl.config import load_config
from rl.experience import EVALUATION, read_rows
from rl.models import load_policy
from rl.recipes import RECIPES
from rl.selftest.resume import arguments, differing_files
from tests.command import in_a_fork, rl_train
from tests.recipes.test_recipes import small_run
from tests.recipes.test_teachers import store_answers
from tests.rl.dying_run import run_and_die

N_PROBLEMS, N_LABELLED = 60, 32
FEW = (
    "--warm_start.rounds 2 --data.dev train --data.dev_size 4 --ekt.problems 56 --ekt.steps 4 --ekt.problems_per_round 4 "
    "--ekt.programs_per_problem 2 --ekt.evaluate_every 2 --teacher.n 4 --sampling.max_new_tokens 24 "
    f"--purify.problems {N_LABELLED} --purify.recall 0.5 --purify.passes 2 --critic.rounds 40 --critic.learning_rate 1e-2 "
    "--critic.problems_per_round 8"
).split()


def wrong_in_a_way_that_shows(problem: Problem, number: int) -> str:
    head = problem.solutions[0].partition(":\n")[0]
    return f"{head}:\n    unsure = None\n    return unsure\n" + "# no idea\n" * number


def answers(folder: Path, problems: list[Problem]) -> list[str]:
    """Words of a config with a teacher that writes two right programs and two wrong ones for each problem."""
    texts: list[Callable[[Problem], str]] = [
        lambda problem: wrong_in_a_way_that_shows(problem, 0),
        lambda problem: problem.solutions[0],
        lambda problem: wrong_in_a_way_that_shows(problem, 1),
        lambda problem: problem.solutions[0] + "done = True\n",
    ]
    store_answers(folder / "answers.jsonl", [(problem.id, text(problem)) for problem in problems for text in texts])
    return [*FEW, "--teacher.file", str(folder / "answers.jsonl")]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def place_of(name: str, request: pytest.FixtureRequest) -> tuple[list[str], Path | None]:
    """Words that name a set, whose learned split has solutions for the teacher to know, and its path."""
    if name == "gsm8k":
        path = request.getfixturevalue("real_data") / "gsm8k"
        return [*f"--data.path {path} --data.labelled train --data.train train".split()], path
    split = "labelled" if name == "basics" else "train"
    return [*f"--data.labelled {split} --data.train {split} --data.dev {split}".split()], None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["word_problems", "basics", "gsm8k"])
def test_a_critic_of_few_labels_keeps_a_purer_corpus(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    words, path = place_of(name, request)
    problems = load_problems(name, "labelled" if name == "basics" else "train", path).problems
    known = [problem for problem in problems if problem.solutions][:N_PROBLEMS]
    run = tmp_path / "run"
    done = small_run("symbolic_kd", run, *answers(tmp_path, known), "--data.name", name, *words)
    assert done.returncode == 0, done.stderr

    labelled = list(read_rows(run / "experience", phases=("labelled_programs",)))
    unlabelled = list(read_rows(run / "experience", phases=("teacher_programs",)))
    assert {row["outcome"] for row in unlabelled} == {None}
    assert "passed" in {row["outcome"] for row in labelled}
    assert len({row["problem_id"] for row in labelled} | {row["problem_id"] for row in unlabelled}) >= 50
    assert not {row["problem_id"] for row in labelled} & {row["problem_id"] for row in unlabelled}

    report = json.loads((run / "corpus.json").read_text())
    assert report["critic"]["auc"] > 0.9
    assert report["critic"]["precision"] > report["critic"]["base_rate"]
    threshold = report["threshold"]
    assert (abs(threshold["recall"] - 0.5) > 0.02) == ("warning: expected a recall of 50.0%" in done.stdout)
    assert report["corpora"]["kept"]["purity"] > 0.9 > report["corpora"]["written"]["purity"]
    assert report["corpora"]["kept"]["n_programs"] < report["corpora"]["written"]["n_programs"]

    rows = lines(run / "corpus.jsonl")
    assert {(row["problem_id"], row["program"]) for row in rows} == {
        (row["problem_id"], row["program"]) for row in unlabelled
    }
    assert all(row["kept"] == (row["score"] >= threshold["cutoff"]) for row in rows)
    assert sum(row["imitated"] for row in rows) == report["corpora"]["imitated"]["n_programs"] > 0
    assert all(row["kept"] for row in rows if row["imitated"])
    critic = run / "checkpoints/critic"
    assert json.loads((critic / "threshold.json").read_text()) == threshold
    assert load_critic(critic, load_policy(str(run / "checkpoints/final")).tokenizer).settings.classes == "binary"


WORDS = "--data.name word_problems --data.labelled train --data.train train --data.dev train".split()


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Words of a config whose teacher has answered."""
    folder = tmp_path_factory.mktemp("answers")
    return [*WORDS, *answers(folder, list(load_problems("word_problems", "train").problems[:N_PROBLEMS]))]


@pytest.fixture(scope="module")
def by_critic(taught: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was left alone."""
    run = tmp_path_factory.mktemp("run") / "critic"
    done = rl_train(*arguments(run, ("--recipe", "symbolic_kd", *taught)))
    assert done.returncode == 0, done.stderr
    return run


@pytest.mark.slow
def test_the_plan_is_what_the_run_does(by_critic: Path) -> None:
    planned = [phase.rounds for phase in RECIPES["symbolic_kd"].plan(load_config(by_critic / "config.json")).phases]
    metrics = [row for row in lines(by_critic / "metrics.jsonl") if "grad_norm" in row]
    done = Counter(row["phase"] for row in metrics)
    assert [done[name] for name in ("warm_start", "critic", "imitate_teacher")] == planned
    assert {"loss/outcome_ce"} <= set(next(row for row in metrics if row["phase"] == "critic"))


@pytest.mark.slow
def test_what_is_measured_selects_nothing(taught: list[str], by_critic: Path, tmp_path: Path) -> None:
    words = ("--recipe", "symbolic_kd", *taught, "--purify.measure", "false")
    done = rl_train(*arguments(tmp_path / "run", words))
    assert done.returncode == 0, done.stderr
    assert list(read_rows(by_critic / "experience", phases=("evaluation_corpus",), purpose=EVALUATION))
    assert not list(read_rows(tmp_path / "run/experience", phases=("evaluation_corpus",), purpose=EVALUATION))
    measured = [row | {"right": None} for row in lines(by_critic / "corpus.jsonl")]
    assert lines(tmp_path / "run/corpus.jsonl") == measured
    weights = "checkpoints/final/model.safetensors"
    assert (tmp_path / "run" / weights).read_bytes() == (by_critic / weights).read_bytes()


@pytest.mark.slow
def test_the_control_is_as_large_and_all_is_everything(taught: list[str], by_critic: Path, tmp_path: Path) -> None:
    reports = {"critic": json.loads((by_critic / "corpus.json").read_text())}
    for keep in ("random", "all"):
        done = rl_train(*arguments(tmp_path / keep, ("--recipe", "symbolic_kd", *taught, "--purify.keep", keep)))
        assert done.returncode == 0, done.stderr
        reports[keep] = json.loads((tmp_path / keep / "corpus.json").read_text())
    size = {keep: report["corpora"]["imitated"]["n_programs"] for keep, report in reports.items()}
    assert size["random"] == size["critic"] < size["all"]
    assert reports["random"]["threshold"] == reports["critic"]["threshold"]
    assert reports["random"]["corpora"]["written"] == reports["all"]["corpora"]["written"]
    assert reports["random"]["corpora"]["imitated"]["purity"] < 0.9
    assert "critic" not in reports["all"]
    assert not list(read_rows(tmp_path / "all/experience", phases=("labelled_programs",)))


@pytest.mark.slow
def test_killed_between_and_within_its_phases_it_ends_with_the_same_bytes(
    taught: list[str], by_critic: Path, tmp_path: Path
) -> None:
    words = ("--recipe", "symbolic_kd", *taught)
    for moment, count in {"storing": 2, "saving": 7, "logging": 40}.items():
        done = in_a_fork(run_and_die, str(tmp_path / "run"), moment, str(count), *words)
        assert done.returncode == -9, done.stderr[-500:]
    done = rl_train(*arguments(tmp_path / "run", words))
    assert done.returncode == 0, done.stderr
    assert differing_files(by_critic, tmp_path / "run") == []


@pytest.mark.slow
def test_labels_that_tell_nothing_apart_end_in_one_line(tmp_path: Path) -> None:
    problems = load_problems("word_problems", "train").problems[:N_PROBLEMS]
    store_answers(tmp_path / "answers.jsonl", [(problem.id, problem.solutions[0]) for problem in problems])
    words = [*FEW, "--teacher.file", str(tmp_path / "answers.jsonl"), "--json"]
    done = small_run("symbolic_kd", tmp_path / "run", *WORDS, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith(
        "rl-train: purify: all labelled programs for 15 problems ended alike"
    )
    done = small_run("symbolic_kd", tmp_path / "few", *WORDS, *words, "--ekt.problems", "40", "--purify.problems", "3")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("rl-train: purify: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--purify.problems 1000", "purify.problems: expected fewer than ekt.problems = 1000"),
        (
            "--purify.validation 0.5 --purify.test 0.5",
            "purify.validation: expected less than 1 together with purify.test",
        ),
        ("--critic.classes binary", "--critic.classes: recipe symbolic_kd does not use this key"),
        ("--distil.top_k 5", "--distil.top_k: recipe symbolic_kd does not use this key"),
        ("--purify.recall 0", "--purify.recall: expected greater than 0"),
    ],
)
def test_what_cannot_be_done_is_refused(tmp_path: Path, words: str, said: str) -> None:
    teacher = ("--teacher.file", "answers.jsonl", "--folder", str(tmp_path / "run"))
    done = rl_train("run", "rl/configs/quickstart.toml", "--recipe", "symbolic_kd", *teacher, *words.split())
    assert done.returncode == 2
    assert done.stderr.startswith(f"rl-train: {said}")
    assert not (tmp_path / "run").exists()
