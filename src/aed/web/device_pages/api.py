"""The route of a device's page, which the QR code on its label opens."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import WriteSession, database_of
from aed.database.session import read_session
from aed.errors import AedError, InvalidInput
from aed.settings import Settings
from aed.upkeep.checks import actions
from aed.upkeep.confirmations.actions import KEY_PREFIX
from aed.upkeep.rules import device_id_of
from aed.web.device_pages import queries
from aed.web.device_pages.page import DeviceCard, card_of
from aed.web.moved_devices import redirect_after_move
from aed.web.render import render

log = structlog.get_logger("aed")
_HTML: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"text/html": {}}}}
"""Messengers add parameters to the link: see `aed.http.query`."""
router = APIRouter(include_in_schema=False)

Code = Annotated[str, Path(max_length=64)]


@router.get("/d/{code}", responses=_HTML)
def get_device_page(request: Request, viewer: ViewerDep, code: Code) -> Response:
    """Show a device: use it, check it, report a problem; where it hangs and when it can be reached.

    A device that the viewer may not see looks like one that does not exist. The link of a confirmation
    request goes on to the check page, which answers it. The label of a device that another cell has taken
    over leads there.
    """
    if code.startswith(KEY_PREFIX):
        return RedirectResponse(f"/d/{quote(code, safe='')}/check", status_code=303)
    settings: Settings = request.app.state.settings
    if not queries.is_code(code):
        return render(request, "device_pages/unknown.html.jinja", status=404, code=code, is_mistyped=True)
    if (moved := redirect_after_move(request, device_id_of(code))) is not None:
        return moved
    try:
        card = _card(request, viewer, code, at=clock.now(), settings=settings)
    except AedError as error:
        log.error("device page without its device", reason=error.detail)
        return render(request, "device_pages/unavailable.html.jinja", code=code)
    if card is None:
        return render(request, "device_pages/unknown.html.jinja", status=404, code=code, is_mistyped=False)
    root = settings.public_url or str(request.base_url).rstrip("/")
    return render(
        request,
        "device_pages/device.html.jinja",
        emergency_number=card.emergency_number,
        device=card,
        root=root,
        link=f"{root}/d/{card.code}",
    )


@router.post("/d/{code}/place-photo")
def choose_place_photo(
    session: WriteSession, viewer: FormViewerDep, code: Code, photo: Annotated[str, Form(max_length=20)] = ""
) -> Response:
    """Choose the photo that shows where the device hangs; none for an empty value."""
    if photo and not (photo.isascii() and photo.isdecimal()):
        raise InvalidInput("photo must be the number of a photo.", field="photo")
    chosen = int(photo) if photo else None
    actions.choose_place_photo(session, viewer, device_id_of(code), chosen, at=clock.now())
    return RedirectResponse(f"/d/{quote(code, safe='')}", 303)


def _card(
    request: Request, viewer: Viewer, code: str, *, at: datetime, settings: Settings
) -> DeviceCard | None:
    is_wechat = "MicroMessenger" in request.headers.get("user-agent", "")
    with read_session(database_of(request)) as session:
        found = queries.device_facts(session, viewer, code, at=at, settings=settings)
        return card_of(found, at=at, is_wechat=is_wechat) if found is not None else None
