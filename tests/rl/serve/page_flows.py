"""What people do at the page, in Chromium: `python page_flows.py FLOW URL FOLDER`, in an environment with playwright.

Screenshots go to the folder. The exit code is 0 where everything was as it should be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

expect.set_options(timeout=60_000)  # the machine may be busy
DESKTOP, PHONE = {"width": 1200, "height": 900}, {"width": 390, "height": 844}
REFUSED, FORBIDDEN = "Failed to load resource", "Executing inline"
"""What Chromium's console says of requests that the server does not answer, and of what the page's policy forbids."""
HOSTILE = "<img src=x onerror=window.owned=1>"


@contextmanager
def opened(
    url: str, *, size: dict[str, int] = DESKTOP, scheme: str = "light", expected: tuple[str, ...] = ()
) -> Iterator[Page]:
    """The page in a fresh browser; the console may have complained only of what is `expected`, by how that begins."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        context = browser.new_context(viewport=size, color_scheme=scheme, has_touch=size is PHONE)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(url) else None)
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.goto(url)
        yield page
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "wider than the screen"
        browser.close()
    unexpected = [one for one in complaints if not one.startswith(expected)]
    assert not unexpected, unexpected


def write_sum(page: Page, result: str = "5") -> None:
    """The problem that the served model half knows, by keyboard alone."""
    expect(page.locator("#problem")).not_to_be_empty()  # of the problem that is offered first
    page.locator("#pick").select_option("")
    expect(page.locator("#problem")).to_be_focused()
    page.keyboard.type("Give a + b.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("f")
    page.keyboard.press("Tab")
    page.keyboard.type("def f(a, b):\n")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+a")
    page.keyboard.type("[2, 3]")
    page.keyboard.press("Tab")
    page.keyboard.type(result)


def options(page: Page, **values: object) -> None:
    page.locator("#options").evaluate("one => one.open = true")
    for name, value in values.items():
        page.locator(f"#{name}").fill(str(value))


def solves(url: str, folder: Path) -> None:
    """Write a problem, search, look at a token, read the ledger, copy the winner."""
    with opened(url) as page:
        expect(page.locator("#server")).to_contain_text("with a critic")
        page.screenshot(path=folder / "start-desktop-light.png")
        write_sum(page)
        options(page, n=8, max_tokens=24, budget=1500, temperature=1, seed=2)
        page.locator("[data-name=output]").press("Enter")
        expect(page.locator("#winner-title")).to_contain_text("The winner")
        expect(page.locator(".waiting")).to_have_count(0)
        cards = page.locator(".program")
        written = cards.count()
        numbers = sorted(int(text[1:]) for text in page.locator(".program header b").all_inner_texts())
        assert numbers == list(range(1, written + 1))
        assert written > 8
        assert page.locator(".pill.passed").count() + page.locator(".pill.failed").count() == written
        assert page.locator(".kept").count() > 0, "no seed is shown"
        assert page.locator(".program .cut-mark").count() > 0, "no cut is shown"
        expect(cards.first).to_contain_text("refined from #")
        assert page.locator("#ledger tr").last.inner_text().split()[1] == str(written)
        colours = page.locator("code span[class^=v]").evaluate_all("all => all.map(one => one.className[1])")
        assert len(set(colours)) > 2, colours
        program = cards.last.locator("pre")
        program.focus()
        program.press("ArrowRight")
        expect(cards.last.locator(".token-said")).to_contain_text("token 1 of")
        page.locator("#copy").click()
        expect(page.locator("#copied")).to_have_text("Copied.")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("#winner-code").text_content()
        assert copied.startswith("def f(a, b):\n")
        page.screenshot(path=folder / "solved-desktop-light.png")


def shows(url: str, folder: Path) -> None:
    """Picked problems, which a small model fails at and repairs, on every size and in both schemes."""
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        for scheme in ("light", "dark"):
            with opened(url, size=size, scheme=scheme) as page:
                page.locator("#pick").select_option("0")
                options(page, n=6, max_tokens=40, budget=240, temperature=1, seed=1)
                page.locator("#start").click()
                expect(page.locator("#winner-title")).to_contain_text("#")
                page.screenshot(path=folder / f"winner-{name}-{scheme}.png")
                page.locator(".program pre").last.click()
                page.screenshot(path=folder / f"programs-{name}-{scheme}.png")


def corrects(url: str, folder: Path) -> None:
    """Tests that are wrong are told of beside them, by the page or by the server, and can be mended."""
    with opened(url, expected=(REFUSED,)) as page:
        write_sum(page, result="five")
        page.locator("#start").click()
        expect(page.locator("#tests .error")).to_contain_text("Result: expected JSON")
        expect(page.locator("[data-name=output]")).to_be_focused()
        page.screenshot(path=folder / "wrong-test.png")
        page.locator("[data-name=output]").fill("5")
        page.locator("[data-name=input]").fill("[" * 60 + "]" * 60)
        page.locator("#start").click()
        expect(page.locator("#example_tests-error")).to_contain_text("lists within lists")
        page.locator("[data-name=input]").fill("[2, 3]")
        options(page, n=1000)
        page.locator("#start").click()
        expect(page.locator("#n-error")).to_contain_text("expected at most 64")
        options(page, n=4, max_tokens=24, budget=200, seed=1)
        page.locator("[data-name=output]").fill("12345678901234567890")
        with page.expect_request("**/v1/solve") as sent:
            page.locator("#start").click()
        assert '"output": 12345678901234567890}' in (sent.value.post_data or ""), "a number was rounded"
        expect(page.locator("#winner-title")).to_contain_text("None passes")
        page.locator("[data-name=output]").fill("77")
        page.locator("#start").click()
        expect(page.locator(".program dl", has_text="77").first).to_be_visible()


def loses(url: str, folder: Path) -> None:
    """The server is killed once `searching` is printed: what arrived stays, and the page says what happened."""
    with opened(url, expected=(REFUSED,)) as page:
        write_sum(page, result="77")
        options(page, n=8, max_tokens=24, budget=100_000, temperature=1)
        page.locator("#start").click()
        expect(page.locator(".pill.failed").first).to_be_visible()
        print("searching", flush=True)
        expect(page.locator("#status")).to_contain_text("connection was lost")
        assert page.locator(".pill.failed").count() > 0
        expect(page.locator(".waiting")).to_have_count(0)
        page.screenshot(path=folder / "lost.png")
        page.locator("#start").click()
        expect(page.locator("#status")).to_contain_text("does not answer")
        expect(page.locator("#start")).to_be_enabled()


def stops(url: str, folder: Path) -> None:
    """A search that is stopped, on a phone."""
    with opened(url, size=PHONE) as page:
        write_sum(page, result="77")
        options(page, n=8, max_tokens=24, budget=100_000, temperature=1)
        page.locator("#start").tap()
        expect(page.locator(".pill.failed").first).to_be_visible()
        page.locator("#stop").tap()
        expect(page.locator("#status")).to_have_text("Stopped.")
        expect(page.locator("#start")).to_be_enabled()


def shows_its_key(url: str, folder: Path) -> None:
    """A server with keys: the page asks for one, and says of a wrong one that it is wrong."""
    with opened(url, expected=(REFUSED,)) as page:
        expect(page.locator("#server")).to_contain_text("asks for a key")
        page.locator("#key").fill("wrong")
        page.locator("#key").press("Tab")
        expect(page.locator("#key-error")).to_contain_text("no right key")
        page.locator("#key").fill("right")
        page.locator("#key").press("Tab")
        expect(page.locator("#server")).to_contain_text("with a critic")
        expect(page.locator("#key-error")).to_be_empty()


def stays_text(url: str, folder: Path) -> None:
    """A model, a program, its output, a statement and a name that are all markup: they are shown, and do nothing."""
    with opened(url) as page:
        write_sum(page)
        page.locator("#problem").fill(f"Give a + b.{HOSTILE}")
        options(page, n=2, max_tokens=64, budget=128, temperature=0)
        page.locator("#start").click()
        expect(page.locator("#winner-title")).to_contain_text("None passes")
        expect(page.locator("#server")).to_contain_text(HOSTILE)
        expect(page.locator("#winner-code")).to_contain_text(HOSTILE)
        for place in (".program code", ".program dl"):
            expect(page.locator(place, has_text=HOSTILE).first).to_be_visible()
        assert page.locator("img, iframe, body script, [onerror]").count() == 0
        assert page.evaluate("window.owned") is None
    with opened(url, expected=(REFUSED, FORBIDDEN)) as page:  # and were it markup, the page's policy would forbid it
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", HOSTILE)
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'window.owned = 1'}))"
        )
        page.wait_for_timeout(300)
        assert page.evaluate("window.owned") is None


if __name__ == "__main__":
    flow, where, screenshots = sys.argv[1:]
    globals()[flow](where, Path(screenshots))
