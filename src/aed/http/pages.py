"""HTML pages: one self-contained file each, rendered from Jinja2 templates with escaping on.

Templates extend `http/templates/page.html.jinja`. Scripts and styles carry a nonce that is new for each
response; the Content-Security-Policy allows nothing else.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, Request

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup


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

    environment = Environment(
        loader=PackageLoader("aed", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["source"] = _source
    return environment


@cache
def _source(path: str) -> Markup:
    """Return a script or a style of the package, by its path below `aed/`, for a page to carry unescaped."""
    from markupsafe import Markup

    return Markup(resources.files("aed").joinpath(path).read_text("utf-8"))


def render_page(
    template: str,
    *,
    title: str,
    scripts: Sequence[str] = (),
    wide: bool = False,
    language: str = "zh-CN",
    **values: object,
) -> Page:
    """Render a template that extends `http/templates/page.html.jinja`; all values are escaped.

    `template` and `scripts` are paths below `aed/`. The scripts run one after another with the page's nonce,
    and may connect to this site only.
    """
    nonce = secrets.token_urlsafe(16)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'"
    policy += "; frame-ancestors 'none'"
    if scripts:
        policy += f"; script-src 'nonce-{nonce}'; connect-src 'self'"
    own = {"title": title, "language": language, "wide": wide, "nonce": nonce, "scripts": scripts}
    return Page(_environment().get_template(template).render({**values, **own}), policy)


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
