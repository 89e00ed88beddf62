"""HTML pages: one self-contained file each, rendered from Jinja2 templates with escaping on.

Templates extend `http/templates/page.html.jinja`. Scripts and styles carry a nonce that is new for each
response; the Content-Security-Policy allows nothing else.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, Request

if TYPE_CHECKING:
    from jinja2 import Environment


@dataclass(frozen=True, slots=True)
class Page:
    """A rendered page, and the Content-Security-Policy under which a browser shows it."""

    html: str
    policy: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers beside those that `aed.http.headers` adds to every response."""
        return {"Content-Security-Policy": self.policy, "Vary": "Accept"}


@cache
def _environment() -> Environment:
    """Return the templates of the whole package, named by their path below `aed/`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("aed", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_page(
    template: str,
    *,
    title: str,
    script: str = "",
    wide: bool = False,
    language: str = "zh-CN",
    **values: object,
) -> Page:
    """Render a template that extends `http/templates/page.html.jinja`.

    `template` is its path below `aed/`. All values are escaped, except `script`: JavaScript that runs with
    the page's nonce and may connect to this site only.
    """
    from markupsafe import Markup

    nonce = secrets.token_urlsafe(16)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'"
    policy += "; frame-ancestors 'none'"
    if script:
        policy += f"; script-src 'nonce-{nonce}'; connect-src 'self'"
    defaults: dict[str, object] = {"body": "", "style": ""}
    html = (
        _environment()
        .get_template(template)
        .render(
            {
                **defaults,
                **values,
                "title": title,
                "language": language,
                "wide": wide,
                "nonce": nonce,
                "script": Markup(script),
            }
        )
    )
    return Page(html, policy)


def page(
    title: str,
    body: str,
    *,
    script: str = "",
    style: str = "",
    wide: bool = False,
    language: str = "zh-CN",
) -> Page:
    """Render a page around `body`: HTML in which everything that a person entered is escaped already."""
    from markupsafe import Markup

    return render_page(
        "http/templates/page.html.jinja",
        title=title,
        body=Markup(body),
        style=Markup(style),
        script=script,
        wide=wide,
        language=language,
    )


def as_script(value: object) -> str:
    """Return a value as JavaScript that cannot end the script element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


def wants_page(request: Request) -> bool:
    """Return True if the Accept header names text/html, and not application/json before it."""
    wanted = [each.partition(";")[0].strip().lower() for each in request.headers.get("accept", "").split(",")]
    return "text/html" in wanted and "application/json" not in wanted[: wanted.index("text/html")]


async def _wants_page(request: Request) -> bool:
    return wants_page(request)  # async: FastAPI would run a plain function in another thread


WantsPage = Annotated[bool, Depends(_wants_page)]
PAGE_RESPONSE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "As JSON, or as a page"}
}
"""For `responses` of a route that answers with JSON or with a page."""
