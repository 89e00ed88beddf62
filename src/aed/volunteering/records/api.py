"""Routes of service records: recording, confirming, objections, disputes and corrections."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_of_estate
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, OfEstate, cursor_id, next_cursor, set_created
from aed.volunteering.models import ServiceRecord
from aed.volunteering.permissions import require_manager, require_signed_in
from aed.volunteering.records import actions, flags, queries
from aed.volunteering.records.schemas import (
    PostedOut,
    PostedPage,
    ServiceConfirmationIn,
    ServiceCorrectionIn,
    ServiceDetails,
    ServiceIn,
    ServiceOut,
    ServicePage,
    ServiceReasonIn,
)
from aed.volunteering.rules import ServiceState

router = APIRouter(tags=["volunteering"])
RecordId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


def _out(session: Session, viewer: Viewer, *found: ServiceRecord) -> list[ServiceOut]:
    flags = queries.flags_of(session, [each.id for each in found])
    return [ServiceOut.of(each, viewer, flags[each.id]) for each in found]


@router.get("/service-records")
def list_service_records(
    session: ReadSession,
    viewer: ViewerDep,
    person_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    estate_id: OfEstate = None,
    state: ServiceState | None = None,
    held: Annotated[bool | None, Query(description="Only records whose points are held, or not")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ServicePage:
    """List your service records, those of a lead's buildings, and those of estates that you manage."""
    require_signed_in(viewer)
    found = queries.records(
        session,
        viewer,
        limit=limit + 1,
        after_id=cursor_id(cursor),
        person_id=person_id,
        estate_id=estate_id,
        state=state,
        is_held=held,
    )
    return ServicePage(records=_out(session, viewer, *found[:limit]), next=next_cursor(found, limit))


@router.get("/estates/{estate_id}/service-notices")
def list_service_notices(
    session: ReadSession,
    viewer: ViewerDep,
    estate_id: Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])],
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PostedPage:
    """List the confirmed service that is posted within the team of an estate. For its members."""
    require_signed_in(viewer)
    if not viewer.belongs_to(estate_id):
        require_manager(viewer, estate_id=estate_id, region_id=region_of_estate(session, estate_id))
    found = queries.posted_records(
        session,
        viewer,
        estate_id=estate_id,
        today=queries.local_date(session, estate_id, clock.now()),
        limit=limit + 1,
        after_id=cursor_id(cursor),
    )
    return PostedPage(records=[PostedOut.of(each) for each in found[:limit]], next=next_cursor(found, limit))


@router.post("/service-records", status_code=201)
def record_service(
    session: WriteSession, viewer: ViewerDep, new: ServiceIn, response: Response
) -> ServiceOut:
    """Record a patrol, help with a session, or another service. Another person confirms it."""
    require_signed_in(viewer)
    made = actions.record_service(session, viewer, new, at=clock.now())
    set_created(response, f"/v1/service-records/{made.id}", version=made.version)
    return _out(session, viewer, made)[0]


@router.get("/service-records/{record_id}")
def get_service_record(session: ReadSession, viewer: ViewerDep, record_id: RecordId) -> ServiceDetails:
    """Get a service record with its history."""
    require_signed_in(viewer)
    found = queries.record(session, viewer, record_id)
    return ServiceDetails.full(
        found,
        viewer,
        queries.flags_of(session, [found.id])[found.id],
        list(queries.events_of(session, found.id)),
        queries.proof_of(session, found.id),
    )


@router.post("/service-records/{record_id}/confirmation")
def confirm_service_record(
    session: WriteSession, viewer: ViewerDep, record_id: RecordId, given: ServiceConfirmationIn
) -> ServiceOut:
    """Confirm another person's service. For the lead of the building and the estate's manager.

    Flags are raised where a manager should look first: they hold the points, and punish nobody.
    """
    found = actions.confirm_record(session, viewer, record_id, rating=given.rating, at=clock.now())
    return _out(session, viewer, found)[0]


@router.post("/service-records/{record_id}/objections", status_code=204)
def object_to_service_record(
    session: WriteSession, viewer: ViewerDep, record_id: RecordId, given: ServiceReasonIn
) -> None:
    """Object to service that is posted within your team. Its points are held until a manager has looked."""
    flags.object_to_record(session, viewer, record_id, reason=given.reason, at=clock.now())


@router.post("/service-records/{record_id}/release")
def release_service_record(
    session: WriteSession, viewer: ViewerDep, record_id: RecordId, given: ServiceReasonIn
) -> ServiceOut:
    """Clear the flags of a record. For a manager who neither did, recorded nor confirmed it."""
    found = flags.release_record(session, viewer, record_id, reason=given.reason, at=clock.now())
    return _out(session, viewer, found)[0]


@router.post("/service-records/{record_id}/dispute")
def dispute_service_record(
    session: WriteSession, viewer: ViewerDep, record_id: RecordId, given: ServiceReasonIn
) -> ServiceOut:
    """Dispute a confirmed record. Its points are held until it is upheld or voided. For managers."""
    found = flags.dispute_record(session, viewer, record_id, reason=given.reason, at=clock.now())
    return _out(session, viewer, found)[0]


@router.post("/service-records/{record_id}/upholding")
def uphold_service_record(
    session: WriteSession, viewer: ViewerDep, record_id: RecordId, given: ServiceReasonIn
) -> ServiceOut:
    """End a dispute: the record stands. For a manager who neither did, recorded nor confirmed it."""
    found = flags.uphold_record(session, viewer, record_id, reason=given.reason, at=clock.now())
    return _out(session, viewer, found)[0]


@router.post("/service-records/{record_id}/voiding")
def void_service_record(
    session: WriteSession, viewer: ViewerDep, record_id: RecordId, given: ServiceReasonIn
) -> ServiceOut:
    """Refuse a pending record, or cancel a confirmed one and reverse its points. For managers."""
    found = actions.void_record(session, viewer, record_id, reason=given.reason, at=clock.now())
    return _out(session, viewer, found)[0]


@router.post("/service-records/{record_id}/corrections", status_code=201)
def correct_service_record(
    session: WriteSession,
    viewer: ViewerDep,
    record_id: RecordId,
    new: ServiceCorrectionIn,
    response: Response,
) -> ServiceOut:
    """Record anew what a void record got wrong. Another person confirms it. For managers."""
    made = actions.correct_record(session, viewer, record_id, new, at=clock.now())
    set_created(response, f"/v1/service-records/{made.id}", version=made.version)
    return _out(session, viewer, made)[0]
