"""Markup: HTML and SVG built element by element, so that every text is escaped and every tag is closed."""

from __future__ import annotations

import html
import unicodedata

_WITHOUT_END = frozenset({"meta", "br"})


class Markup(str):
    """Text that is markup already; any other str is escaped when it enters an element."""

    __slots__ = ()


Child = str | None
"""What an element may hold: Markup, plain text, or None, which is nothing."""


def element(tag: str, /, *children: Child, **attributes: str | float | bool | None) -> Markup:
    """`<tag attributes>children</tag>`.

    An attribute of None or False is left out and True stands alone; in its name a trailing underscore is cut and any
    other becomes a hyphen (`class_`, `aria_label`).
    """
    opening = f"<{tag}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(opening if tag in _WITHOUT_END else f"{opening}{joined(*children)}</{tag}>")


def joined(*children: Child) -> Markup:
    """Children one after the other, escaped where they are plain text."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def visible(text: str) -> str:
    """Text in which control and direction-changing characters are replaced by their escapes, such as `\\u202e`.

    A program then cannot look like another one; a lone surrogate becomes storable too.
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, with a word on what was cut."""
    return text if len(text) <= limit else f"{text[:limit]}\n… {len(text) - limit:,} more characters"


def _visible(character: str) -> str:
    # Cc: control; Cf: direction marks, zero-width signs; Cs: lone surrogates
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
        return character
    return character.encode("ascii", "backslashreplace").decode() if character > "\x7f" else f"\\x{ord(character):02x}"


def _escaped(child: str) -> str:
    return child if isinstance(child, Markup) else html.escape(visible(child))


def _attribute(key: str, value: str | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(visible(str(value)))}"'
