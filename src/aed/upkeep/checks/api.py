"""Routes for checks, photos, policies, check forms and the check page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession, database_of
from aed.database.session import Database, read_session
from aed.errors import NotFound, NotSignedIn
from aed.http.concurrency_limits import QueueLimits, wait_for_turn
from aed.http.parameters import (
    Cursor,
    IfMatch,
    Limit,
    RowId,
    cursor_id,
    set_created,
    set_etag,
    version_from_if_match,
)
from aed.http.query import ANY_PARAMETER
from aed.registry.changes import RegistryChangeOut, changes_of
from aed.registry.devices import queries as device_queries
from aed.registry.estates import queries as estate_queries
from aed.upkeep.checks import actions, approvals, queries, requests
from aed.upkeep.checks.actions import add_photo, record_check, require_photo
from aed.upkeep.checks.keepers import device_to_check
from aed.upkeep.checks.photo import Picture
from aed.upkeep.checks.photo_process import picture_in_subprocess
from aed.upkeep.checks.rules import GLANCE_ASKS, questions_of
from aed.upkeep.checks.schemas import (
    ApprovalIn,
    CheckIn,
    CheckOut,
    CheckPage,
    CheckRequestOut,
    CheckResultOut,
    FormOut,
    FormQuestionOut,
    PhotoOut,
    PlacePhotoIn,
    PolicyAmend,
    PolicyIn,
    PolicyOut,
    PolicyPage,
)
from aed.upkeep.faults.queries import active_quarantines, readiness_of
from aed.upkeep.faults.schemas import ReadinessOut
from aed.upkeep.filter_parameters import DeviceFilterDep
from aed.upkeep.models import Check
from aed.upkeep.permissions import require_policy_editor
from aed.upkeep.rules import CheckKind, QuarantineReason

router = APIRouter(tags=["upkeep"])


@router.post("/devices/{device_id}/checks")
def check_device(
    request: Request, session: WriteSession, viewer: ViewerDep, device_id: RowId, new: CheckIn
) -> CheckResultOut:
    """Record a check of a device.

    Sending the same check again under the same `key` changes nothing and returns the same answer, so a phone
    without a network can retry until it gets a response.
    """
    now = clock.now()
    taken = record_check(session, viewer, device_id, new, at=now)
    device = device_to_check(session, viewer, taken.device.id, new.kind)
    ready = readiness_of(
        session, device, at=now, checked_within_days=request.app.state.settings.arrival.checked_within_days
    )
    return CheckResultOut(check=_checks_out(session, [taken.check])[0], device=ReadinessOut.of(ready))


@router.post("/devices/{device_id}/check-request")
def request_check(session: WriteSession, viewer: ViewerDep, device_id: RowId) -> CheckRequestOut:
    """Ask the keepers of a device, by message, to check it now.

    For managers of the estate, who stand in for a device without a keeper. Within a day of an earlier
    request nobody is asked again.
    """
    is_new = requests.request_check(session, viewer, device_id, at=clock.now())
    return CheckRequestOut(device_id=device_id, is_new=is_new)


@router.get("/devices/{device_id}/checks")
def list_device_checks(
    session: ReadSession, viewer: ViewerDep, device_id: RowId, limit: Limit = 100, cursor: Cursor = None
) -> CheckPage:
    """List the checks of a device, the last received first.

    For people who have a role at the device and for dispatchers of its region.
    """
    before = cursor_id(cursor) or None
    found = queries.checks(session, viewer, device_id, limit=limit + 1, before_id=before)
    return CheckPage(
        checks=_checks_out(session, found[:limit]),
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/checks/{check_id}")
def get_check(session: ReadSession, viewer: ViewerDep, check_id: RowId) -> CheckOut:
    """Return one check.

    For people who have a role at the device and for dispatchers of its region.
    """
    return _checks_out(session, [queries.check(session, viewer, check_id)])[0]


@router.get("/approvals")
def list_waiting_approvals(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DeviceFilterDep,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> CheckPage:
    """List the checks that wait for a second person's approval, the oldest first.

    Covers the devices that you keep, manage or dispatch.
    """
    found = queries.waiting_approvals(
        session, viewer, device_filter, limit=limit + 1, after_id=cursor_id(cursor)
    )
    return CheckPage(
        checks=[CheckOut.of(each.check, each) for each in found[:limit]],
        next=str(found[limit - 1].check_id) if len(found) > limit else None,
    )


@router.post("/checks/{check_id}/approval")
def decide_on_check(
    request: Request, session: WriteSession, viewer: ViewerDep, check_id: RowId, given: ApprovalIn
) -> CheckResultOut:
    """Approve or refuse a check that waits for a second person.

    For a keeper or manager of the device who did not check it. The same decision again changes nothing.
    """
    now = clock.now()
    decided = approvals.decide_on_check(session, viewer, check_id, given, at=now)
    within = request.app.state.settings.arrival.checked_within_days
    ready = readiness_of(session, decided.device, at=now, checked_within_days=within)
    return CheckResultOut(check=CheckOut.of(decided.check, decided.approval), device=ReadinessOut.of(ready))


def _checks_out(session: Session, checks: Sequence[Check]) -> list[CheckOut]:
    found = queries.approvals_of(session, checks)
    return [CheckOut.of(each, found.get(each.id)) for each in checks]


# --- photos ---------------------------------------------------------------------------------------------

_PICTURE: Final = {"schema": {"type": "string", "format": "binary"}, "example": "The JPEG, PNG or WebP file"}
_SENT: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"image/jpeg": _PICTURE, "image/png": _PICTURE, "image/webp": _PICTURE},
    }
}


CheckKey = Annotated[
    str,
    Query(
        description="Key of the check that the photo belongs to",
        pattern="^[0-9a-fA-F-]{36}$",
        examples=["0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a10"],
    ),
]
PHOTOS: Final = QueueLimits(
    "photos",
    at_once=3,
    waiting=6,
    each=3,
    otherwise="Too many photos are being uploaded right now. Try again in a moment.",
)
"""Limits on concurrent uploads, each of up to AED_PHOTO_LIMIT_BYTES. Phones retry by themselves."""


_decoder = ThreadPoolExecutor(max_workers=1, thread_name_prefix="photo")
"""A single thread that waits for the decoding subprocess, so that decoding takes no request thread."""


async def _sent_photo(
    request: Request, viewer: ViewerDep, check: CheckKey
) -> AsyncIterator[tuple[bytes, Picture]]:
    """Yield the uploaded bytes and the decoded picture, before a transaction is opened, as decoding is slow.

    1. Refuse a viewer who may not add a photo to this check before reading the body.
    2. Read the body, a few at a time.
    3. Refuse a photo beyond the limit per check before decoding it.
    4. Decode it, one at a time.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Photos can be added only by signed-in people: send a token, or sign in.")
    key = check.lower()
    require = partial(_require_photo, database_of(request), viewer, key)
    await run_in_threadpool(require, None)
    async with wait_for_turn(request, PHOTOS, viewer.name):
        sent = await request.body()
        await run_in_threadpool(require, sent)
        picture = await asyncio.get_running_loop().run_in_executor(_decoder, picture_in_subprocess, sent)
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
    """Add a photo to a check.

    Accepts JPEG, PNG or WebP from a viewer who may check the device and knows the key of the check. Metadata
    (location, time, camera) is removed. Uploading the same file again returns the existing photo.
    """
    return PhotoOut.of(add_photo(session, viewer, check.lower(), *sent, at=clock.now()))


@router.get("/checks/{check_id}/photos")
def list_photos(session: ReadSession, viewer: ViewerDep, check_id: RowId) -> list[PhotoOut]:
    """List the photos of a check.

    For people who have a role at the device and for dispatchers of its region.
    """
    check = queries.check(session, viewer, check_id)
    return [PhotoOut.of(each) for each in queries.photos_of(session, check.id)]


@router.get(
    "/photos/{photo_id}",
    response_class=Response,
    responses={200: {"description": "The photo", "content": {"image/jpeg": _PICTURE}}},
)
def get_photo(session: ReadSession, viewer: ViewerDep, photo_id: RowId) -> Response:
    """Return a photo as JPEG.

    For people who have a role at the device and for dispatchers of its region.
    """
    photo, jpeg = queries.photo(session, viewer, photo_id)
    return Response(
        jpeg,
        media_type="image/jpeg",
        headers={
            "ETag": f'"{photo.sha256}"',
            "Cache-Control": "private, max-age=86400",
        },
    )


@router.get(
    "/devices/{device_id}/place-photo",
    response_class=Response,
    responses={200: {"description": "The photo", "content": {"image/jpeg": _PICTURE}}},
)
def get_place_photo(session: ReadSession, viewer: ViewerDep, device_id: RowId) -> Response:
    """Return the photo that shows where a device hangs, as JPEG. For everyone who may see the device."""
    photo = queries.place_photo(session, viewer, device_id)
    if photo is None:
        raise NotFound("There is no such photo, or you may not see it.", field="device_id")
    headers = {"ETag": f'"{photo.sha256}"', "Cache-Control": "private, max-age=3600"}
    return Response(photo.jpeg, media_type="image/jpeg", headers=headers)


@router.put("/devices/{device_id}/place-photo", status_code=204)
def put_place_photo(session: WriteSession, viewer: ViewerDep, device_id: RowId, given: PlacePhotoIn) -> None:
    """Choose a photo of a check to show where the device hangs, to everyone who may see the device.

    For viewers who may check the device. Choose one without people.
    """
    actions.choose_place_photo(session, viewer, device_id, given.photo_id, at=clock.now())


@router.delete("/devices/{device_id}/place-photo", status_code=204)
def delete_place_photo(session: WriteSession, viewer: ViewerDep, device_id: RowId) -> None:
    """Show no photo of where the device hangs. The photo stays with its check."""
    actions.choose_place_photo(session, viewer, device_id, None, at=clock.now())


@router.get("/policies")
def list_policies(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> PolicyPage:
    """List check policies, including withdrawn ones.

    A policy says how often devices are checked and which questions a check asks. Policies for makers and
    models are public; those for an estate are shown to viewers who may see the estate.
    """
    found = queries.policies(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return PolicyPage(
        policies=[PolicyOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/policies/{policy_id}")
def get_policy(session: ReadSession, viewer: ViewerDep, policy_id: RowId, response: Response) -> PolicyOut:
    """Return one policy."""
    policy = queries.policy(session, viewer, policy_id)
    set_etag(response, policy.version)
    return PolicyOut.of(policy)


@router.post("/policies", status_code=201)
def create_policy(session: WriteSession, viewer: ViewerDep, new: PolicyIn, response: Response) -> PolicyOut:
    """Create a policy and put it in force.

    For managers of the policy's estate; a policy without an estate is for administrators.
    """
    policy = actions.create_policy(session, viewer, new, at=clock.now())
    set_created(response, f"/v1/policies/{policy.id}", version=policy.version)
    return PolicyOut.of(policy)


@router.patch("/policies/{policy_id}")
def amend_policy(
    session: WriteSession,
    viewer: ViewerDep,
    policy_id: RowId,
    change: PolicyAmend,
    response: Response,
    if_match: IfMatch = None,
) -> PolicyOut:
    """Amend the given fields of a policy.

    Refused with 412 if the policy was amended since it was read.
    """
    policy = actions.amend_policy(
        session, viewer, policy_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    set_etag(response, policy.version)
    return PolicyOut.of(policy)


@router.delete("/policies/{policy_id}", status_code=204)
def withdraw_policy(
    session: WriteSession, viewer: ViewerDep, policy_id: RowId, if_match: IfMatch = None
) -> None:
    """Withdraw a policy.

    From then on the next wider policy applies, or the default.
    """
    actions.withdraw_policy(
        session, viewer, policy_id, version=version_from_if_match(if_match), at=clock.now()
    )


@router.get("/policies/{policy_id}/history")
def list_policy_history(session: ReadSession, viewer: ViewerDep, policy_id: RowId) -> list[RegistryChangeOut]:
    """List every version of a policy, newest first, with who changed what and when.

    For viewers who may amend the policy.
    """
    policy = queries.policy(session, viewer, policy_id)
    estate = (
        estate_queries.estate(session, viewer, policy.estate_id) if policy.estate_id is not None else None
    )
    require_policy_editor(viewer, policy.estate_id, estate.region_id if estate is not None else None)
    return [
        RegistryChangeOut.of(each)
        for each in changes_of(session, subject="policies", subject_id=str(policy.id))
    ]


@router.get("/devices/{device_id}/form")
def get_check_form(
    session: ReadSession, viewer: ViewerDep, device_id: RowId, kind: CheckKind = CheckKind.CHECK
) -> FormOut:
    """Return the questions that a check of this device asks, according to the policy in force.

    For everyone who may see the device.
    """
    device = device_queries.device(session, viewer, device_id)
    policy = queries.policy_for(session, device)
    active_reasons = {each.reason for each in active_quarantines(session, device.id)}
    terms = queries.terms_of(policy)
    asks = GLANCE_ASKS if kind is CheckKind.GLANCE else questions_of(terms.asks, active_reasons)
    return FormOut(
        device_id=device.id,
        kind=kind,
        policy_id=policy.id if policy is not None else None,
        policy_version=policy.version if policy is not None else None,
        asks=[FormQuestionOut.of(question) for question in asks],
        asks_about_recall=QuarantineReason.RECALL in active_reasons,
        needs_new_pads=QuarantineReason.USED in active_reasons,
    )


old_pages_router = APIRouter(prefix="/c", tags=["pages"])
"""The address on labels that were printed earlier."""

PageCode = Annotated[
    str,
    Path(
        max_length=64,
        description="The short number of a device, or the key of a confirmation request",
        examples=["1234-4"],
    ),
]


@old_pages_router.get("/{code}", status_code=308, include_in_schema=False, dependencies=[ANY_PARAMETER])
def redirect_to_device_page(code: PageCode) -> RedirectResponse:
    """Redirect the address on an earlier label to the device's page."""
    return RedirectResponse(f"../d/{quote(code, safe='')}", status_code=308)
