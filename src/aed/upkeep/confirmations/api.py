"""Routes for confirmed facts about devices and for confirmation requests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer, is_insider
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Limit, RowId
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.devices.rules import probability_ready
from aed.settings import Settings
from aed.upkeep.confirmations import queries
from aed.upkeep.confirmations.actions import answer_request, confirm_fact
from aed.upkeep.confirmations.queries import places_of, trust_of
from aed.upkeep.confirmations.schemas import (
    AnsweredIn,
    ConfirmationRequestOut,
    ConfirmIn,
    TrustedOut,
    TrustOut,
)
from aed.upkeep.models import ConfirmationRequest
from aed.upkeep.rules import Fact

router = APIRouter(tags=["upkeep"])
Which = Annotated[
    str,
    Path(
        max_length=64,
        description="Key from the message; for a signed-in person also the request's id",
        examples=["1"],
    ),
]


@router.get("/devices/{device_id}/trust")
def get_trust(request: Request, session: ReadSession, viewer: ViewerDep, device_id: RowId) -> TrustOut:
    """Return when position, hours and readiness were last confirmed, and the confidence left in each.

    For everyone who may see the device.
    """
    device = device_queries.device(session, viewer, device_id)
    return _trust_out(session, viewer, device, settings=request.app.state.settings, at=clock.now())


@router.post("/devices/{device_id}/confirmations")
def confirm_device_fact(
    request: Request, session: WriteSession, viewer: ViewerDep, device_id: RowId, new: ConfirmIn
) -> TrustOut:
    """Confirm or deny the registered position or access hours of a device.

    Denying a fact files a report and notifies the device's keepers. For viewers who may glance at the
    device.
    """
    now = clock.now()
    device = confirm_fact(session, viewer, device_id, new, at=now)
    return _trust_out(session, viewer, device, settings=request.app.state.settings, at=now)


def _trust_out(
    session: Session, viewer: Viewer, device: Device, *, settings: Settings, at: datetime
) -> TrustOut:
    found = trust_of(session, device, at=at, numbers=settings.trust)
    in_readiness = next(each.confidence for each in found if each.fact is Fact.READINESS)
    with_names = viewer.is_signed_in and is_insider(viewer, device.estate_id, device.region_id)
    return TrustOut(
        device_id=device.id,
        facts=[TrustedOut.of(each, with_names=with_names) for each in found],
        probability_ready=round(probability_ready(in_readiness, settings.arrival), 3),
    )


@router.get("/confirmation-requests")
def list_confirmation_requests(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100
) -> list[ConfirmationRequestOut]:
    """List the open confirmation requests sent to you, newest first."""
    now = clock.now()
    return _requests_out(session, queries.requests_of(session, viewer, at=now, limit=limit), at=now)


@router.get("/confirmation-requests/{confirmation_request}")
def get_confirmation_request(
    session: ReadSession, viewer: ViewerDep, confirmation_request: Which
) -> ConfirmationRequestOut:
    """Return a confirmation request by its key, or by its id for the person who was asked."""
    return _requests_out(
        session, [queries.confirmation_request(session, viewer, confirmation_request)], at=clock.now()
    )[0]


@router.post("/confirmation-requests/{confirmation_request}")
def answer_confirmation_request(
    session: WriteSession, viewer: ViewerDep, confirmation_request: Which, given: AnsweredIn
) -> ConfirmationRequestOut:
    """Answer a confirmation request.

    The key in the link is sufficient; signing in is not required.
    """
    now = clock.now()
    found = answer_request(session, viewer, confirmation_request, given.answer, given.note, at=now)
    return _requests_out(session, [found], at=now)[0]


def _requests_out(
    session: Session, found: Sequence[ConfirmationRequest], *, at: datetime
) -> list[ConfirmationRequestOut]:
    places = places_of(session, [each.device_id for each in found])
    return [
        ConfirmationRequestOut.of(
            each, retrieval=queries.retrieval_of(session, each), where=places[each.device_id], at=at
        )
        for each in found
    ]
