"""Checks that every page passes: accessibility, keyboard, zoom, size of what is tapped; and a screenshot."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

from playwright.sync_api import CDPSession, Page

from tests.browser.conftest import HEIGHT, IS_EVERY_VIEW, View

ROOT: Final = Path(__file__).parents[2]
SCREENS: Final = ROOT / ".state/screens"
NARROWEST: Final = 320
"""WCAG 2.2, 1.4.10: no horizontal scrolling down to this width."""
TOUCH_PIXELS: Final = 44
MANY_BEATS: Final = re.compile(r"^([3-9]|\d\d)$")
"""What the metronome shows from its third beat on; on a busy machine some numbers are never seen."""

_SESSIONS: Final[WeakKeyDictionary[Page, CDPSession]] = WeakKeyDictionary()
"""One for each page, since opening one takes longer than most expressions."""
_FOCUSABLE: Final = """
[...document.querySelectorAll(
  "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
  .filter(e => !e.disabled && e.checkVisibility() && !e.matches(".skip, input[type=radio]:not(:checked)"))
"""
_WATCH_FOCUS: Final = f"""
window.missed = new Set({_FOCUSABLE.strip()});
window.watching?.abort();
window.watching = new AbortController();
document.addEventListener("focusin", e => {{
  if (getComputedStyle(e.target).outlineStyle !== "none") missed.delete(e.target);
}}, {{capture: true, signal: watching.signal}});
document.activeElement.blur();
scrollTo(0, 0);
"""
"""Keeps in `missed` what the focus has not reached, or reached without showing it."""
_SMALL: Final = f"""
{_FOCUSABLE.strip()}.filter(e => !e.matches("input[type=checkbox], input[type=radio]"))
  .filter(e => getComputedStyle(e).display !== "inline")
  .filter(e => e.getBoundingClientRect().height < {TOUCH_PIXELS} - 0.5)
  .map(e => e.outerHTML.slice(0, 120))
"""


def check(page: Page, view: View, name: str) -> None:
    """Assert what holds for every page.

    `make screens` also saves a screenshot of it, as `.state/screens/NAME-WIDTH-LANG.png`.
    """
    page.wait_for_load_state()  # before, a picture of the full page may lack its end
    save_screenshot(page, f"{name}-{view}")
    assert evaluate(page, "document.documentElement.lang") == view.language
    assert evaluate(page, "document.querySelectorAll('h1').length") == 1
    assert violations(page) == []
    if view.width < 600:
        page.emulate_media(color_scheme="dark")
        save_screenshot(page, f"{name}-{view}-dark")
        assert violations(page, only="color-contrast") == []  # nothing else differs in the dark
        page.emulate_media(color_scheme="light")
        assert evaluate(page, _SMALL) == []
        assert unreachable(page) == []  # the same elements at every width
    assert_fits(page, view)


def save_screenshot(page: Page, name: str) -> None:
    """Save a picture of the whole page, which takes longer than most checks, in `make screens` only."""
    if IS_EVERY_VIEW:
        SCREENS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENS / f"{name}.png", full_page=True)


def evaluate(page: Page, expression: str) -> Any:
    """Return the value of a JavaScript expression; the page's policy does not apply to it."""
    session = _SESSIONS.get(page)
    if session is None:
        session = _SESSIONS[page] = page.context.new_cdp_session(page)
    answer = session.send(
        "Runtime.evaluate", {"expression": expression, "awaitPromise": True, "returnByValue": True}
    )
    assert "exceptionDetails" not in answer, answer["exceptionDetails"]
    return answer["result"].get("value")


@cache
def _axe() -> str:
    return (ROOT / "tests/browser/vendor/axe-core/axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, only: str = "") -> list[str]:
    """Return what axe-core finds wrong, by all of its rules or only one: rule and element."""
    if not evaluate(page, "'axe' in window"):
        evaluate(page, _axe() + "\nvoid 0")
    options = "{resultTypes: ['violations']" + (f", runOnly: ['{only}']" if only else "") + "}"
    found = evaluate(page, f"axe.run(document, {options}).then(r => r.violations)")
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


def unreachable(page: Page) -> list[str]:
    """Return what the Tab key does not reach, or reaches without a visible focus."""
    evaluate(page, _WATCH_FOCUS)
    missed: int = evaluate(page, "missed.size")
    presses = 3 * missed + 20  # groups of radio buttons, and the parts of a date, are stops too
    while missed and presses > 0:
        for _ in range(missed):
            page.keyboard.press("Tab")
        presses -= missed
        missed = evaluate(page, "missed.size")
    found: list[str] = evaluate(page, "[...missed].map(e => e.outerHTML.slice(0, 120))")
    return found


def assert_fits(page: Page, view: View) -> None:
    """Assert that nothing scrolls sideways, also at 200 % zoom."""
    for width in (view.width, max(NARROWEST, view.width // 2)):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        wide = evaluate(
            page,
            "[...document.querySelectorAll('body *')]"
            ".filter(e => e.checkVisibility() && !e.closest('.scroll, .skip'))"
            ".filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
            ".map(e => e.outerHTML.slice(0, 120))",
        )
        assert evaluate(page, "document.documentElement.scrollWidth <= innerWidth"), (width, wide)
    page.set_viewport_size({"width": view.width, "height": HEIGHT})
