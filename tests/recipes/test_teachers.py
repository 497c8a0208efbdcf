"""Recipes that learn from a teacher, end to end, through the real command on the real grader."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from envs.problem_sets import load_problems
from rl.experience import read_rows
from rl.models import load_policy
from tests.command import rl_train
from tests.recipes.test_recipes import LEARNING, guesses, small_run
from tests.rl.fake_server import serving

FEW = (
    "--warm_start.rounds 2 --data.labelled train --data.train train --data.dev train --data.test test --data.dev_size 6 "
    "--ekt.problems 12 --ekt.epochs 2 --ekt.problems_per_round 4 --ekt.evaluate_every 3 --teacher.n 3 "
    "--sampling.max_new_tokens 24 --json"
).split()


def store_answers(file: Path, answers: list[tuple[str, str]]) -> None:
    file.write_text("".join(json.dumps({"problem_id": name, "completion": text}) + "\n" for name, text in answers))


def metrics(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_stored_answers_to_word_problems_are_filtered_and_imitated(tmp_path: Path) -> None:
    problems = load_problems("word_problems", "train").problems[:20]
    lucky = "def solution():\n    return {}\n"
    store_answers(
        tmp_path / "answers.jsonl",
        [(p.id, lucky.format(p.hidden_tests.cases[0].output)) for p in problems]
        + [(p.id, p.solutions[0].replace("    return", "    extra = 1\n    return")) for p in problems]
        + [(p.id, p.solutions[0]) for p in problems]
        + [(p.id, p.solutions[0] + "# words\n" * 1000) for p in problems],
    )
    done = small_run(
        "ekt", tmp_path / "run", "--data.name", "word_problems", "--teacher.file", str(tmp_path / "answers.jsonl"), *FEW,
        "--ekt.without_dead_code", "true", "--ekt.literals_from_text", "true", "--ekt.question_loss", "true",
        "--teacher.n", "4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(read_rows(tmp_path / "run/experience", phases=("teacher_programs",)))
    dev = {problem.id for problem in problems[:6]}
    assert {row["problem_id"] for row in rows} == {problem.id for problem in problems[6:18]}
    assert not dev & {row["problem_id"] for row in rows}
    assert Counter(row["outcome"] for row in rows) == {"passed": 48}
    assert {row["mode"] for row in rows} == {"few_shot"}
    trained = [r for r in metrics(tmp_path / "run") if r["phase"] == "imitate_teacher" and "loss/cross_entropy" in r]
    assert len(trained) == 6
    assert "12 programs of the teacher are longer than the policy's positions; left out" in done.stderr
    assert re.search(r"\d+ programs to imitate for 12 problems", done.stderr)
    assert set(json.loads(done.stdout)) == {"before", "after imitation of the teacher"}


@pytest.mark.slow
def test_a_server_is_asked_few_shot_about_gsm8k_once(tmp_path: Path, real_data: Path) -> None:
    problems = load_problems("gsm8k", "train", real_data / "gsm8k").problems
    by_question = {problem.statement: problem for problem in problems}

    def respond(body: dict[str, Any]) -> str:
        *exemplars, asked = body["prompt"].split("\n\n")
        assert len(exemplars) >= 2
        found = by_question[asked.removesuffix("\ndef solution():\n")]
        return found.solutions[0].removeprefix("def solution():\n") if found.solutions else "    return 0"

    with serving() as server:
        server.respond = respond
        words = [
            *("--data.name", "gsm8k", "--data.path", str(real_data / "gsm8k"), "--teacher.server", server.url),
            *("--teacher.model", "m", "--teacher.shots", "2", "--teacher.cache", str(tmp_path / "cache"), *FEW),
        ]
        done = small_run("ekt", tmp_path / "run", *words)
        assert done.returncode == 0, done.stderr
        assert "teacher, few_shot: pass@1 " in done.stderr
        assert "warning: pass@1 of the teacher is " in done.stderr
        asked = len(server.asked)
        assert asked == 6 + 12  # the dev problems once, then the train problems
        again = small_run("ekt", tmp_path / "again", *words)
        assert again.returncode == 0, again.stderr
        assert len(server.asked) == asked
        assert again.stdout == done.stdout


@pytest.mark.slow
def test_the_authors_setting_is_planned_as_they_ran_it(tmp_path: Path, real_data: Path) -> None:
    """The config for a GPU, tried with tiny models in the place of GPT-Neo and GPT-J."""
    load_policy("scratch:nano", ["def solution():\n    return 12\n"]).save(tmp_path / "teacher")
    words = ["--model.name", "scratch:nano", "--teacher.model", str(tmp_path / "teacher")]
    data = ["--data.path", str(real_data / "gsm8k"), "--evaluation.n", "2", "--evaluation.ks", "[1]"]
    done = rl_train("run", "rl/configs/ekt_gsm8k.toml", "--dry-run", "--json", *words, *data)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    [phase] = report["phases"]
    assert phase["counts"]["rounds at most"] == -(-6973 * 140 // 32)
    assert report["problems"]["test"] == 1319


@pytest.mark.slow
def test_without_a_program_that_passes_one_line_says_what_to_do(tmp_path: Path) -> None:
    problem = load_problems("word_problems", "train").problems[7]
    store_answers(tmp_path / "answers.jsonl", [(problem.id, "    return None")])
    words = ["--data.name", "word_problems", "--teacher.file", str(tmp_path / "answers.jsonl"), *FEW]
    done = small_run("ekt", tmp_path / "run", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].startswith("rl-train: ekt: not one program of the teacher was accepted")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the problems of `guesses` and, in `teacher`, a run that reinforcement has made better at them."""
    folder = tmp_path_factory.mktemp("taught")
    guesses(folder)
    words = ["--reinforce.learning_rate", "3e-4", "--evaluation.ks", "[1]"]
    done = small_run("grpo", folder / "teacher", "--data.path", str(folder), *LEARNING, *words)
    assert done.returncode == 0, done.stderr
    before, after = (result["pass_at"]["1"]["mean"] for result in json.loads(done.stdout).values())
    assert before < 0.3 < after
    return folder


OF_TEACHER = (
    "--teacher.ask plain --teacher.temperature 1 --teacher.max_new_tokens 12 --ekt.epochs 4 --ekt.learning_rate 1e-2 "
    "--distil.learning_rate 3e-3 --distil.problems_per_round 8 --seed 7"
).split()


def learn(recipe: str, folder: Path, run: Path, *words: str) -> tuple[float, float]:
    """Pass rates of a student before and after learning from the teacher in `folder`."""
    teacher = ["--teacher.model", str(folder / "teacher"), *OF_TEACHER]
    done = small_run(recipe, run, "--data.path", str(folder), *LEARNING, *teacher, *words)
    assert done.returncode == 0, done.stderr
    before, after = (result["pass_at"]["1"]["mean"] for result in json.loads(done.stdout).values())
    return before, after


@pytest.mark.slow
def test_a_student_of_ekt_overtakes_its_teacher(taught: Path, tmp_path: Path) -> None:
    before, after = learn("ekt", taught, tmp_path / "run")
    teacher = json.loads((taught / "teacher/evaluation_final.json").read_text())["pass_at"]["1"]["mean"]
    assert before < 0.3
    assert after > max(0.9, teacher)


@pytest.mark.slow
def test_what_a_teacher_wrote_is_imitated_right_or_wrong(taught: Path, tmp_path: Path) -> None:
    """A student of all its programs becomes as good as the teacher, not better."""
    before, after = learn("seqkd", taught, tmp_path / "run")
    teacher = json.loads((taught / "teacher/evaluation_final.json").read_text())["pass_at"]["1"]["mean"]
    assert before < 0.3
    assert abs(after - teacher) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("kd", ("--distil.keep", "true")),
        ("kd", ("--distil.imitation_weight", "0", "--distil.top_k", "0", "--distil.temperature", "2")),
        ("kd", ("--teacher.ask", "few_shot", "--teacher.shots", "1", "--distil.prompted", "true", "--distil.kl_weight", "0.1")),
        ("on_policy_distillation", ()),
        ("on_policy_distillation", ("--distil.top_k", "0")),
    ],
)  # fmt: skip
def test_a_student_learns_the_distributions_of_its_teacher(
    taught: Path, tmp_path: Path, recipe: str, words: tuple[str, ...]
) -> None:
    before, after = learn(recipe, taught, tmp_path / "run", *words)
    assert before < 0.3
    assert after > 0.4
    name = "loss/forward_kl" if recipe == "kd" else "loss/reverse_kl"
    losses = [row[name] for row in metrics(tmp_path / "run") if name in row]
    imitates = recipe == "kd" and "--distil.imitation_weight" not in words
    assert imitates or losses[-1] < losses[0] / 2  # imitating what passed leads away from the teacher


@pytest.mark.slow
def test_a_teacher_with_other_tokens_is_refused(taught: Path, tmp_path: Path) -> None:
    words = "--data.name word_problems --data.labelled train --data.train train --data.dev train".split()
    teacher = ("--teacher.model", str(taught / "teacher"), "--teacher.ask", "plain", "--warm_start.rounds", "0")
    done = small_run("kd", tmp_path / "run", *words, *teacher)
    assert done.returncode == 2
    assert "has another tokenizer than the policy" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "teacher.model: recipe ekt needs a teacher"),
        (("--recipe", "kd", "--teacher.file", "a"), "recipe: kd learns the distributions of a teacher"),
        (("--distil.top_k", "5", "--teacher.model", "b"), "--distil.top_k: recipe ekt does not use this key"),
        (("--teacher.file", "a", "--teacher.model", "b"), "teacher.file: stored answers need no model"),
        (
            ("--teacher.server", "http://a/v1", "--teacher.model", "b", "--teacher.api", "chat"),
            "teacher.api: messages are",
        ),
    ],
)
def test_a_teacher_that_is_not_clear_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = rl_train("run", "rl/configs/quickstart.toml", "--recipe", "ekt", "--folder", str(tmp_path / "run"), *words)
    assert done.returncode == 2
    assert done.stderr.startswith(f"rl-train: {said}")
    assert not (tmp_path / "run").exists()
