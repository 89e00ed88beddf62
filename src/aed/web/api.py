"""The route of static files."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Path, Request, Response

from aed.errors import NotFound
from aed.web import static

router = APIRouter(include_in_schema=False)
_POLICY: Final = "default-src 'none'; worker-src 'self' blob:; connect-src 'self'; script-src 'self'"
"""A worker runs under the policy of its own script."""


@router.get(static.PREFIX + "/{version}/{name:path}")
def get_static_file(
    request: Request, version: str = Path(max_length=64), name: str = Path(max_length=200)
) -> Response:
    """Return a stylesheet, a script or a library; a browser keeps it for a year.

    Raises NotFound for another version: a page of an older release must not get a newer file.
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
