"""What a person must decide about imported lists."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from aed import clock
from aed.accounts.access import ViewerDep
from aed.accounts.rules import may_administer
from aed.database.dependencies import ReadSession, WriteSession
from aed.imports import queries
from aed.imports.actions.deciding import decide
from aed.imports.actions.joining import join_devices
from aed.imports.actions.thresholds import thresholds_in
from aed.imports.schemas import DecisionIn, JoinIn, ReviewOut
from aed.registry import queries as registry
from aed.registry.schemas.devices import DeviceOut

router = APIRouter()

ReviewId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/reviews")
def list_reviews(
    session: ReadSession,
    viewer: ViewerDep,
    decided: Annotated[bool, Query(description="What is decided too")] = False,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="Only those with a higher id")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most")] = 100,
) -> list[ReviewOut]:
    """What a person must decide about imported lists, the oldest first. For administrators."""
    may_administer(viewer)
    found = queries.reviews(session, is_open=not decided, limit=limit, after_id=after)
    return [ReviewOut.of(each) for each in found]


@router.get("/reviews/{review_id}")
def get_review(session: ReadSession, viewer: ViewerDep, review_id: ReviewId, response: Response) -> ReviewOut:
    """One of them with its evidence. For administrators."""
    may_administer(viewer)
    return _tagged(response, ReviewOut.of(queries.review(session, review_id)))


@router.post("/reviews/{review_id}/decision")
def decide_review(
    request: Request,
    session: WriteSession,
    viewer: ViewerDep,
    review_id: ReviewId,
    given: DecisionIn,
    response: Response,
) -> ReviewOut:
    """Decide: it is carried out at once and remembered. Another decision later is carried out too."""
    thresholds = thresholds_in(request.app.state.settings)
    review = decide(session, viewer, review_id, given.decision, thresholds=thresholds, at=clock.now())
    return _tagged(response, ReviewOut.of(review))


@router.post("/devices/{device_id}/join")
def merge_devices(
    session: WriteSession,
    viewer: ViewerDep,
    device_id: Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])],
    given: JoinIn,
    response: Response,
) -> DeviceOut:
    """Say that another device is this one: it is withdrawn, and what is told of it is told of this one.

    That is remembered as a review, which another decision changes. For administrators.
    """
    join_devices(session, viewer, device_id, given.other_id, at=clock.now())
    session.expire_all()  # what a list says was put beside the ORM
    device = registry.device(session, viewer, device_id)
    response.headers["ETag"] = f'"{device.version}"'
    return DeviceOut.of(device, viewer)


def _tagged(response: Response, review: ReviewOut) -> ReviewOut:
    response.headers["ETag"] = f'"{int(review.decided_at.timestamp()) if review.decided_at else 0}"'
    return review
