"""Routes of declared certificates: what waits for a decision, its photo, and the decision."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.certificates.declarations import actions, queries
from aed.certificates.declarations.schemas import DeclarationDecisionIn, DeclarationOut, DeclarationsPage
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, RowId, cursor_id, next_cursor
from aed.training.permissions import require_write

router = APIRouter(tags=["verification"])
_PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The photo",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/certificate-declarations")
def list_certificate_declarations(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> DeclarationsPage:
    """List the certificates that people have declared and that wait for your decision.

    Covers the estates and regions whose training you run.
    """
    require_write(viewer)
    found = queries.pending(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return DeclarationsPage(
        declarations=[DeclarationOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.get("/certificate-declarations/{declaration_id}/photo", response_class=Response, responses=_PICTURE)
def get_certificate_declaration_photo(
    session: ReadSession, viewer: ViewerDep, declaration_id: RowId
) -> Response:
    """Return the photo of a declared certificate as JPEG, for its holder and those who decide.

    It is deleted with the decision.
    """
    headers = {"Cache-Control": "no-store"}
    return Response(
        queries.photo_of(session, viewer, declaration_id), media_type="image/jpeg", headers=headers
    )


@router.post("/certificate-declarations/{declaration_id}/decision")
def decide_certificate_declaration(
    session: WriteSession, viewer: ViewerDep, declaration_id: RowId, given: DeclarationDecisionIn
) -> DeclarationOut:
    """Confirm or refuse a declared certificate. Its holder gets a message, and the photo is deleted."""
    require_write(viewer)
    is_confirmed = given.decision == "confirm"
    found = actions.decide_declaration(
        session, viewer, declaration_id, is_confirmed=is_confirmed, at=clock.now()
    )
    return DeclarationOut.of(found)
