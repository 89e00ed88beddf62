"""Errors as pages, in the reader's language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from aed.accounts.authentication import require_same_origin
from aed.errors import AedError, NotAllowed
from aed.http.pages import wants_page
from aed.translation import detail_of
from aed.web.language import language_of
from aed.web.render import render
from aed.web.words import noop

NOT_PAGES: Final = (
    "/v1/",
    "/ogc",
    "/docs",
    "/static/",
    "/packs/",
    "/worker.js",
    "/healthz",
    "/readyz",
    "/metrics",
)
"""Paths of programs, which get problem documents whatever they accept."""
SENTENCES: Final = {
    401: noop("Please sign in first."),
    403: noop("You may not do this. If you think you should, ask your estate's manager."),
    404: noop("There is no such page, or it is not for you. Check the address, or start again here."),
    408: noop("Your connection was too slow, and nothing was saved. Please try again."),
    409: noop("Somebody else has changed this, or it is already done. Go back, reload and look again."),
    410: noop("This link is no longer valid."),
    412: noop("Somebody else has changed this in the meantime. Go back, reload and try again."),
    413: noop("What you sent is too large. Send a smaller photo or file."),
    422: noop("Something in what you entered is not right. Go back and check it."),
    429: noop("Too many attempts. Please wait a few minutes and try again."),
    503: noop("The service is busy at the moment. Please try again in a minute."),
}
MAX_KEPT_FIELDS: Final = 2_000
"""Fields of a form that can be sent again; no page has more."""
UNEXPECTED: Final = noop("Something went wrong on our side. It has been logged. Please try again.")


def wants_error_page(request: Request) -> bool:
    """Return True if an error is to be shown as a page, and not as a problem document."""
    return not request.url.path.startswith(NOT_PAGES) and wants_page(request)


@dataclass(frozen=True, slots=True)
class SentForm:
    """A form that was sent after the session had ended, to be sent again after the sign-in."""

    action: str
    fields: list[tuple[str, str]]
    has_files: bool
    """They cannot be kept in the page, and have to be chosen again."""


async def sent_form(request: Request) -> SentForm | None:
    """Return what a page of this site sent, without passwords; None if it is no form.

    The form of another site is not returned: a tap must not send it in the person's name.
    """
    if request.method != "POST":
        return None
    try:
        require_same_origin(request)
        async with request.form(max_fields=MAX_KEPT_FIELDS) as form:  # which closes its files
            found = form.multi_items()
    except (NotAllowed, StarletteHTTPException):  # of another site, or not readable
        return None
    texts = [(name, value) for name, value in found if isinstance(value, str) and "password" not in name]
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return SentForm(path, texts, has_files=any(not isinstance(value, str) for _name, value in found))


def error_page(
    request: Request,
    status: int,
    *,
    error: AedError | None = None,
    headers: dict[str, str] | None = None,
    form: SentForm | None = None,
) -> HTMLResponse:
    """Return a page that says what to do, and what the error says, in the reader's language."""
    kind = SENTENCES.get(status) or (SENTENCES[422] if status < 500 else UNEXPECTED)
    return render(
        request,
        "templates/error.html.jinja",
        status=status,
        headers=headers,
        sentence=kind,
        sign_in=_sign_in(request) if status == 401 else "",
        form=form,
        detail=detail_of(error, language_of(request))
        if error is not None and status < 500 and status != 404
        else "",
    )


def _sign_in(request: Request) -> str:
    """Return the page of signing in, which leads back to a page that can be shown again."""
    return f"/sign-in?next={quote(request.url.path)}" if request.method == "GET" else "/sign-in"
