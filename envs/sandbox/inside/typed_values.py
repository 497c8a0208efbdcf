"""Values that cross the wall of the jail: plain builtins as JSON, with tags for what JSON lacks.

`None`, `bool`, small `int`, `float` and `str` stand for themselves and a JSON array is a list; everything else is an
object with one key: `t` tuple, `s` set, `d` dict, `i` large int (hexadecimal), `b` bytes (hexadecimal), `c` complex,
`q` fraction, `y` built-in type (by name), `o` opaque (any other object; its class name), `h` handle (an object that
stays in the other process).
"""

from __future__ import annotations

import json
import json.encoder
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 100
_SMALL = 1 << 53
_MAX_EQUAL_HASHES = 64
_int_hex = int.__format__
_TYPES = {kind.__name__: kind for kind in (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)}


_scan: Any = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


def _no_default(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is not JSON")


_make_encoder: Any = json.encoder.c_make_encoder  # type: ignore[attr-defined]
_encode_tree = _make_encoder(
    None, _no_default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True
)


def dump_json(tree: Any) -> str:
    """Write a tree of lists, dicts and JSON scalars; the direct way to the C encoder touches few pages after a fork."""
    return "".join(_encode_tree(tree, 0))


def load_json(text: str | bytes) -> Any:
    """Read JSON without white space around it; raises ValueError where it is none."""
    if isinstance(text, bytes):
        text = text.decode()
    try:
        tree, end = _scan(text, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError("not JSON: something follows")
    return tree


class ValueTooLargeError(Exception):
    """The value has more parts than may cross."""


class Opaque:
    """An object of a program that is not a plain value: equal to nothing."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return False

    def __repr__(self) -> str:
        return f"<{self.name} object>"


def encode(value: object, max_parts: int = 1 << 62, handle: Callable[[object], int] | None = None) -> str:
    """Write `value` as typed JSON text, asking nothing of its own methods.

    An instance of a subclass is written as its builtin base. `handle`, if given, keeps objects that are not plain and
    returns a number for each. Raises ValueTooLargeError beyond `max_parts` parts.
    """
    return dump_json(_Encoder(max_parts, handle).plain(value, 0))


class _Encoder:
    def __init__(self, max_parts: int, handle: Callable[[object], int] | None) -> None:
        self.parts_left = max_parts
        self.handle = handle

    def plain(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value
        if kind is int:
            if -_SMALL < value < _SMALL:
                return value
            self._spend(value.bit_length() >> 2)
            return {"i": _int_hex(value, "x")}
        if kind is str:
            self._spend(len(value))
            return value
        if depth > MAX_DEPTH:
            return {"o": "value nested too deeply"}
        if kind is list:
            return self._list(value, depth)
        return self._other(value, kind, depth)

    def _spend(self, parts: int) -> None:
        self.parts_left -= parts
        if self.parts_left < 0:
            raise ValueTooLargeError

    def _list(self, items: Any, depth: int) -> list[Any]:
        self._spend(len(items))
        plain = self.plain
        return [plain(item, depth + 1) for item in items]

    def _other(self, value: Any, kind: type, depth: int) -> Any:
        if issubclass(kind, int):
            return self.plain(int.__and__(value, -1), depth)
        if issubclass(kind, float):
            return float.__pos__(value)
        if issubclass(kind, str):
            return self.plain(str.__str__(value), depth)
        if issubclass(kind, tuple):
            return {"t": self._list(tuple.__getitem__(value, slice(None)), depth)}
        if issubclass(kind, list):
            return self._list(list.__getitem__(value, slice(None)), depth)
        if issubclass(kind, dict):
            self._spend(2 * dict.__len__(value))
            plain = self.plain
            return {"d": [[plain(key, depth + 1), plain(item, depth + 1)] for key, item in dict.items(value)]}
        if issubclass(kind, set | frozenset):
            base: Any = set if issubclass(kind, set) else frozenset
            return {"s": self._list(list(base.__iter__(value)), depth)}
        if issubclass(kind, bytes | bytearray):
            self._spend(2 * len(memoryview(value)))
            return {"b": memoryview(value).tobytes().hex()}
        if issubclass(kind, complex):
            exact = complex.__pos__(value)
            return {"c": [exact.real, exact.imag]}
        return self._foreign(value, kind, depth)

    def _foreign(self, value: Any, kind: type, depth: int) -> Any:
        fractions, numpy = sys.modules.get("fractions"), sys.modules.get("numpy")
        if fractions is not None and kind is fractions.Fraction:
            return {"q": [self.plain(value.numerator, depth), self.plain(value.denominator, depth)]}
        if numpy is not None and issubclass(kind, numpy.generic):
            return self.plain(numpy.generic.item(value), depth + 1)
        if numpy is not None and kind is numpy.ndarray:
            self._spend(value.size)
            return self.plain(value.tolist(), depth + 1)
        if kind is type and value in _TYPES.values():
            return {"y": value.__name__}
        if self.handle is not None:
            return {"h": self.handle(value)}
        return {"o": class_name(kind)}


def class_name(kind: type) -> str:
    """Name of a class, without asking its metaclass; at most 80 characters."""
    return str.__str__(type.__dict__["__name__"].__get__(kind))[:80]


def decode(text: str | bytes, resolve: Callable[[int], Any] | None = None) -> Any:
    """Read typed JSON text as plain builtins (opaque objects as Opaque).

    `resolve` turns the number of a handle into an object. Raises ValueError when the text is not of that form, whoever
    wrote it.
    """
    try:
        return _build(load_json(text), resolve)
    except (RecursionError, TypeError, LookupError, ArithmeticError, MemoryError) as error:
        raise ValueError(f"not a value: {type(error).__name__}") from None


def _build(tree: Any, resolve: Callable[[int], Any] | None, hashed: bool = False) -> Any:
    if isinstance(tree, list):
        return [_build(item, resolve) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if len(tree) != 1:
        raise ValueError("not a value: an object has one key")
    ((tag, content),) = tree.items()
    if tag == "y":
        return _TYPES[content]
    if tag == "t":
        return tuple([_build(item, resolve, hashed) for item in content])
    if tag == "d":
        pairs = [(_build(key, resolve, True), _build(item, resolve)) for key, item in content]
        _refuse_equal_hashes([key for key, _ in pairs])
        return dict(pairs)
    if tag == "s":
        items = [_build(item, resolve, True) for item in content]
        _refuse_equal_hashes(items)
        return frozenset(items) if hashed else set(items)
    if tag == "i":
        return int(content, 16)
    if tag == "b":
        return bytes.fromhex(content)
    if tag == "c":
        return complex(float(content[0]), float(content[1]))
    if tag == "q":
        return _fraction(_build(content[0], resolve), _build(content[1], resolve))
    if tag == "o":
        return Opaque(str(content)[:80])
    if tag == "h" and resolve is not None:
        return resolve(content)
    raise ValueError(f"not a value: tag {tag!r}")


def _fraction(above: Any, below: Any) -> Any:
    if type(above) is not int or type(below) is not int or max(above.bit_length(), below.bit_length()) > 4096:
        raise ValueError("not a value: a fraction of two integers of at most 4096 bits")  # longer ones take long
    from fractions import Fraction

    return Fraction(above, below)


def _refuse_equal_hashes(items: list[Any]) -> None:
    """Refuse keys chosen to make a dict or set quadratic in the process that judges."""
    if len(items) > _MAX_EQUAL_HASHES and max(Counter(map(hash, items)).values()) > _MAX_EQUAL_HASHES:
        raise ValueError("not a value: keys with equal hashes")
