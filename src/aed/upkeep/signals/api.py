"""Routes of signals: a device's token, what it sends, and what its keepers see."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotSignedIn
from aed.http.parameters import RowId
from aed.upkeep.signals import actions, queries, sources
from aed.upkeep.signals.actions import NewSignal
from aed.upkeep.signals.schemas import MessagesReceived, MonitorOut, SignalIn, SignalReceived, SignalTokenOut
from aed.upkeep.signals.sources import SourceName

router = APIRouter(tags=["signals"])


async def _device_key(request: Request) -> str:
    """Return the device's token; it is not one of the API's tokens."""
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        raise NotSignedIn("Send the device's token: Authorization: Bearer TOKEN.")
    return key.strip()


@router.post("/devices/{device_id}/signals")
def send_signal(
    session: WriteSession, device_id: RowId, new: SignalIn, key: Annotated[str, Depends(_device_key)]
) -> SignalReceived:
    """Send a signal of a device: a heartbeat, with readings if it has any.

    With the device's own token, which may do nothing else. A signal may arrive late, and twice: the same `id`
    is the same signal. A failed self-test takes the device out of service until it passes a check.
    """
    now = clock.now()
    device = actions.require_device_token(session, device_id, key)
    receipt = actions.receive_signal(
        session, device, device_id, NewSignal(new.id, new.at, new.readings), at=now
    )
    return SignalReceived(is_new=receipt.is_new, at=receipt.at, now=now)


@router.get("/devices/{device_id}/signals")
def read_signals(session: ReadSession, viewer: ViewerDep, device_id: RowId) -> MonitorOut:
    """Show the last reading of each kind with its age, and the alarms of a device. For its keepers."""
    monitor, device = queries.monitor_of(session, viewer, device_id)
    return MonitorOut.of(monitor, device, at=clock.now())


@router.post("/devices/{device_id}/signal-token", status_code=201)
def make_signal_token(session: WriteSession, viewer: ViewerDep, device_id: RowId) -> SignalTokenOut:
    """Make the token with which a device sends signals. It is shown only in this response.

    The previous token stops working. For the estate's manager.
    """
    return SignalTokenOut(token=actions.make_token(session, viewer, device_id, at=clock.now()))


@router.delete("/devices/{device_id}/signal-token", status_code=204)
def revoke_signal_token(session: WriteSession, viewer: ViewerDep, device_id: RowId) -> None:
    """Revoke a device's token. For the estate's manager."""
    actions.revoke_token(session, viewer, device_id, at=clock.now())


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "examples": [{"sn": "A1", "message": "7"}]}}
        },
    }
}


async def _content(request: Request) -> bytes:
    return await request.body()


@router.post("/signal-sources/{signal_source}/messages", openapi_extra=_BODY)
def receive_vendor_messages(
    request: Request,
    session: WriteSession,
    signal_source: Annotated[SourceName, Path()],
    content: Annotated[bytes, Depends(_content)],
) -> MessagesReceived:
    """Receive signals in the format of a vendor, as the mapping of the source says.

    The request is signed with the secret of the source. Devices are found by their serial numbers. A message
    may be sent again: the same id of the same device is the same signal.
    """
    received = sources.receive_request(session, signal_source, content, request.headers.get, at=clock.now())
    return MessagesReceived(
        is_new=received.is_new, known=received.known, unknown_serials=received.unknown_serials[:20]
    )
