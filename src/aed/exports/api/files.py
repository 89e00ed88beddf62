"""Routes: download the register as a file."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep
from aed.errors import TooBusy
from aed.exports.formats.writing import FORMS, chosen, exported
from aed.exports.rules import ExportFormat

router = APIRouter()

AT_ONCE = 2
"""Maximum number of simultaneous exports; each occupies a processor, and lookups take precedence."""
_places = threading.BoundedSemaphore(AT_ONCE)

_FILE = {"schema": {"type": "string", "format": "binary"}}
_OBJECT = {"schema": {"type": "object"}}
_MEDIA_TYPES = sorted({form.media_type.partition(";")[0] for form in FORMS.values()})


@router.get(
    "/v1/export/{format}",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file",
            "content": {kind: _OBJECT if kind.endswith("json") else _FILE for kind in _MEDIA_TYPES},
        }
    },
)
def export_register(
    database: DatabaseDep,
    viewer: ViewerDep,
    form: Annotated[
        ExportFormat, Path(alias="format", description="This project's own formats: csv, xlsx, geojson")
    ],
    bbox: Annotated[
        str | None,
        Query(
            examples=["120.08,30.28,120.11,30.30"],
            max_length=200,
            description="Only within this box: west,south,east,north",
        ),
    ] = None,
    region: Annotated[
        str | None,
        Query(
            max_length=32, pattern=r"^[A-Za-z0-9._:-]+$", description="Only in this region and those below it"
        ),
    ] = None,
) -> Response:
    """Export devices as a file.

    Contains the devices that you may see; serials and keepers only for devices of your own organisation. The
    file is streamed; a response that ends prematurely is incomplete.
    """
    now = clock.now()
    pieces = exported(database, viewer, form, chosen(database, bbox=bbox, region=region), at=now)
    if not _places.acquire(blocking=False):
        raise TooBusy("{at_once} exports are running. Try again when one has ended.", at_once=AT_ONCE)
    try:
        # Read the header and the first page now, so that early errors become a problem document.
        begun = list(itertools.islice(pieces, 2))
    except BaseException:  # release the slot whatever happens, then raise again
        _places.release()
        raise
    kind = FORMS[form]
    return ExportResponse(
        begun,
        pieces,
        media_type=kind.media_type,
        headers={
            **caching(viewer),
            "Content-Disposition": f'attachment; filename="aed-{form.value}-{now:%Y%m%d}.{kind.suffix}"',
        },
    )


class ExportResponse(StreamingResponse):
    """Streams the export; releases its slot at the end or when the client disconnects."""

    def __init__(
        self, begun: Sequence[bytes], rest: Iterator[bytes], *, media_type: str, headers: Mapping[str, str]
    ) -> None:
        super().__init__(itertools.chain(begun, rest), media_type=media_type, headers=headers)
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if isinstance(self._rest, Generator):
                self._rest.close()  # delete the temporary file now
            _places.release()


PUBLIC_SECONDS = 60
"""Cache lifetime: a device that is no longer public disappears from all caches within a minute."""


def caching(viewer: Viewer) -> Mapping[str, str]:
    """Return caching headers: public for anonymous viewers, private and revalidated for signed-in ones."""
    kept = "private, no-cache" if viewer.is_signed_in else f"public, max-age={PUBLIC_SECONDS}"
    return {"Cache-Control": kept, "Vary": "Authorization"}
