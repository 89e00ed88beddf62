"""Render a page from its template, with the headers under which a browser may show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse

from aed.settings import Settings
from aed.web import static
from aed.web.labels import MARK_LETTERS, MARK_SENTENCES
from aed.web.language import COOKIE, PARAMETER, closest, language_of, languages
from aed.web.words import either, noop, translations, translator

if TYPE_CHECKING:
    from jinja2 import Environment

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self' blob:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "geolocation=(self), camera=(self), microphone=()",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms would send `Origin: null`
    "Vary": "Accept, Accept-Language, Cookie",
}
"""The headers of every page, beside those that `aed.http.headers` adds to every response."""
NO_STORE: Final = {"Cache-Control": "no-store"}
"""The header of pages that no browser and no proxy may keep."""
_YEAR_SECONDS: Final = 365 * 24 * 3_600
LEAD: Final = "neighbourhood lead"
"""What neighbourhood leads are called in English; AED_LEAD_WORD says it in Chinese."""
# Translators: the name of your language in your language; it is the link that switches to it.
_OWN_NAME: Final = noop("English")


@dataclass(frozen=True, slots=True)
class LanguageLink:
    """A link that shows the same page in another language."""

    language: str
    name: str
    href: str


@cache
def environment(language: str) -> Environment:
    """Return the templates, named by their path below `aed/web/`, with the strings of a language."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("aed", "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.policies["ext.i18n.trimmed"] = True
    strings = translations(language)
    made.install_gettext_callables(  # type: ignore[attr-defined]  # by the extension
        lambda message: _escaped(strings.gettext(message)),
        lambda one, many, count: _escaped(strings.ngettext(one, many, count)),
        newstyle=True,
        pgettext=lambda context, message: _escaped(strings.pgettext(context, message)),
        npgettext=lambda context, one, many, count: _escaped(strings.npgettext(context, one, many, count)),
    )
    made.globals.update(
        language=language,
        address=static.address,
        script=static.script,
        stylesheet=static.stylesheet,
        mark_letters=MARK_LETTERS,
        mark_sentences=MARK_SENTENCES,
    )
    made.filters["either"] = partial(either, language=language)
    return made


def _escaped(text: str) -> str:
    """Escape a translated string: Jinja takes it for HTML, and `_(problem)` may hold what a person typed.

    The apostrophe stays as it is, since every attribute is in double quotes.
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    emergency_number: str | None = None,
    **values: object,
) -> HTMLResponse:
    """Return a page in the reader's language.

    `template` is a path below `aed/web/`; it extends `templates/layout.html.jinja`. All values are escaped.
    `emergency_number` is that of the region; mainland China's if the caller does not know the region.
    Templates also have `lead_word`, what neighbourhood leads are called.
    """
    settings: Settings = request.app.state.settings
    language = language_of(request)
    html = (
        environment(language)
        .get_template(template)
        .render(
            {
                "emergency_number": emergency_number or settings.emergency_number_mainland_china,
                "language_links": _language_links(request, language),
                "lead_word": settings.lead_word if language.startswith("zh") else LEAD,
                **values,
            }
        )
    )
    response = HTMLResponse(html, status, {**HEADERS, **(headers or {})})
    chosen = closest(request.query_params.get(PARAMETER, ""))
    if chosen is not None:
        response.set_cookie(COOKIE, chosen, max_age=_YEAR_SECONDS, httponly=True, samesite="lax")
    return response


def _language_links(request: Request, current: str) -> list[LanguageLink]:
    """Return links to this page in the other languages, with its other query parameters."""
    links = []
    for each in languages():
        if each != current:
            url = request.url.include_query_params(**{PARAMETER: each})
            links.append(LanguageLink(each, translator(each)(_OWN_NAME), f"{url.path}?{url.query}"))
    return links


def to_sign_in(path: str) -> RedirectResponse:
    """Redirect a stranger to the sign-in, which leads back to the page at `path`."""
    return RedirectResponse(f"/sign-in?next={path}", 303)
