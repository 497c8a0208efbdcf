"""Teachers: what they were asked stays known, and the learner gets their programs in its own ids after its own prompt."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from envs.errors import UserError
from envs.problem import Problem
from envs.problem_sets.word_problems import load
from envs.prompts import chat, few_shot, plain
from envs.rollout import Prompt, StopReason
from rl.decode import StopStrings
from rl.experience import Experience
from rl.models import Policy, load_policy
from rl.teacher_cache import AnswerCache
from rl.teacher_server import ServerSettings, server_teacher
from rl.teachers import Answer, Question, Teacher, stored_teacher
from rl.write import Write, by_reference, by_teacher, local_teacher
from tests.builders import a_problem
from tests.rl.fake_server import serving

PROBLEMS = load("train", n=6).problems
ASKED, EXEMPLARS = PROBLEMS[:2], PROBLEMS[2:4]


@pytest.fixture(scope="module")
def student() -> Policy:
    return load_policy("scratch:nano", [plain(problem).text for problem in PROBLEMS])


def taught(teacher: Teacher, student: Policy, n: int = 2) -> Write:
    ask = partial(few_shot, exemplars=EXEMPLARS)
    return by_teacher(teacher, student, ask=ask, prompt=plain, n=n, temperature=0.6, seed=0)


def answering(*answers: Answer) -> Teacher:
    return lambda questions: (list(answers) for _ in questions)


def body(problem: Problem) -> str:
    return problem.solutions[0].removeprefix(problem.starter_code)


def test_a_teacher_is_asked_few_shot_and_the_learner_reads_the_bare_problem(student: Policy, tmp_path: Path) -> None:
    problem = ASKED[0]
    write = taught(answering(Answer(body(problem), StopReason.STOP_STRING)), student)
    store = Experience(tmp_path, PROBLEMS)
    store.append("teacher", 0, list(write([problem], 0)))
    [group] = Experience(tmp_path, PROBLEMS).groups("teacher", 0)
    [rollout] = group.rollouts
    assert (rollout.prompt.mode, rollout.prompt) == ("few_shot", few_shot(problem, EXEMPLARS))
    assert rollout.prompt_ids == student.encode(plain(problem).text)
    assert (rollout.author, rollout.stop, rollout.temperature) == ("teacher", StopReason.STOP_STRING, 0.6)
    assert rollout.program == problem.solutions[0]


def test_a_right_answer_in_any_form_is_learned_as_a_reference_is(student: Policy) -> None:
    problem = ASKED[0]
    [reference] = next(by_reference(student, ask=plain)([problem], 0)).rollouts
    forms = [
        body(problem),
        body(problem).rstrip(),
        problem.solutions[0],
        f"Here it is:\n```python\n{problem.solutions[0]}```\nDone.",
    ]
    answers = [Answer(form, StopReason.END_OF_TEXT) for form in forms]
    [group] = taught(answering(*answers), student, n=4)([problem], 0)
    assert [rollout.completion_ids for rollout in group.rollouts] == [reference.completion_ids] * 4
    assert [rollout.text for rollout in group.rollouts] == forms


def test_what_was_cut_off_has_no_end(student: Policy) -> None:
    [group] = taught(answering(Answer("    return 5", StopReason.LENGTH)), student)(ASKED[:1], 0)
    assert group.rollouts[0].completion_ids == student.encode("    return 5\n")
    assert group.rollouts[0].stop is StopReason.LENGTH


def test_a_local_teacher_has_its_own_tokenizer(student: Policy) -> None:
    model = load_policy("scratch:nano", ["another text"], seed=3)
    assert model.encode("return") != student.encode("return")
    stop = StopStrings(["\n"], model.tokenizer, model.model.config.vocab_size)
    teacher = local_teacher(model, temperature=1.0, max_new_tokens=8, stop=stop, rows=2)
    groups = list(taught(teacher, student, n=3)(ASKED, 0))
    assert [len(group.rollouts) for group in groups] == [3, 3]
    assert all("\n" not in rollout.text for group in groups for rollout in group.rollouts)
    other_batch = list(taught(teacher, student, n=3)(ASKED[1:], 7))
    assert [r.text for r in other_batch[0].rollouts] == [r.text for r in groups[1].rollouts]


def test_a_server_writes_for_the_student(student: Policy, tmp_path: Path) -> None:
    settings = {"model": "m", "temperature": 0.6, "max_new_tokens": 20}
    with serving(text="    return 5") as server, AnswerCache(tmp_path) as cache:
        teacher = server_teacher(ServerSettings(server=server.url, **settings), cache)  # type: ignore[arg-type]
        groups = list(taught(teacher, student)(ASKED, 0))
        assert {body["prompt"] for body in server.asked} == {few_shot(p, EXEMPLARS).text for p in ASKED}
        assert "def solution():\n    return 5 #" in groups[1].rollouts[0].program
        chats = server_teacher(ServerSettings(server=server.url, api="chat", **settings), cache)  # type: ignore[arg-type]
        ask = partial(chat, apply_template=json.dumps, exemplars=EXEMPLARS)
        write = by_teacher(chats, student, ask=ask, prompt=plain, n=1, temperature=0.6, seed=0)
        [group] = write(ASKED[:1], 0)
        assert [message["role"] for message in server.asked[-1]["messages"]] == ["user", "assistant"] * 2 + ["user"]
        assert (group.rollouts[0].prompt.mode, group.rollouts[0].prompt_ids) == (
            "chat",
            student.encode(plain(ASKED[0]).text),
        )


def test_stored_answers_are_taken_in_order(tmp_path: Path) -> None:
    rows = [("a", "1", None), ("b", "2", "length"), ("a", "3", "stop"), ("a", "4", "stop")]
    file = tmp_path / "answers.jsonl"
    file.write_text(
        "".join(
            json.dumps({"problem_id": name, "completion": text} | ({"finish_reason": reason} if reason else {}))
            + "\n\n"
            for name, text, reason in rows
        )
    )
    questions = [Question(Prompt(name, ""), (0, 1)) for name in ("a", "b", "c")]
    ended, cut = StopReason.END_OF_TEXT, StopReason.LENGTH
    assert list(stored_teacher(file)(questions)) == [[Answer("1", ended), Answer("3", ended)], [Answer("2", cut)], []]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"problem_id": "a", "completion": "x"}\n{', r"answers.jsonl:2: expected a JSON object"),
        ('{"problem_id": "a"}', r"answers.jsonl:1: expected .*; completion is missing"),
        ("[1]", r"answers.jsonl:1: expected .*; problem_id is missing"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_text(content)
    with pytest.raises(UserError, match=said):
        stored_teacher(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"teacher.file: cannot read .*none.jsonl"):
        stored_teacher(tmp_path / "none.jsonl")


def test_a_problem_may_stay_without_answers(student: Policy) -> None:
    [group] = taught(answering(), student)([a_problem()], 0)
    assert group.rollouts == ()
