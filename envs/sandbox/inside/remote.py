"""Calls between two jailed processes: a test runs in one of them, the program that it calls in the other.

Only plain values cross. Objects that are none stay where they are and are known to the test by a handle, which equals
nothing but itself; so a test never asks a program's object whether it is right.
"""

from __future__ import annotations

import builtins
import os
import struct
import sys
import typing
from collections.abc import Callable, Iterator
from typing import Any

from .harness import CHANNEL, describe, find_entry, load_program, report
from .typed_values import ValueTooLargeError, decode, dump_json, encode, load_json

_SIZE = struct.Struct("<I")
_SPECIAL: dict[str, Callable[..., Any]] = {
    "get": getattr,
    "set": setattr,
    "item": lambda value, key: value[key],
    "len": len,
    "str": str,
    "bool": bool,
    "list": list,
    "call": lambda value, *arguments, **keywords: value(*arguments, **keywords),
}
"""What a test may do with an object of the program."""


class ProgramGoneError(BaseException):
    """The program's process has ended, or writes what is no answer. Not an Exception: no test may catch it."""


class ProgramRaisedError(Exception):
    """The program raised something that is not a built-in exception."""


def _send(text: str) -> None:
    data = text.encode()
    data = _SIZE.pack(len(data)) + data
    while data:
        data = data[os.write(CHANNEL, data) :]


def _receive(largest: int) -> bytes | None:
    size = _read(_SIZE.size)
    if size is None or _SIZE.unpack(size)[0] > largest:
        return None
    return _read(_SIZE.unpack(size)[0])


def _read(size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        part = os.read(CHANNEL, size - len(data))
        if not part:
            return None
        data += part
    return bytes(data)


# The program's side


def serve(header: dict[str, Any], source: bytes, cases: list[bytes]) -> None:
    """Load the program and answer the calls of a test until it hangs up."""
    leave = os._exit
    module = load_program(source)
    if module is None:
        leave(0)
    kept: list[object] = []

    def keep(value: object) -> int:
        kept.append(value)
        return len(kept) - 1

    while (message := _receive(1 << 30)) is not None:
        request = load_json(message)
        try:
            _send(_answer(request, module, kept, keep, header["max_parts"]))
        except ValueTooLargeError:
            report(large=1)
            leave(0)
    leave(0)


def _answer(
    request: dict[str, Any], module: Any, kept: list[object], keep: Callable[[object], int], max_parts: int
) -> str:
    given = dump_json(request["args"])
    arguments, keywords = decode(given, kept.__getitem__)
    try:
        if "name" in request:
            value = find_entry(module, request["name"])(*arguments, **keywords)
        else:
            value = _SPECIAL[request["do"]](kept[request["on"]], *arguments, **keywords)
        after = encode((arguments, keywords), max_parts, keep)
        changed = "" if after == given else f',"args":{after}'
        return f'{{"v":{encode(value, max_parts, keep)}{changed}}}'
    except ValueTooLargeError:
        raise
    except BaseException as error:
        return dump_json({"e": describe(error, sys.exc_info()[2])})


# The test's side


class RemoteObject:
    """An object that lives in the program's process. It equals nothing but itself, and is as true as it says there."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: int, largest: int) -> None:
        self.__dict__.update(_number=number, _largest=largest)

    def _ask(self, do: str, *arguments: Any, **keywords: Any) -> Any:
        return _request({"do": do, "on": self._number}, arguments, keywords, self._largest)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._ask("get", name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask("set", name, value)

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return self._ask("call", *arguments, **keywords)

    def __len__(self) -> int:
        return self._ask("len")  # type: ignore[no-any-return]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._ask("list"))

    def __getitem__(self, key: Any) -> Any:
        return self._ask("item", key)

    def __str__(self) -> str:
        return self._ask("str")  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteObject) and other._number == self._number

    def __bool__(self) -> bool:
        return self._ask("bool") is True  # a program that lies here could return True as well


def _request(request: dict[str, Any], arguments: tuple[Any, ...], keywords: dict[str, Any], largest: int) -> Any:
    def number(value: object) -> int:
        if isinstance(value, RemoteObject):
            return value._number  # type: ignore[no-any-return]
        raise TypeError(f"a {type(value).__name__} cannot be handed to the program")

    text = encode((list(arguments), keywords), handle=number)
    try:
        _send(f'{dump_json(request)[:-1]},"args":{text}}}')
        message = _receive(largest)
    except OSError:
        message = None
    if message is None:
        raise ProgramGoneError
    try:
        answer = load_json(message)
        if "e" in answer:
            raise _exception(answer["e"])
        if "args" in answer:
            _write_back(arguments, decode(dump_json(answer["args"]), lambda kept: RemoteObject(kept, largest))[0])
        return decode(dump_json(answer["v"]), lambda kept: RemoteObject(kept, largest))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        if hasattr(error, "program_error"):
            raise
        raise ProgramGoneError from None


def _exception(told: Any) -> Exception:
    name = told[0]
    kind = vars(builtins).get(name) if isinstance(name, str) else None
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = ProgramRaisedError
    error = kind.__new__(kind)
    error.program_error = told  # type: ignore[attr-defined]
    return error


def _write_back(given: tuple[Any, ...], after: Any) -> None:
    """Let the test see how the program changed its arguments."""
    for before, now in zip(given, after, strict=False):
        if isinstance(before, list) and isinstance(now, list):
            before[:] = now
        elif isinstance(before, dict | set) and type(now) is type(before):
            before.clear()
            before.update(now)


def _proxy(name: str, largest: int) -> Callable[..., Any]:
    def candidate(*arguments: Any, **keywords: Any) -> Any:
        return _request({"name": name}, arguments, keywords, largest)

    candidate.__name__ = name
    return candidate


def run_tests(header: dict[str, Any], source: bytes, cases: list[bytes]) -> None:
    """Run test scripts against proxies of the program's names; `source` is what the scripts may take for granted."""
    proxies = {name: _proxy(name, header["largest"]) for name in header["names"]}
    for index, case in enumerate(cases):
        namespace: dict[str, Any] = {"__name__": "test"}
        try:
            exec(source, namespace)  # noqa: S102 - in the jail
            namespace.update(proxies)
            _run_test(decode(case), header["entry"], namespace)
        except ProgramGoneError:
            report(i=index, gone=1)
            return
        except BaseException as error:
            told = getattr(error, "program_error", None)
            report(i=index, e=told or describe(error, sys.exc_info()[2]), by="test" if told is None else "program")
        else:
            report(i=index, passed=1)


def _run_test(script: str, entry: str | None, namespace: dict[str, Any]) -> None:
    candidate = None if entry is None else namespace[entry]
    if entry is not None:
        namespace.setdefault("candidate", candidate)
    exec(compile(script, "test.py", "exec", dont_inherit=True), namespace)  # noqa: S102 - in the jail
    if entry is not None and callable(namespace.get("check")) and f"check({entry})" not in script:
        namespace[entry] = candidate  # a script may define a reference of the same name
        namespace["check"](candidate)


def run_together(header: dict[str, Any], source: bytes, cases: list[bytes]) -> None:
    """Run program and tests in one process: only for tests that need the program's own classes or take functions."""
    module = load_program(source)
    for index, case in enumerate(cases if module is not None else []):
        assert module is not None
        namespace = dict(module.__dict__)
        try:
            _run_test(decode(case), header["entry"], namespace)
        except AssertionError as error:
            report(i=index, e=describe(error, sys.exc_info()[2]), by="test")
        except BaseException as error:
            report(i=index, e=describe(error, sys.exc_info()[2]), by="program")
        else:
            report(i=index, passed=1)


# Puzzles


def run_predicate(header: dict[str, Any], source: bytes, cases: list[bytes]) -> None:
    """Define a puzzle's predicate and say of each answer whether it is of the right type and makes it true."""
    namespace: dict[str, Any] = {name: getattr(typing, name) for name in typing.__all__}
    exec(compile(source, "test.py", "exec", dont_inherit=True), namespace)  # noqa: S102 - in the jail
    predicate = namespace[header["entry"]]
    wanted = next(iter(typing.get_type_hints(predicate).values()), Any)
    for index, case in enumerate(cases):
        answer = decode(case)
        try:
            report(i=index, v=_is_of(answer, wanted) and bool(predicate(answer)))
        except BaseException as error:
            report(i=index, e=describe(error, sys.exc_info()[2]))


def _is_of(value: Any, wanted: Any) -> bool:
    """Whether a plain value has the annotated type; a bool is no int."""
    kind, parts = typing.get_origin(wanted) or wanted, typing.get_args(wanted)
    if kind is typing.Union:
        return any(_is_of(value, part) for part in parts)
    if kind is type(None) or kind is None:
        return value is None
    if kind is float:
        return type(value) in (int, float)
    if kind not in (bool, int, str, bytes, list, tuple, set, dict):
        return True
    if type(value) is not kind:
        return False
    if kind is dict and parts:
        return all(_is_of(key, parts[0]) and _is_of(item, parts[1]) for key, item in value.items())
    if kind is tuple and parts and parts[-1] is not ...:
        return len(value) == len(parts) and all(map(_is_of, value, parts))
    return not parts or all(_is_of(item, parts[0]) for item in value)
