"""How TRL and verl ask a reward function about one completion, and what its answer means.

TRL, a list each:  prompts, completions, completion_ids, and the columns of the data set -> [reward or None, ...]
verl:              data_source, solution_str, ground_truth, extra_info -> reward, or {"score": reward, ...}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from envs.problem import Interface, Problem, problem_to_row


class Shape(StrEnum):
    """Whose signature a reward function has."""

    TRL = "trl"
    VERL = "verl"


class Form(StrEnum):
    """How a completion holds its program."""

    FENCED = "fenced"
    """Text with a fenced block of Python."""
    BARE = "bare"
    """The program and nothing else."""
    CHAT = "chat"
    """A list of one message, whose content is fenced; TRL only."""


def asking(shape: Shape, form: Form, problem: Problem, program: str) -> dict[str, Any]:
    """The arguments by name; as JSON, the body that a reward service is sent."""
    fenced = f"```python\n{program.rstrip()}\n```"
    completion = program if form is Form.BARE else fenced
    if shape is Shape.VERL:
        return {
            "data_source": "rl-train/audit",
            "solution_str": completion,
            "ground_truth": ground_truth(problem),
            "extra_info": {"index": 0, "split": "train", "problem": json.dumps(problem_to_row(problem))},
        }
    chat = form is Form.CHAT
    return {
        "prompts": [[{"role": "user", "content": problem.statement}] if chat else problem.statement],
        "completions": [[{"role": "assistant", "content": completion}] if chat else completion],
        "completion_ids": [[]],
        "problem": [json.dumps(problem_to_row(problem))],
        "problem_id": [problem.id],
        "interface": [str(problem.interface)],
        "entry_point": [problem.entry_point],
        "tests": [assertions(problem)],
        "ground_truth": [ground_truth(problem)],
    }


def assertions(problem: Problem) -> list[str]:
    """The hidden tests as `assert` statements; none of a problem of standard input."""
    if problem.interface is Interface.FUNCTION:
        return [
            f"assert {problem.entry_point}({', '.join(map(repr, case.input))}) == {case.output!r}"
            for case in problem.hidden_tests
        ]
    return [case.script for case in problem.hidden_tests if case.script is not None]


def ground_truth(problem: Problem) -> str:
    """The hidden tests as JSON in the form of APPS, which verl's own graders read: inputs, outputs, fn_name.

    Assertions stand in `assert_case`, beside as many empty inputs and outputs.
    """
    cases = list(problem.hidden_tests)
    found: dict[str, Any] = {"inputs": [case.input for case in cases], "outputs": [case.output for case in cases]}
    if problem.interface is Interface.ASSERT:
        found = {"inputs": [""] * len(cases), "outputs": [None] * len(cases)}
        found["assert_case"] = [case.script for case in cases]
    if problem.entry_point is not None:
        found["fn_name"] = problem.entry_point
    return json.dumps(found)


def reward_in(answer: object) -> float | None:
    """The reward in an answer of either shape, or of a service ({"rewards": [...]}, {"score": ...}); None is unknown.

    Raises ValueError for an answer that holds none.
    """
    value = answer
    for key in ("rewards", "reward", "scores", "score"):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        value = value[0]
    if isinstance(value, Mapping) and "score" in value:
        value = value["score"]
    if value is None:
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # a tensor or a number of NumPy will do
    except (TypeError, ValueError):
        raise ValueError(f"expected a number, [number] or {{'score': number}}; got {answer!r:.200}") from None
