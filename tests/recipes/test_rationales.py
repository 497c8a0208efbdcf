"""Recipes that learn worked solutions, end to end, through the real command on the real grader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envs.forms import CUE, Form, question, worked
from envs.hints import hint
from envs.problem import Problem
from envs.problem_sets import load_problems
from rl.experience import read_rows
from rl.models import Policy, load_policy
from tests.command import rl_train
from tests.recipes.test_recipes import small_run
from tests.recipes.test_teachers import FEW, metrics, store_answers
from tests.rl.fake_server import serving

WORDS = ["--data.name", "word_problems", "--data.train", "train", "--sampling.max_new_tokens", "40"]
HELD_OUT, LESSONS = slice(0, 6), slice(6, 18)
"""FEW makes the first train problems dev, and lets a teacher attempt the next ones."""


def harvest(run: Path) -> dict[str, int]:
    counts: dict[str, int] = json.loads((run / "rationales.json").read_text())
    return counts


def learned_texts(policy: Policy, rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(prompt, completion) as the learner reads and writes them."""
    ids = [(row["prompt_ids"], [i for segment in row["segments"] for i in segment["ids"]]) for row in rows]
    return [(policy.decode(prompt), policy.decode(completion)) for prompt, completion in ids]


def stored(run: Path, phase: str) -> list[dict[str, Any]]:
    return list(read_rows(run / "experience", phases=(phase,)))


@pytest.mark.slow
@pytest.mark.parametrize("form", [Form.TOKEN, Form.NATURAL])
def test_right_rationales_are_learned_once_in_the_learners_form(tmp_path: Path, form: Form) -> None:
    problems = load_problems("word_problems", "train").problems[:20]
    store_answers(
        tmp_path / "answers.jsonl",
        [(p.id, f"{p.rationale}{CUE} {p.steps[-1].value}.") for p in problems]
        + [(p.id, f"{p.rationale.replace(' ', '  ')} --> {p.steps[-1].value}") for p in problems]
        + [(p.id, f"First. {p.rationale}\n#### {p.steps[-1].value}") for p in problems]
        + [(p.id, f"1 + 1 = 3. The answer is {p.steps[-1].value}.") for p in problems]
        + [(p.id, f"{p.rationale}{CUE} 7777.") for p in problems],
    )
    done = small_run(
        "finetune_cot", tmp_path / "run", *WORDS, *FEW, "--teacher.file", str(tmp_path / "answers.jsonl"),
        "--reasoning.form", str(form), "--reasoning.check_steps", "true", "--teacher.n", "5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert harvest(tmp_path / "run") == {
        "problems": 12, "written": 60, "right": 48, "honest": 48, "sound": 36, "distinct": 24, "solved": 12,
    }  # fmt: skip
    policy = load_policy(str(tmp_path / "run/checkpoints/final"))
    first = learned_texts(policy, stored(tmp_path / "run", "teacher_programs")[::5])
    assert first == [(question(p, form).text, worked(p, form)) for p in problems[LESSONS]]
    for result in json.loads(done.stdout).values():
        assert 0 <= result["wording"]["in_form"] <= 1
    trained = [r for r in metrics(tmp_path / "run") if r["phase"] == "imitate_solutions" and "loss/cross_entropy" in r]
    assert [r["rollouts"] for r in trained] == [4] * 6  # one solution of each of four problems, whatever there is
    assert len({r["tokens"] for r in trained}) > 1


def reply_to(problems: list[Problem], seen: list[str]) -> Any:
    """Right after a hint, wrong without; every third problem's answer is only said again, another third names a hint."""
    by_statement = {problem.statement: (place, problem) for place, problem in enumerate(problems)}

    def respond(body: dict[str, Any]) -> str:
        asked, _, rationale = body["prompt"].rpartition("Q: ")[2].partition("\nA: Let's think step by step.")
        if rationale:
            return f" {asked.rpartition(' ')[2]}" if "Hint: " in asked else " 7777."
        statement, _, told = asked.partition("\nHint: ")
        place, problem = by_statement[statement]
        seen.append(asked)
        if not told:
            return f" I cannot tell.{CUE} 7777."
        assert told == f"it comes to {problem.steps[-1].value}."
        rationale = [problem.rationale, f"It is {problem.steps[-1].value}.", f"By the hint, {problem.rationale}"][
            place % 3
        ]
        return f" {rationale}{CUE} {problem.steps[-1].value}."

    return respond


@pytest.mark.slow
@pytest.mark.parametrize("ask", ["few_shot", "two_step"])
def test_a_hinted_teacher_is_right_and_its_student_sees_no_hint(tmp_path: Path, ask: str) -> None:
    problems = list(load_problems("word_problems", "train").problems)
    seen: list[str] = []
    with serving() as server:
        server.respond = reply_to(problems, seen)
        done = small_run(
            "hinted_cot", tmp_path / "run", *WORDS, *FEW, "--teacher.server", server.url, "--teacher.model", "m",
            "--teacher.ask", ask, "--teacher.shots", "2", "--teacher.cache", str(tmp_path / "cache"),
            "--reasoning.form", "token",
        )  # fmt: skip
        asked = [body["prompt"] for body in server.asked]
    assert done.returncode == 0, done.stderr
    hinted = [text.partition("\nHint: ")[0] for text in seen if "\nHint: " in text]
    assert set(hinted) == {p.statement for p in problems[LESSONS]}
    assert {text for text in seen if "Hint" not in text} == {p.statement for p in problems[HELD_OUT]}
    shown = 3 if ask == "few_shot" else 1
    assert {text.count("Hint: it comes to ") for text in asked} == {0, shown}
    assert any(text.endswith(CUE) for text in asked) is (ask == "two_step")
    assert harvest(tmp_path / "run") == {
        "problems": 12, "written": 36, "right": 36, "honest": 12, "sound": 12, "distinct": 4, "solved": 4,
    }  # fmt: skip
    policy = load_policy(str(tmp_path / "run/checkpoints/final"))
    texts = learned_texts(policy, stored(tmp_path / "run", "teacher_programs"))
    assert not any(hint(p) in prompt + completion for p in problems[LESSONS] for prompt, completion in texts)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["finetune_cot", "hinted_cot"])
def test_a_program_is_a_rationale_too(tmp_path: Path, recipe: str) -> None:
    problems = load_problems("basics", "labelled").problems
    by_task = {p.statement: p for p in problems if p.solutions}
    prompts: list[str] = []

    def respond(body: dict[str, Any]) -> str:
        asked = body["prompt"].rpartition("\n\n")[2]
        prompts.append(asked)
        found = [p for statement, p in by_task.items() if asked.startswith(statement)]
        return found[0].solutions[0].removeprefix(found[0].starter_code) if found else "    return None"

    with serving() as server:
        server.respond = respond
        done = small_run(
            recipe, tmp_path / "run", *FEW, "--data.labelled", "labelled", "--data.train", "labelled", "--data.dev",
            "dev", "--teacher.server", server.url, "--teacher.model", "m", "--teacher.cache", str(tmp_path / "cache"),
            "--teacher.shots", "0", "--reasoning.form", "program", "--evaluation.n", "2",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert harvest(tmp_path / "run")["solved"] > 6
    assert any("Hint:" in text for text in prompts) is (recipe == "hinted_cot")
    assert all(result["wording"] == {} for result in json.loads(done.stdout).values())


@pytest.mark.slow
def test_gsm8k_is_reasoned_about_in_words(tmp_path: Path, real_data: Path) -> None:
    problems = load_problems("gsm8k", "train", real_data / "gsm8k").problems[:40]
    store_answers(tmp_path / "answers.jsonl", [(p.id, f"{worked(p, Form.NATURAL)}") for p in problems])
    done = small_run(
        "finetune_cot", tmp_path / "run", *FEW, "--data.name", "gsm8k", "--data.train", "train", "--data.path", str(real_data / "gsm8k"),
        "--teacher.file", str(tmp_path / "answers.jsonl"), "--reasoning.form", "natural",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = harvest(tmp_path / "run")
    assert counts["right"] == counts["written"] == counts["distinct"] > 6


TWO_SUMS = [("Ana has 2 pens and gets 3.", "2 + 3 = 5."), ("Ben has 4 pens and gets 4.", "4 + 4 = 8.")]


def told(split: str, place: int, work: str) -> str:
    """Every other pair of what the teacher grew up on has a hint."""
    return f"\nHint: it comes to {work.split()[-1]}" if split == "labelled" and place % 4 > 1 else ""


def sums(folder: Path) -> None:
    for split in ("labelled", "train", "dev", "test"):
        rows = [
            {
                "id": f"{split}-{place}",
                "statement": f"{text} Pens of {split[0]}{place // 2}?" + told(split, place, work),
                "interface": "answer",
                "entry_point": "solution",
                "starter_code": "def solution():\n",
                "hidden_tests": [{"output": int(work.split()[-1][:-1])}],
                "solutions": [f"def solution():\n    return {work.partition('=')[0]}\n"],
                "rationale": f"So {work}",
            }
            for place, (text, work) in enumerate(TWO_SUMS * 8)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


LEARNING = (
    "--data.name files --data.train train --data.dev_size 8 --data.test_size 16 --warm_start.problems_per_round 16 --warm_start.stop_above 1 "
    "--warm_start.learning_rate 1e-2 --warm_start.evaluate_every 100 --sampling.max_new_tokens 30 --json"
).split()
TAUGHT = (
    "--warm_start.rounds 0 --reasoning.form token --teacher.ask two_step --teacher.max_new_tokens 30 --teacher.n 2 "
    "--ekt.steps 150 --ekt.problems_per_round 8 --ekt.learning_rate 1e-2 --ekt.evaluate_every 50"
).split()


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with problems and, in `teacher`, a model that reasons about them in the natural form."""
    folder = tmp_path_factory.mktemp("sums")
    sums(folder)
    place = ["--data.path", str(folder), "--warm_start.rounds", "150", "--reasoning.form", "natural"]
    done = small_run("warm_start", folder / "teacher", *LEARNING, *place)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)["warm start"]
    assert result["pass_at"]["1"]["mean"] > 0.8
    assert result["wording"]["in_form"] > 0.8
    return folder


@pytest.mark.slow
def test_a_student_learns_to_reason_from_a_teacher_asked_in_two_steps(teacher: Path, tmp_path: Path) -> None:
    words = [*LEARNING, "--data.path", str(teacher), "--teacher.model", str(teacher / "teacher"), *TAUGHT]
    done = small_run("finetune_cot", tmp_path / "run", *words)
    assert done.returncode == 0, done.stderr
    before, after = json.loads(done.stdout).values()
    assert before["pass_at"]["1"]["mean"] < 0.3
    assert after["pass_at"]["1"]["mean"] > 0.8
    assert after["wording"]["in_form"] > 0.9
    assert after["wording"]["step_accuracy"] > 0.8
    rows = stored(tmp_path / "run", "teacher_programs")
    assert all(row["mode"] == "natural" and CUE in row["text"] for row in rows)
    evaluated = rl_train(
        "evaluate", "--policy", str(tmp_path / "run"), "--problems", "files", "--data.path", str(teacher), "--split",
        "test", "--form", "token", "--n", "2", "--max-new-tokens", "30", "--json",
    )  # fmt: skip
    assert json.loads(evaluated.stdout)["wording"]["in_form"] > 0.9


@pytest.mark.slow
def test_reasoning_hints_and_answers_alone_are_compared(teacher: Path, tmp_path: Path) -> None:
    arms = """
    [compare]
    seeds = [3]
    n = 2
    ks = [1]
    [compare.arms.finetune_cot]
    [compare.arms.hinted_cot]
    reasoning.check_steps = true
    [compare.arms.answer]
    recipe = "finetune_cot"
    reasoning.form = "answer"
    """
    (tmp_path / "c.toml").write_text("\n".join(line.strip() for line in arms.splitlines()))
    small = "--model.name scratch:nano --graders.workers 2 --warm_start.rounds 4 --warm_start.evaluate_every 2".split()
    few = "--ekt.steps 6 --ekt.evaluate_every 3 --evaluation.n 2 --evaluation.ks [1] --teacher.shots 1".split()
    words = [*LEARNING, *TAUGHT, *small, *few, "--teacher.model", str(teacher / "teacher"), "--data.path", str(teacher)]
    done = rl_train("compare", str(tmp_path / "c.toml"), "--folder", str(tmp_path / "out"), *words)
    assert done.returncode == 0, done.stderr
    by_name = {standing["name"]: standing for standing in json.loads(done.stdout)["standings"]}
    assert list(by_name) == ["warm_start", "teacher, two_step", "finetune_cot", "hinted_cot", "answer"]
    steps = {name: by_name[name]["budget"]["steps"] for name in ("finetune_cot", "hinted_cot", "answer")}
    assert set(steps.values()) == {6}
    assert by_name["answer"]["budget"]["samples"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("finetune_cot",), "--reasoning.form: recipe finetune_cot needs to know how the policy reasons"),
        (("ekt", "--reasoning.form", "token"), "--reasoning.form: recipe ekt learns programs"),
        (("hinted_cot", "--reasoning.form", "answer"), "--reasoning.form: answers alone need no teacher"),
        (("finetune_cot", "--reasoning.form", "token", "--teacher.ask", "chain_of_thought"), "--teacher.ask: chain_of_thought asks for programs"),
        (("ekt", "--teacher.ask", "two_step"), "--teacher.ask: two_step asks for words"),
        (("finetune_cot", "--reasoning.form", "token"), "teacher.model: recipe finetune_cot needs a teacher"),
        (("finetune_cot", "--reasoning.form", "token", "--ekt.programs_per_problem", "3"), "--ekt.programs_per_problem: recipe finetune_cot does not"),
        (("warm_start", "--reasoning.form", "token"), "reasoning.form: answers in words need problems with one number"),
    ],
)  # fmt: skip
def test_a_form_that_does_not_fit_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    recipe, *rest = words
    done = small_run(recipe, tmp_path / "run", *rest)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"rl-train: {said}"), done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_example_for_a_gpu_is_planned(tmp_path: Path, real_data: Path) -> None:
    words = ["--model.name", "scratch:nano", "--data.path", str(real_data / "gsm8k"), "--sampling.max_new_tokens", "64"]
    done = rl_train("run", "rl/configs/finetune_cot_gsm8k.toml", "--dry-run", "--json", *words)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    [phase] = report["phases"]
    assert phase["counts"]["rounds at most"] == -(-6973 * 20 // 8)
    assert phase["counts"]["programs per round"] == 8
    assert all(prompt["text"].endswith(" ###") for prompt in report["prompts"])
    hinted = rl_train(
        "run", "rl/configs/finetune_cot_gsm8k.toml", "--dry-run", "--json", *words, "--recipe", "hinted_cot"
    )
    assert "with the answer in sight" in json.loads(hinted.stdout)["phases"][0]["notes"][0]
