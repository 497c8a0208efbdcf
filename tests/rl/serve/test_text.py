"""Text that comes id by id is the text of all ids, cut at the first stop string."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rl.serve.text import TextSoFar


def decode(ids: Sequence[int]) -> str:
    """A tokenizer whose tokens are bytes, the worst case."""
    return bytes(ids).decode("utf-8", "replace")


def handed_out(ids: Sequence[int], stop: Sequence[str] = ()) -> list[str]:
    text = TextSoFar(decode, stop)
    return [*map(text.add, ids), text.end()]


@given(st.lists(st.integers(0, 255), max_size=40) | st.text(max_size=20).map(lambda text: list(text.encode())))
def test_the_pieces_are_the_whole(ids: list[int]) -> None:
    assert "".join(handed_out(ids)) == decode(ids)


@given(
    st.text("abé€😀", max_size=20),
    st.lists(st.text("abé€😀", min_size=1, max_size=3), min_size=1, max_size=3),
)
def test_nothing_comes_from_a_stop_string_on(text: str, stop: list[str]) -> None:
    assert "".join(handed_out(list(text.encode()), stop)) == before_the_first_to_end(text, stop)


def before_the_first_to_end(text: str, stop: list[str]) -> str:
    """Writing ends as soon as any stop string stands there: another that began earlier may never be finished."""
    for end in range(len(text) + 1):
        starts = [start for one in stop if (start := text.find(one, 0, end)) >= 0]
        if starts:
            return text[: min(starts)]
    return text


def test_a_character_comes_once_it_is_whole() -> None:
    assert handed_out(list("a€b".encode())) == ["a", "", "", "€", "b", ""]


def test_what_may_begin_a_stop_string_is_held_back() -> None:
    assert handed_out(list(b"a\n\nxx"), ["\n\n\n"]) == ["a", "", "", "\n\nx", "x", ""]
