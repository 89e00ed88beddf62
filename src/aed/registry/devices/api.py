"""Routes of devices and consumables."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Audience, require_can_see_history, require_keeper
from aed.database.dependencies import ReadSession, WriteSession
from aed.geo import BoundingBox, Datum
from aed.http.parameters import (
    Bbox,
    Cursor,
    IfMatch,
    Limit,
    OfEstate,
    OfRegion,
    RowId,
    cursor_id,
    parse_bbox,
    set_created,
    set_etag,
    version_from_if_match,
)
from aed.registry.changes import RegistryChangeOut, changes_of
from aed.registry.devices import actions as actions
from aed.registry.devices import loans
from aed.registry.devices import queries as device_queries
from aed.registry.devices.cabinet_codes import CabinetCodeIn, CabinetCodeOut, cabinet_code, set_cabinet_code
from aed.registry.devices.loans import LoanAmend, LoanIn, LoanOut
from aed.registry.devices.rules import DeviceState
from aed.registry.devices.schemas import (
    ConsumableAmend,
    ConsumableIn,
    ConsumableOut,
    DeviceAmend,
    DeviceFeature,
    DeviceIn,
    DeviceOut,
    DevicePage,
)
from aed.registry.fields import Link, RegistrationNumber, UdiDi

router = APIRouter(tags=["registry"])
InDatum = Annotated[Datum, Query(description="Coordinate system of the positions in the answer")]


@router.get("/devices")
def list_devices(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    bbox: Bbox = None,
    estate_id: OfEstate = None,
    region: OfRegion = None,
    audience: Audience | None = None,
    state: DeviceState | None = None,
    registration_number: Annotated[RegistrationNumber | None, Query()] = None,
    udi_di: Annotated[UdiDi | None, Query()] = None,
    datum: InDatum = Datum.WGS84,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> DevicePage:
    """List the devices that you may see, as GeoJSON; `bbox` is in WGS-84."""
    rows = device_queries.devices(
        session,
        viewer,
        limit=limit + 1,
        after_id=cursor_id(cursor),
        box=BoundingBox(*parse_bbox(bbox)) if bbox is not None else None,
        estate_id=estate_id,
        region=region,
        audience=audience,
        state=state,
        registration_number=registration_number,
        udi_di=udi_di,
    )
    page = DevicePage(features=[DeviceFeature.of(row, datum) for row in rows[:limit]])
    if len(rows) > limit:
        following = request.url.include_query_params(cursor=rows[limit - 1].id)
        page.links.append(Link(rel="next", href=f"{following.path}?{following.query}"))
    return page


@router.get("/devices/{device_id}")
def get_device(
    session: ReadSession,
    viewer: ViewerDep,
    device_id: RowId,
    response: Response,
    datum: InDatum = Datum.WGS84,
) -> DeviceOut:
    """Get a device."""
    device = device_queries.device(session, viewer, device_id)
    set_etag(response, device.version)
    return DeviceOut.of(device, viewer, datum)


@router.post("/devices", status_code=201)
def create_device(session: WriteSession, viewer: ViewerDep, new: DeviceIn, response: Response) -> DeviceOut:
    """Create a device."""
    created = actions.create_device(session, viewer, new, at=clock.now())
    set_created(response, f"/v1/devices/{created.id}", version=created.version)
    return DeviceOut.of(device_queries.device(session, viewer, created.id), viewer)


@router.patch("/devices/{device_id}")
def amend_device(
    session: WriteSession,
    viewer: ViewerDep,
    device_id: RowId,
    change: DeviceAmend,
    response: Response,
    if_match: IfMatch = None,
) -> DeviceOut:
    """Amend the given fields of a device.

    Returns 412 if the device was amended after it was read.
    """
    device = actions.amend_device(
        session, viewer, device_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    set_etag(response, device.version)
    return DeviceOut.of(device, viewer)


@router.delete("/devices/{device_id}", status_code=204)
def withdraw_device(
    session: WriteSession, viewer: ViewerDep, device_id: RowId, if_match: IfMatch = None
) -> None:
    """Withdraw a device; its history stays."""
    actions.withdraw_device(
        session, viewer, device_id, version=version_from_if_match(if_match), at=clock.now()
    )


@router.get("/devices/{device_id}/loan")
def get_loan(session: ReadSession, viewer: ViewerDep, device_id: RowId, response: Response) -> LoanOut | None:
    """Get the loan in which a device is away or stands in for another; null if there is none.

    For those who keep the device.
    """
    loan = loans.loan_of(session, viewer, device_id)
    if loan is None:
        return None
    set_etag(response, loan.version)
    return LoanOut.of(loan)


@router.post("/devices/{device_id}/loan", status_code=201)
def lend_device(
    session: WriteSession, viewer: ViewerDep, device_id: RowId, new: LoanIn, response: Response
) -> LoanOut:
    """Let a spare device stand in for one that is away. For those who keep both.

    The loaner takes over place, hours, way in, keeper and audience, and the lookup finds it there. The device
    that is away is out of service until the loaner is returned.
    """
    loan = loans.lend_device(session, viewer, device_id, new, at=clock.now())
    set_created(response, f"/v1/devices/{device_id}/loan", version=loan.version)
    return LoanOut.of(loan)


@router.patch("/devices/{device_id}/loan")
def amend_loan(
    session: WriteSession,
    viewer: ViewerDep,
    device_id: RowId,
    change: LoanAmend,
    response: Response,
    if_match: IfMatch = None,
) -> LoanOut:
    """Agree on another last day of a loan. For those who keep the device."""
    version = version_from_if_match(if_match)
    loan = loans.amend_loan(session, viewer, device_id, change, version=version, at=clock.now())
    set_etag(response, loan.version)
    return LoanOut.of(loan)


@router.delete("/devices/{device_id}/loan", status_code=204)
def return_loaner(
    session: WriteSession, viewer: ViewerDep, device_id: RowId, if_match: IfMatch = None
) -> None:
    """Return a loaner: both devices are as before the loan. For those who keep the device.

    `If-Match` is the version of the loan.
    """
    loans.return_loaner(session, viewer, device_id, version=version_from_if_match(if_match), at=clock.now())


@router.get("/devices/{device_id}/history")
def list_device_history(session: ReadSession, viewer: ViewerDep, device_id: RowId) -> list[RegistryChangeOut]:
    """List the changes of a device, newest first.

    For those who may amend it.
    """
    device = device_queries.device(session, viewer, device_id)
    require_can_see_history(require_keeper, viewer, device.estate_id, region_id=device.region_id)
    return [
        RegistryChangeOut.of(change)
        for change in changes_of(session, subject="devices", subject_id=str(device.id))
    ]


# --- Consumables ----------------------------------------------------------------------------------------


@router.post("/devices/{device_id}/consumables", status_code=201)
def fit_consumable(
    session: WriteSession, viewer: ViewerDep, device_id: RowId, new: ConsumableIn, response: Response
) -> ConsumableOut:
    """Add pads or a battery to a device."""
    fitted = actions.fit_consumable(session, viewer, device_id, new, at=clock.now())
    set_created(response, f"/v1/consumables/{fitted.id}", version=fitted.version)
    return ConsumableOut.of(fitted)


@router.get("/consumables/{consumable_id}")
def get_consumable(
    session: ReadSession, viewer: ViewerDep, consumable_id: RowId, response: Response
) -> ConsumableOut:
    """Get a consumable."""
    found, _device = device_queries.consumable(session, viewer, consumable_id)
    set_etag(response, found.version)
    return ConsumableOut.of(found)


@router.patch("/consumables/{consumable_id}")
def amend_consumable(
    session: WriteSession,
    viewer: ViewerDep,
    consumable_id: RowId,
    change: ConsumableAmend,
    response: Response,
    if_match: IfMatch = None,
) -> ConsumableOut:
    """Correct the data of a consumable."""
    found = actions.amend_consumable(
        session, viewer, consumable_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    set_etag(response, found.version)
    return ConsumableOut.of(found)


@router.delete("/consumables/{consumable_id}", status_code=204)
def withdraw_consumable(
    session: WriteSession, viewer: ViewerDep, consumable_id: RowId, if_match: IfMatch = None
) -> None:
    """Withdraw a consumable that is no longer in the device."""
    actions.withdraw_consumable(
        session, viewer, consumable_id, version=version_from_if_match(if_match), at=clock.now()
    )


@router.get("/devices/{device_id}/cabinet-code")
def get_cabinet_code(
    session: ReadSession, viewer: ViewerDep, device_id: RowId, response: Response
) -> CabinetCodeOut:
    """Get the code of a cabinet.

    For those who keep the device. A responder who is sent for it sees the code after accepting, together with
    the patient's place.
    """
    device = device_queries.device(session, viewer, device_id)
    require_can_see_history(require_keeper, viewer, device.estate_id, region_id=device.region_id)
    response.headers["Cache-Control"] = "no-store"
    return CabinetCodeOut.of(cabinet_code(session, device.id))


@router.put("/devices/{device_id}/cabinet-code", status_code=204)
def put_cabinet_code(
    session: WriteSession, viewer: ViewerDep, device_id: RowId, given: CabinetCodeIn
) -> None:
    """Set the code of a cabinet.

    The code is encrypted in the database, and never appears in lists, exports or histories.
    """
    set_cabinet_code(session, viewer, device_id, given.code, at=clock.now())
