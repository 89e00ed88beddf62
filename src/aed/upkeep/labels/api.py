"""Routes for printable cabinet labels."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.errors import InvalidInput, NotFound, NotSignedIn
from aed.http.parameters import OfEstate, OfRegion, PublicAddress
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.labels.pdf import label_sheets
from aed.upkeep.labels.queries import MAX_LABELS, to_be_labelled

router = APIRouter(tags=["upkeep"])


@router.get(
    "/labels.pdf",
    response_class=Response,
    responses={
        200: {
            "description": "PDF with the labels, ten on each A4 page",
            "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
def get_labels(
    address: PublicAddress,
    session: ReadSession,
    viewer: ViewerDep,
    device_id: Annotated[
        list[Annotated[int, Query(ge=1, le=2**63 - 1)]] | None,
        Query(max_length=MAX_LABELS, description="Only these devices; may be repeated"),
    ] = None,
    estate_id: OfEstate = None,
    region: OfRegion = None,
) -> Response:
    """Download cabinet labels as a PDF, ten labels to an A4 sheet.

    Each label has a QR code that opens the device's page, and the device's short number. Covers the devices
    that you keep, manage or dispatch.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Labels can be printed only by a device's own people: send a token, or sign in.")
    if not device_id and estate_id is None and region is None:
        raise InvalidInput("Choose devices with device_id, estate_id or region.", field="device_id")
    device_filter = DeviceFilter(estate_id=estate_id, region=region)
    chosen = to_be_labelled(session, viewer, device_filter, device_ids=device_id or ())
    if not chosen:
        raise NotFound(
            "There is no such device, or you are not responsible for its upkeep.", field="device_id"
        )
    made = label_sheets(chosen, public_url=address)
    return Response(
        made,
        media_type="application/pdf",
        headers={
            "Content-Disposition": 'attachment; filename="aed-labels.pdf"',
            "Cache-Control": "private, no-store",
        },
    )
