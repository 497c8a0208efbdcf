"""A calculator inside decoding: where a model writes `<<expression=`, the right value is put in behind it.

It works on token ids, whatever the tokenizer: a token may end with the sign of equality or go on behind it (then it is
written anew up to the sign), and the value is spelled in tokens that stand for its characters in the middle of a text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from envs.calculator import calculate, number_text
from envs.errors import UserError
from rl.decode import token_texts
from rl.models import Policy

_EQUALS = "="
_OPEN_MARK = re.compile(r"<<([^<>=]+)=")
_WRITTEN = "0123456789.->"
"""Characters that must have a token each, so that every value can be written."""


class Calculator:
    """An `Insert` for the sampler that works out calculator marks; what is no arithmetic is left to the model."""

    def __init__(self, policy: Policy) -> None:
        """For completions of this policy. Raises UserError where its tokenizer has no digits."""
        self.encode = policy.encode
        self.texts_V = token_texts(policy.tokenizer, policy.model.config.get_text_config().vocab_size)
        self.triggers = frozenset(token for token, text in enumerate(self.texts_V) if _EQUALS in text)
        self.id_of = {text: token for token, text in reversed(list(enumerate(self.texts_V))) if text}
        if missing := [character for character in _WRITTEN if character not in self.id_of]:
            raise UserError(
                f"socratic.calculator: the tokenizer has no token for {missing[0]!r}, so that values cannot be "
                "written; set socratic.calculator = false"
            )

    def __call__(self, ids: Sequence[int]) -> tuple[int, ...]:
        """As `Insert.__call__`."""
        text = "".join(self.texts_V[token] for token in ids)
        last = self.texts_V[ids[-1]]
        begin = len(text) - len(last)
        for mark in _OPEN_MARK.finditer(text):
            if mark.end() <= begin:
                continue
            value = calculate(mark[1])
            if value is None:
                return ()
            head, result = last[: mark.end() - begin], f"{number_text(value)}>>"
            return (ids[-1], *self._spelled(result)) if head == last else self._spelled(head + result)
        return ()

    def _spelled(self, text: str) -> tuple[int, ...]:
        """Ids of a text behind other text: as the tokenizer writes it where that works, else its longest tokens."""
        before, whole = self.encode(_EQUALS), self.encode(_EQUALS + text)
        ids = whole[len(before) :]
        if whole[: len(before)] == before and "".join(self.texts_V[token] for token in ids) == text:
            return ids
        spelled: list[int] = []
        while text:
            length = next(n for n in range(len(text), 0, -1) if text[:n] in self.id_of)
            spelled.append(self.id_of[text[:length]])
            text = text[length:]
        return tuple(spelled)
