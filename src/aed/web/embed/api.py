"""Routes of the view of one person's time bank: these pages alone can be shown in frames.

The key in the address stands for a person, and for this page alone: it is no session, and no cookie is set
or needed. Logs have the route, not the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.permissions import TokenRole, TokenScope, Viewer
from aed.accounts.regions.models import Region
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.query import ANY_PARAMETER
from aed.timebank.apps import actions, queries
from aed.timebank.goods.queries import catalogue
from aed.timebank.ledger import queries as ledger
from aed.timebank.models import EmbeddedView
from aed.timebank.rules import AccountKind, Currency, PriorityGroup
from aed.web.language import PARAMETER, language_of
from aed.web.render import render
from aed.web.time_bank_words import GROUPS, entry_line, hours_and_minutes, points_text

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

MAX_SHOWN: Final = 20
ViewKey = Annotated[str, Path(max_length=100)]


@router.get("/embed/time-bank/open/{view_key}")
def open_embedded_time_bank(request: Request, session: WriteSession, view_key: ViewKey) -> Response:
    """Open a link once; the page itself has another key, so that it can be reloaded."""
    opened = actions.open_view(session, view_key, at=clock.now())
    if opened is None:
        return _expired(request, queries.view_by_key(session, view_key))
    return RedirectResponse(f"/embed/time-bank/{opened}?{PARAMETER}={language_of(request)}", 303)


@router.get("/embed/time-bank/{view_key}")
def show_embedded_time_bank(request: Request, session: ReadSession, view_key: ViewKey) -> Response:
    """Show minutes, points, the last entries and the catalogue, to be read only."""
    view = queries.view_by_key(session, view_key)
    if view is None or not queries.is_open(view, clock.now()):
        return _expired(request, view)
    viewer = Viewer(
        role=TokenRole.MEMBER,
        name=f"app:{view.app.client_id}",
        scopes=frozenset({TokenScope.READ}),
        person_id=view.person_id,
    )
    accounts = {
        each.currency: each
        for each in ledger.accounts_of(session, viewer, view.person_id)
        if each.kind is AccountKind.PERSON
    }
    minutes, points = accounts.get(Currency.MINUTES), accounts.get(Currency.POINTS)
    region_id = points.region_id if points is not None else view.app.region_id
    zone = ZoneInfo(session.get_one(Region, region_id).time_zone)
    entries = ledger.statement(session, points.id, limit=MAX_SHOWN) if points is not None else []
    return _page(
        request,
        view.app.origins,
        name="time_bank",
        served=hours_and_minutes(minutes.balance if minutes is not None else 0),
        points=points_text(points.balance if points is not None else 0),
        entries=[entry_line(each, zone) for each in entries],
        goods=[
            (each, points_text(each.price), [GROUPS[PriorityGroup(group)] for group in each.first_for])
            for each in catalogue(session, region_id, limit=MAX_SHOWN, after_id=0)
        ],
    )


def _expired(request: Request, view: EmbeddedView | None) -> Response:
    """Return the page for a link or a view that has expired, or that is unknown."""
    return _page(request, view.app.origins if view is not None else (), name="expired", status=410)


def _page(
    request: Request, origins: Sequence[str], *, name: str, status: int = 200, **values: object
) -> Response:
    """Render a page that only these origins may show in a frame. Without any, an app's web view may."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors {' '.join(origins) or "'none'"}",
        "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
        "Referrer-Policy": "no-referrer",
    }
    response = render(
        request, f"embed/{name}.html.jinja", status=status, headers=headers, emergency_number=None, **values
    )
    del response.headers["Set-Cookie"]  # of the language: browsers block it in frames
    return response
