"""The pages behind the code on a cabinet, for a phone: checks with or without a network, reports, answers.

One page for all devices, so that a phone that has opened one has them all; what it shows of a device it asks
of the API with the cookie of whoever is signed in. It is kept by the browser's worker, and fetches nothing
from anywhere else.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response

router = APIRouter(prefix="/c", tags=["pages"])

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HTML: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The page", "content": {"text/html": {"schema": {"type": "string"}}}}
}


@cache
def _file(name: str) -> tuple[bytes, str]:
    """A file of the page, and its ETag."""
    found = resources.files("aed.upkeep.formats").joinpath("page", name).read_bytes()
    return found, f'"{sha256(found).hexdigest()[:32]}"'


def _answer(request: Request, name: str, media_type: str) -> Response:
    found, etag = _file(name)
    headers = {
        "ETag": etag,
        "Cache-Control": "no-cache",  # asked each time, answered by 304
        "Content-Security-Policy": _POLICY,
        "Permissions-Policy": "camera=(self), geolocation=(self)",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(found, media_type=media_type, headers=headers)


@router.get("/page.js", response_class=Response)
def get_page_script(request: Request) -> Response:
    """What the page does."""
    return _answer(request, "page.js", "text/javascript")


@router.get("/page.css", response_class=Response)
def get_page_style(request: Request) -> Response:
    """How the page looks."""
    return _answer(request, "page.css", "text/css")


@router.get("/worker.js", response_class=Response)
def get_page_worker(request: Request) -> Response:
    """What keeps the page on the phone, so that it opens without a network."""
    return _answer(request, "worker.js", "text/javascript")


@router.get("/app.webmanifest", response_class=Response)
def get_page_manifest(request: Request) -> Response:
    """How the page is called on a phone's home screen."""
    return _answer(request, "app.webmanifest", "application/manifest+json")


@router.get("/{number}", response_class=Response, responses=_HTML)
def get_device_page(
    request: Request,
    number: Annotated[
        str,
        Path(max_length=64, description="The short number, or the key of a question", examples=["1234-4"]),
    ],
) -> Response:
    """The page behind the code on a cabinet, and that of one small question that was sent."""
    return _answer(request, "page.html", "text/html")
