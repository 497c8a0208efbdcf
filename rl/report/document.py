"""A page that needs nothing else: no script, no font, no address to load from."""

from __future__ import annotations

from pathlib import Path

from rl.report.markup import Markup, element

STYLE = Path(__file__).with_name("style.css")


def document(title: str, body: Markup) -> str:
    """A whole HTML page with the style of the reports."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        # Programs are shown here. Should one ever get through as markup, the browser still runs and loads nothing.
        element("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        element("title", title),
        element("style", Markup(STYLE.read_text(encoding="utf-8"))),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"
