"""Routes for makers' recalls."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
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
from aed.upkeep.models import Recall
from aed.upkeep.recalls import actions, queries
from aed.upkeep.recalls.schemas import (
    RecallClose,
    RecalledOut,
    RecalledPage,
    RecallIn,
    RecallOut,
    RecallPage,
    RecallPreviewOut,
)

router = APIRouter(tags=["upkeep"])


@router.get("/recalls")
def list_recalls(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> RecallPage:
    """List recalls, including closed ones, with their progress among the devices that you may see."""
    found = queries.recalls(session, limit=limit + 1, after_id=cursor_id(cursor))
    return RecallPage(
        recalls=[_out(session, viewer, each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/recalls/{recall_id}")
def get_recall(session: ReadSession, viewer: ViewerDep, recall_id: RowId, response: Response) -> RecallOut:
    """Return a recall and its progress among the devices that you may see."""
    recall = queries.recall(session, recall_id)
    set_etag(response, recall.version)
    return _out(session, viewer, recall)


@router.get("/recalls/{recall_id}/devices")
def list_recalled_devices(
    session: ReadSession, viewer: ViewerDep, recall_id: RowId, limit: Limit = 100, cursor: Cursor = None
) -> RecalledPage:
    """List the devices affected by a recall and whether each has been dealt with.

    Covers the devices that you keep, manage or dispatch.
    """
    recall = queries.recall(session, recall_id)
    found = queries.recalled_devices(session, viewer, recall, limit=limit + 1, after_id=cursor_id(cursor))
    return RecalledPage(
        devices=[RecalledOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].quarantine_id) if len(found) > limit else None,
    )


@router.post("/recalls", status_code=201)
def announce_recall(session: WriteSession, viewer: ViewerDep, new: RecallIn, response: Response) -> RecallOut:
    """Announce a recall.

    Every affected device is quarantined at once and its keepers are notified. For administrators.
    """
    recall = actions.announce_recall(session, viewer, new, at=clock.now())
    set_created(response, f"/v1/recalls/{recall.id}", version=recall.version)
    return _out(session, viewer, recall)


@router.post("/recalls/preview")
def preview_recall(session: ReadSession, viewer: ViewerDep, new: RecallIn) -> RecallPreviewOut:
    """Show which devices a recall would quarantine, without changing anything. For administrators."""
    return RecallPreviewOut.of(queries.preview(session, viewer, Recall(**new.model_dump())))


@router.patch("/recalls/{recall_id}")
def close_recall(
    session: WriteSession,
    viewer: ViewerDep,
    recall_id: RowId,
    _closed: RecallClose,
    response: Response,
    if_match: IfMatch = None,
) -> RecallOut:
    """Close a recall.

    No further devices are quarantined for it; those already quarantined stay so until they pass a check. For
    administrators.
    """
    recall = actions.close_recall(
        session, viewer, recall_id, version=version_from_if_match(if_match), at=clock.now()
    )
    set_etag(response, recall.version)
    return _out(session, viewer, recall)


def _out(session: Session, viewer: Viewer, recall: Recall) -> RecallOut:
    return RecallOut.of(recall, queries.progress(session, viewer, recall))
