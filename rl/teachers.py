"""Teachers: who answers questions for a learner to imitate, and one that has answered already, in a file.

A Teacher knows neither the learner nor its tokenizer: `rl.write.by_teacher` makes rollouts of its answers. Others are
a model in this process, `rl.write.local_teacher`, and one behind a server, `rl.teacher_server.server_teacher`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from envs.errors import UserError
from envs.forms import CUE
from envs.rollout import Prompt, StopReason


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt, and how many answers are wanted."""

    prompt: Prompt
    """What the teacher is shown."""
    seeds: tuple[int, ...]
    """One seed per answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a teacher wrote after a prompt."""

    text: str
    """The completion, cut before the first stop string."""
    stop: StopReason
    """Why it ended."""


Teacher = Callable[[Sequence[Question]], Iterator[list[Answer]]]
"""Questions -> the answers to each, in order, each as soon as it is known."""


def stored_teacher(path: Path) -> Teacher:
    """Answers from a JSONL file of rows `{"problem_id": ..., "completion": ...}`, in the order of the file.

    A row may say why it ended, `"finish_reason": "length"` where it was cut off. Each question gets the first answers
    that the file has for its problem, fewer where it has fewer. Raises UserError that names file and line.
    """
    found = _read_answers(path)
    return lambda questions: (
        found.get(question.prompt.problem_id, [])[: len(question.seeds)] for question in questions
    )


def two_step(reasoning: Teacher, answering: Teacher) -> Teacher:
    """Ask for a rationale, then show it and ask for the answer (zero-shot chain of thought, arXiv 2205.11916).

    An answer holds both; it ended as its rationale did.
    """

    def answer(questions: Sequence[Question]) -> Iterator[list[Answer]]:
        rationales = list(reasoning(questions))
        asked = [
            Question(replace(question.prompt, text=f"{question.prompt.text}{rationale.text.rstrip()}{CUE}"), (seed,))
            for question, group in zip(questions, rationales, strict=True)
            for rationale, seed in zip(group, question.seeds, strict=True)
        ]
        answers = answering(asked)
        for group in rationales:
            yield [
                Answer(f"{rationale.text.rstrip()}{CUE}{_first_line(next(answers)[0].text)}", rationale.stop)
                for rationale in group
            ]

    return answer


def _first_line(text: str) -> str:
    return text.partition("\n")[0]


def cut_answer(text: str, finish_reason: str | None, stop: Sequence[str]) -> Answer:
    """An answer as servers tell it. Only what ended by itself or at a stop string is whole; all else was cut off."""
    head = re.split("|".join(map(re.escape, stop)), text, maxsplit=1)[0] if stop else text
    if len(head) < len(text):
        return Answer(head, StopReason.STOP_STRING)
    return Answer(text, StopReason.END_OF_TEXT if finish_reason == "stop" else StopReason.LENGTH)


def _read_answers(path: Path) -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"teacher.file: cannot read {path}: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}:{number}: expected a JSON object; {error.msg}") from None
        problem_id, answer = _row(row, f"{path}:{number}")
        found.setdefault(problem_id, []).append(answer)
    return found


def _row(row: object, where: str) -> tuple[str, Answer]:
    for key in ("problem_id", "completion"):
        if not isinstance(row, Mapping) or not isinstance(row.get(key), str):
            raise UserError(
                f'{where}: expected {{"problem_id": text, "completion": text}}; {key} is missing or no text'
            )
    assert isinstance(row, Mapping)
    return row["problem_id"], cut_answer(row["completion"], row.get("finish_reason", "stop"), ())
