"""The routes of static files and of short links."""

from __future__ import annotations

import re
from typing import Final

import orjson
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.authentication import client_address
from aed.accounts.sign_in.rules import SignInMethod
from aed.accounts.sign_in.throttling import count_attempt_from_address
from aed.database.dependencies import DatabaseDep
from aed.database.session import read_session
from aed.errors import NotFound
from aed.http.query import ANY_PARAMETER
from aed.notifications import short_links
from aed.web import static
from aed.web.language import language_of
from aed.web.render import render
from aed.web.words import translator

router = APIRouter(include_in_schema=False)
_POLICY: Final = "default-src 'none'; worker-src 'self' blob:; connect-src 'self'; script-src 'self'"
"""A worker runs under the policy of its own script."""
_AFTER_KEY: Final = re.compile(f"[^{short_links.ALPHABET}].*", re.DOTALL)


@router.get(static.PREFIX + "/{version}/{name:path}", dependencies=[ANY_PARAMETER])
def get_static_file(
    request: Request, version: str = Path(max_length=64), name: str = Path(max_length=200)
) -> Response:
    """Return a stylesheet, a script or a library; a browser keeps it for a year.

    Raises NotFound for another version: a page of an older release must not get a newer file. Parameters are
    ignored: MapLibre adds its version to the address of its worker.
    """
    file = static.files().get(name)
    if file is None or version != static.version_of(static.bundle_of(name)):
        raise NotFound("There is no such file.", field="name")
    headers = {
        "Cache-Control": static.CACHING,
        "Content-Security-Policy": _POLICY,
        "Vary": "Accept-Encoding",
    }
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    packed = static.compressed(name) if takes_gzip else None
    if packed is not None:
        headers["Content-Encoding"] = "gzip"
    return Response(packed or file.content, media_type=file.media_type, headers=headers)


@router.get(short_links.PREFIX + "{link_key}", dependencies=[ANY_PARAMETER])
def follow_short_link(
    request: Request, database: DatabaseDep, link_key: str = Path(max_length=200)
) -> Response:
    """Redirect to the page that the link of a message leads to.

    Some phones take a character that follows the link for a part of it: that is ignored. An expired link says
    what to do; so does an unknown one, and unknown ones are counted by address. Raises TooBusy.
    """
    at = clock.now()
    with read_session(database) as session:
        found = short_links.find_link(session, _AFTER_KEY.sub("", link_key), at=at)
    if found is not None and not found.is_expired:
        headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        return RedirectResponse(found.path, 303, headers)
    if found is None:
        address = client_address(request)
        count_attempt_from_address(database, SignInMethod.SHORT_LINK, address=address, at=at)
    return render(
        request,
        "templates/no_link.html.jinja",
        status=404 if found is None else 410,
        headers={"Cache-Control": "no-store"},
        is_expired=found is not None,
    )


@router.get("/app.webmanifest", dependencies=[ANY_PARAMETER])
def get_manifest(request: Request) -> Response:
    """Return the web app manifest, with which the site can be installed on a home screen."""
    language = language_of(request)
    _ = translator(language)
    icons = [
        {"src": static.address(f"icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"}
        for size in (192, 512)
    ]
    manifest = {
        "id": "/",
        "name": _("AED and first-aid network"),
        "short_name": "AED",
        "lang": language,
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#f6f6f3",
        "theme_color": "#00794f",
        "icons": [*icons, {**icons[-1], "purpose": "maskable"}],
        "shortcuts": [
            {"name": _("Find help"), "url": "/"},
            {"name": _("My page"), "url": "/me"},
        ],
    }
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}
    return Response(orjson.dumps(manifest), media_type=static.MEDIA_TYPES[".webmanifest"], headers=headers)
