"""The route of a sighting's photo, for its review."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response

from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.http.parameters import RowId
from aed.upkeep.sightings import queries

router = APIRouter(tags=["upkeep"])
_PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The photo",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/sightings/{sighting_id}/photo", response_class=Response, responses=_PICTURE)
def get_sighting_photo(session: ReadSession, viewer: ViewerDep, sighting_id: RowId) -> Response:
    """Return the photo that a passer-by sent of a device, as JPEG. Requires an administrator."""
    return Response(queries.photo_for_review(session, viewer, sighting_id), media_type="image/jpeg")
