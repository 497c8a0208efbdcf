"""Ids to text while they come: characters are handed out once no further id can change them, and before a stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Decode = Callable[[Sequence[int]], str]
"""Ids -> their text, without special tokens."""

_BROKEN = "�"
_LONGEST_BEGINNING = 3
"""Bytes of a character of UTF-8 that can be there before it is complete; each shows as one replacement character."""


class TextSoFar:
    """The text of ids that come one by one, up to the first of some stop strings."""

    def __init__(self, decode: Decode, stop: Sequence[str] = ()) -> None:
        self.decode = decode
        self.stop = tuple(stop)
        self.text = ""
        """What is final; without the stop string."""
        self.stopped = False
        """Whether a stop string was met: no further text comes."""
        self._final = ""  # with what may yet turn out to begin a stop string
        self._window: list[int] = []
        self._known = 0  # ids of the window that are context: their text was taken before
        self._taken = ""  # text of the window that was taken

    def add(self, token: int) -> str:
        """Take the next id; returns what text became final."""
        if self.stopped:
            return ""
        self._window.append(token)
        seen = self.decode(self._window)
        broken = min(len(seen) - len(seen.rstrip(_BROKEN)), _LONGEST_BEGINNING)
        self._take(seen[: len(seen) - broken])
        if not broken:
            # The ids before are kept one turn more: some tokenizers write a token otherwise where it comes first.
            self._window, self._known = self._window[self._known :], len(self._window) - self._known
            self._taken = self.decode(self._window)
        return self._advance(held_back=_held_back(self._final, self.stop))

    def end(self) -> str:
        """No more ids come: what was held back is final."""
        if not self.stopped:
            self._take(self.decode(self._window))
        return self._advance(held_back=0)

    def _take(self, seen: str) -> None:
        """Text of the window as far as it will not change."""
        new = seen[len(self._taken) :]
        self._taken += new
        before = len(self._final)
        self._final += new
        longest = max(map(len, self.stop), default=0)
        places = [place for text in self.stop if (place := self._final.find(text, max(0, before - longest))) >= 0]
        if places:
            self._final, self.stopped = self._final[: min(places)], True

    def _advance(self, held_back: int) -> str:
        new = self._final[len(self.text) : len(self._final) - (0 if self.stopped else held_back)]
        self.text += new
        return new


def _held_back(text: str, stop: Sequence[str]) -> int:
    """Characters at the end of a text that may begin a stop string."""
    longest = max(map(len, stop), default=1) - 1
    lengths = range(min(longest, len(text)), 0, -1)
    return next((n for n in lengths if any(one.startswith(text[-n:]) for one in stop)), 0)
