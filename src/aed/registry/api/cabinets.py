"""Routes of what opens a device's cabinet: for those who keep the device."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.access import ViewerDep
from aed.accounts.rules import may_keep_devices
from aed.database.dependencies import ReadSession, WriteSession
from aed.registry import queries
from aed.registry.actions.cabinets import set_cabinet_code
from aed.registry.api.requests import DeviceId, may_see_history
from aed.registry.schemas.cabinets import CabinetCodeIn, CabinetCodeOut

router = APIRouter()


@router.get("/devices/{device_id}/cabinet-code")
def get_cabinet_code(
    session: ReadSession, viewer: ViewerDep, device_id: DeviceId, response: Response
) -> CabinetCodeOut:
    """What opens the cabinet, for those who keep the device. Whoever is called to fetch it is told with the
    patient's place, after accepting."""
    device = queries.device(session, viewer, device_id)
    may_see_history(may_keep_devices, viewer, device.estate_id, region_id=device.region_id)
    response.headers["Cache-Control"] = "no-store"
    return CabinetCodeOut.of(queries.cabinet_code(session, device.id))


@router.put("/devices/{device_id}/cabinet-code", status_code=204)
def put_cabinet_code(
    session: WriteSession, viewer: ViewerDep, device_id: DeviceId, given: CabinetCodeIn
) -> None:
    """The code holds from now on. It is sealed at rest, and stands in no list, export or history."""
    set_cabinet_code(session, viewer, device_id, given.code, at=clock.now())
