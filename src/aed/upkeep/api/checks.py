"""Routes of checks, and of whether a device is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession, database_of
from aed.database.session import Database, read_session
from aed.errors import NotSignedIn
from aed.http.concurrency_limits import QueueLimits, wait_for_turn
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.registry.devices import queries as device_queries
from aed.upkeep.actions.checks import take_check
from aed.upkeep.actions.photos import add_photo, require_photo
from aed.upkeep.api.whose import WhoseDep
from aed.upkeep.formats.photo import Picture
from aed.upkeep.formats.photo_apart import picture_made_apart
from aed.upkeep.queries import checks as queries
from aed.upkeep.queries import quarantines as quarantine_queries
from aed.upkeep.queries.readiness import readiness_of
from aed.upkeep.rules.quarantine import Reason
from aed.upkeep.schemas.checks import (
    CheckIn,
    CheckOut,
    CheckPage,
    CheckResultOut,
    PhotoOut,
    QuarantineOut,
    QuarantinePage,
    ReadinessOut,
)

router = APIRouter()


@router.post("/devices/{device_id}/checks")
def check_device(
    request: Request, session: WriteSession, viewer: ViewerDep, device_id: RowId, new: CheckIn
) -> CheckResultOut:
    """Tells of a check. The same one sent again changes nothing and is answered alike, so a phone without a
    network may try until it is answered."""
    now = clock.now()
    taken = take_check(session, viewer, device_id, new, at=now)
    device = device_queries.device(session, viewer, taken.device.id)
    ready = readiness_of(session, device, at=now, checked_within_days=_checked_within_days(request))
    return CheckResultOut(check=CheckOut.of(taken.check), device=ReadinessOut.of(ready))


@router.get("/devices/{device_id}/checks")
def list_device_checks(
    session: ReadSession, viewer: ViewerDep, device_id: RowId, limit: Limit = 100, cursor: Cursor = None
) -> CheckPage:
    """The checks of a device, the last to arrive first; for its own people and its dispatchers."""
    before = cursor_id(cursor) or None
    found = queries.checks(session, viewer, device_id, limit=limit + 1, before_id=before)
    return CheckPage(
        checks=[CheckOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/checks/{check_id}")
def get_check(session: ReadSession, viewer: ViewerDep, check_id: RowId) -> CheckOut:
    """One check; for the device's own people and its dispatchers."""
    return CheckOut.of(queries.check(session, viewer, check_id))


@router.get("/devices/{device_id}/readiness")
def get_readiness(
    request: Request, session: ReadSession, viewer: ViewerDep, device_id: RowId
) -> ReadinessOut:
    """Whether the device would be offered now, and why not; for everyone who may see it."""
    device = device_queries.device(session, viewer, device_id)
    within = _checked_within_days(request)
    return ReadinessOut.of(readiness_of(session, device, at=clock.now(), checked_within_days=within))


@router.get("/quarantines")
def list_quarantines(
    session: ReadSession,
    viewer: ViewerDep,
    whose: WhoseDep,
    reason: Reason | None = None,
    lifted: Annotated[bool, Query(description="Those that are over too")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> QuarantinePage:
    """Which devices must not be offered, and why, of those whose upkeep is yours."""
    found = quarantine_queries.quarantines(
        session,
        viewer,
        whose,
        limit=limit + 1,
        after_id=cursor_id(cursor),
        reason=reason,
        also_lifted=lifted,
    )
    return QuarantinePage(
        quarantines=[QuarantineOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


def _checked_within_days(request: Request) -> int:
    found: int = request.app.state.settings.arrival.checked_within_days
    return found


# --- photos ---------------------------------------------------------------------------------------------

_PICTURE: Final = {"schema": {"type": "string", "format": "binary"}, "example": "The bytes of the file"}
_SENT: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"image/jpeg": _PICTURE, "image/png": _PICTURE, "image/webp": _PICTURE},
    }
}


CheckKey = Annotated[
    str,
    Query(
        description="The key under which the check was sent",
        pattern="^[0-9a-fA-F-]{36}$",
        examples=["0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a10"],
    ),
]
PHOTOS: Final = QueueLimits(
    "photos",
    at_once=3,
    waiting=6,
    each=3,
    otherwise="Several photos are being received. Try again in a moment.",
)
"""So many are read at once, each up to AED_PHOTO_LIMIT_BYTES; phones try again by themselves."""


_decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="photo")
"""It waits for one photo at a time to be decoded, and takes none of the threads that answer requests."""


async def _sent_photo(
    request: Request, viewer: ViewerDep, check: CheckKey
) -> AsyncIterator[tuple[bytes, Picture]]:
    """What was sent, and the picture made from it: before the transaction, for it takes a while.

    1. Refuse whoever may not send a photo of this check before the body is read.
    2. Read the body, a few at once.
    3. Refuse one photo too many before it is decoded.
    4. Decode it, one at a time.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("A photo belongs to a check, which needs a name: send a token, or sign in.")
    key = check.lower()
    require = partial(_require_photo, database_of(request), viewer, key)
    await run_in_threadpool(require, None)
    async with wait_for_turn(request, PHOTOS, viewer.name):
        sent = await request.body()
        await run_in_threadpool(require, sent)
        picture = await asyncio.get_running_loop().run_in_executor(_decoder, picture_made_apart, sent)
        yield sent, picture


def _require_photo(database: Database, viewer: Viewer, key: str, sent: bytes | None) -> None:
    with read_session(database) as session:
        require_photo(session, viewer, key, sent)


@router.post("/photos", openapi_extra=_SENT)
def upload_photo(
    viewer: ViewerDep,
    sent: Annotated[tuple[bytes, Picture], Depends(_sent_photo, scope="function")],
    session: WriteSession,
    check: CheckKey,
) -> PhotoOut:
    """A photo of a check that was sent: JPEG, PNG or WebP, by whoever sent the check. What it says of place,
    time and camera is not kept. The same file sent again is the same photo."""
    return PhotoOut.of(add_photo(session, viewer, check.lower(), *sent, at=clock.now()))


@router.get("/checks/{check_id}/photos")
def list_photos(session: ReadSession, viewer: ViewerDep, check_id: RowId) -> list[PhotoOut]:
    """The photos of a check; for the device's own people and its dispatchers."""
    check = queries.check(session, viewer, check_id)
    return [PhotoOut.of(each) for each in queries.photos_of(session, check.id)]


@router.get(
    "/photos/{photo_id}",
    response_class=Response,
    responses={200: {"description": "The picture", "content": {"image/jpeg": _PICTURE}}},
)
def get_photo(session: ReadSession, viewer: ViewerDep, photo_id: RowId) -> Response:
    """The picture itself, as JPEG; for the device's own people and its dispatchers."""
    photo, jpeg = queries.photo(session, viewer, photo_id)
    return Response(
        jpeg,
        media_type="image/jpeg",
        headers={
            "ETag": f'"{photo.sha256}"',
            "Cache-Control": "private, max-age=86400",
            "X-Content-Type-Options": "nosniff",
        },
    )
