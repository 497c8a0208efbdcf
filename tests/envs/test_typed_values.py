"""Values cross the wall unchanged as plain builtins, and nothing else does."""

from __future__ import annotations

import contextlib
import enum
import json
import math
from collections import Counter, OrderedDict, namedtuple
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.compare import same_text, same_value
from envs.sandbox.inside.typed_values import Opaque, ValueTooLargeError, decode, encode

hashable = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.fractions(),
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.frozensets(inner, max_size=4),
    max_leaves=8,
)
values = st.recursive(
    hashable,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(hashable, inner, max_size=4),
    max_leaves=12,
)


def kinds(value: Any) -> Any:
    """The types of a value, all the way down, with every set as a set."""
    if isinstance(value, dict):
        return {key: kinds(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value), [kinds(item) for item in value]
    return set if isinstance(value, frozenset) else type(value)


@given(values)
def test_plain_values_come_back_equal_and_of_the_same_types(value: Any) -> None:
    back = decode(encode(value))
    assert back == value
    assert kinds(back) == kinds(value)


@given(values, values)
def test_comparison_is_equality_on_plain_values(left: Any, right: Any) -> None:
    assert same_value(left, decode(encode(left)), strict=True)
    assert same_value(left, right, strict=True) == (left == right)


class AlwaysEqual:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class Sly(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __int__(self) -> int:
        return 42

    __hash__ = int.__hash__
    __index__ = __int__


class SlyText(str):
    def __eq__(self, other: object) -> bool:
        return True

    def __str__(self) -> str:
        return "42"

    __hash__ = str.__hash__


class SlyList(list[int]):
    def __iter__(self) -> Any:
        return iter([42])

    def __len__(self) -> int:
        return 1


class Colour(enum.IntEnum):
    RED = 3


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Sly(3), 3),
        (SlyText("a"), "a"),
        (SlyList([1, 2]), [1, 2]),
        (Colour.RED, 3),
        (Point(1, 2), (1, 2)),
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (True, True),
        (-(2**53), -(2**53)),
        (-0.0, -0.0),
        (math.inf, math.inf),
        (Fraction(1, 3), Fraction(1, 3)),
        ("\ud800", "\ud800"),
        (bytearray(b"\0\xff"), b"\0\xff"),
        (1 + 2j, 1 + 2j),
    ],
)
def test_subclasses_become_their_builtin_base(value: Any, plain: Any) -> None:
    back = decode(encode(value))
    assert type(back) is type(plain)
    assert back == plain
    assert repr(back) == repr(plain)


def test_integers_too_long_for_decimal_text_cross() -> None:
    assert decode(encode([-(10**5000)])) == [-(10**5000)]


@pytest.mark.parametrize("value", [AlwaysEqual(), object(), (x for x in []), range(3), len, Ellipsis])
def test_other_objects_equal_nothing(value: object) -> None:
    back = decode(encode(value))
    assert isinstance(back, Opaque)
    assert back != back
    assert not same_value(back, back)


def test_size_depth_and_cycles_are_bounded() -> None:
    with pytest.raises(ValueTooLargeError):
        encode([0] * 1001, max_parts=1000)
    with pytest.raises(ValueTooLargeError):
        encode("x" * 1001, max_parts=1000)
    with pytest.raises(ValueTooLargeError):
        encode(1 << 8000, max_parts=1000)
    cycle: list[Any] = []
    cycle.append(cycle)
    assert "nested too deeply" in encode(cycle)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"t":1}',
        '{"x":[]}',
        '{"t":[],"s":[]}',
        '{"d":[[1]]}',
        '{"s":[[1]]}',
        '{"i":"zz"}',
        "[" * 100_000,
        '{"t":[' * 3000,
        pytest.param("1" * 5000, id="too many digits"),
        "[1] 2",
        '{"q":[1,0]}',
        '{"h":0}',
        '{"c":[1]}',
        '{"b":"0"}',
    ],
)
def test_forged_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        decode(text)


json_trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*"tsdibcqoh", "x"]), inner, max_size=2)
    ),
    max_leaves=10,
)


@given(json_trees)
def test_whatever_is_forged_is_a_value_or_a_value_error(tree: Any) -> None:
    with contextlib.suppress(ValueError):
        value = decode(json.dumps(tree))
        assert not same_value(object(), value)


def test_keys_chosen_to_collide_are_refused() -> None:
    step = 2**61 - 1
    assert len(decode(encode({step * k for k in range(64)}))) == 64
    with pytest.raises(ValueError, match="equal hashes"):
        decode(encode({step * k for k in range(200)}))


@pytest.mark.parametrize(
    ("expected", "got", "tolerance", "strict", "same"),
    [
        (6, 6.0, None, False, True),
        ([1, 2], (1, 2), None, False, True),
        ([1, 2], (1, 2), None, True, False),
        ([(1, 2)], [[1, 2]], None, True, False),
        (math.nan, math.nan, None, False, False),
        ([math.nan], [math.nan], 1e-6, False, False),
        (0.3, 0.1 + 0.2, None, False, False),
        (0.3, 0.1 + 0.2, 1e-9, False, True),
        (1e9, 1e9 + 1, 1e-6, False, True),
        (10**9, 10**9 + 1, 1e-6, False, False),
        (3, 3.0000001, 1e-3, False, False),
        (3.0, 3, 1e-3, False, True),
        (1.0, True, 1e-3, False, False),
        (1.0, 10**400, 1e-3, False, False),
        (math.inf, math.inf, 1e-3, False, True),
        (math.inf, 1e308, 1e-3, False, False),
        ({"a": [1.0]}, {"a": [1.0 + 1e-9]}, 1e-6, False, True),
        ({"a": 1}, {"a": 1, "b": 2}, None, False, False),
        ("1", 1, None, False, False),
        ({1, 2}, frozenset({1, 2}), None, True, True),
    ],
)
def test_rules_of_comparison(expected: Any, got: Any, tolerance: float | None, strict: bool, same: bool) -> None:
    assert same_value(expected, got, tolerance=tolerance, strict=strict) is same


@pytest.mark.parametrize(
    ("expected", "got", "tolerance", "same"),
    [
        ("1\n2\n", "1  \n2", None, True),
        ("1\n2\n", "1\r\n2\r\n", None, True),
        ("1\n2\n3\n", "1\n", None, False),
        ("1\n", "1\n2\n", None, False),
        ("1\n\n2", "1\n2", None, False),
        (" 1", "1", None, False),
        ("0.5 a", "0.50001 a", None, False),
        ("0.5 a", "0.50001 a", 1e-3, True),
        ("5 a", "5.00001 a", 1e-3, False),
        ("0.5", "nan", 1e-3, False),
        ("", "\n\n", None, True),
    ],
)
def test_rules_of_printed_text(expected: str, got: str, tolerance: float | None, same: bool) -> None:
    assert same_text(expected, got, tolerance=tolerance) is same
