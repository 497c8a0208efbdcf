"""The process that holds a user's reward function: what it runs may end it or hang, and the audit goes on.

    python -m envs.reward_audit.child MODULE:FUNCTION READ_FD WRITE_FD

A request is a line of JSON, {"nonce", "arguments"}; an answer is a line of the nonce and JSON, so that no line which a
program writes by chance is taken for one. The first answer, to no request, says the shape of the function.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from envs.errors import UserError
from envs.reward_audit.shapes import Shape, reward_in


def main(words: list[str]) -> None:
    """Answer until there are no more requests."""
    name, requests, answers = words[0], os.fdopen(int(words[1])), os.fdopen(int(words[2]), "w")
    sys.path.insert(0, os.getcwd())

    def say(nonce: str, answer: dict[str, object]) -> None:
        print(nonce, json.dumps(answer), file=answers, flush=True)

    try:
        reward = load(name)
        shape = shape_of(reward, name)
    except UserError as error:
        say("start", {"mistake": str(error)})
        return
    say("start", {"shape": shape})
    for line in requests:
        request = json.loads(line)
        say(request["nonce"], _answer(reward, shape, request["arguments"]))


def load(name: str) -> Callable[..., Any]:
    """The object that MODULE:NAME or FILE.py:NAME names. Raises UserError, in one line, where there is none."""
    where, _, attribute = name.rpartition(":")
    if not where or not attribute:
        raise UserError(f"--reward: expected MODULE:FUNCTION or FILE.py:FUNCTION; got {name}")
    try:
        module = _from_file(where) if where.endswith(".py") else importlib.import_module(where)
    except Exception as error:  # what it raises is the user's: a missing file, a missing package, a syntax error
        raise UserError(f"--reward: cannot import {where}: {type(error).__name__}: {error}".splitlines()[0]) from error
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if not callable(found) or inspect.isclass(found):
        what = "nothing of that name" if found is None else type(found).__name__
        raise UserError(f"--reward: expected a function called {attribute} in {where}; got {what}")
    reward: Callable[..., Any] = found
    return reward


def shape_of(reward: Callable[..., Any], name: str) -> Shape:
    """Whose signature a function has, by its parameters. Raises UserError where it has neither's."""
    parameters = inspect.signature(reward).parameters
    if "completions" in parameters:
        return Shape.TRL
    if "solution_str" in parameters:
        return Shape.VERL
    raise UserError(
        f"--reward: {name} has parameters ({', '.join(parameters)}); expected TRL's (completions, **columns) or verl's "
        "(data_source, solution_str, ground_truth, extra_info=None)"
    )


def _from_file(path: str) -> ModuleType:
    name = Path(path).stem
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


def _answer(reward: Callable[..., Any], shape: Shape, arguments: dict[str, Any]) -> dict[str, object]:
    if shape is Shape.TRL:
        arguments |= {"trainer_state": None, "log_extra": _ignored, "log_metric": _ignored}
    try:
        found = reward(**_accepted(reward, arguments))
        if inspect.isawaitable(found):
            found = asyncio.run(_awaited(found))
        return {"reward": reward_in(found)}
    except BaseException as error:  # a program that it runs may raise anything through it
        return {"raised": f"{type(error).__name__}: {error}".splitlines()[0][:300]}


def _accepted(reward: Callable[..., Any], arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that a function takes: a data set of the user's own would have the columns that it needs."""
    parameters = inspect.signature(reward).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return arguments
    return {name: value for name, value in arguments.items() if name in parameters}


async def _awaited(found: Any) -> Any:
    return await found


def _ignored(*_: object) -> None:
    """TRL's hooks for logging."""


if __name__ == "__main__":
    main(sys.argv[1:])
