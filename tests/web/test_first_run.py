"""The first run: the code, the first administrator, the first region and estate, and who may see it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed import clock
from aed.accounts.first_run.actions import (
    ALPHABET,
    MAX_TRIES,
    check_first_run_code,
    has_administrator,
    make_first_run_code,
)
from aed.accounts.first_run.models import FirstRunCode
from aed.accounts.people.models import Account
from aed.accounts.permissions import Role, TokenRole, TokenScope
from aed.accounts.role_grants import RoleGrant
from aed.accounts.tokens import create_token
from aed.database.geometry import shape_of
from aed.database.session import Database
from aed.errors import InvalidInput, TooBusy
from aed.geo import Datum, Position, distance_metres
from aed.registry.estates.models import Estate
from aed.web.first_run.rules import boundary_of, corners_in
from tests import make
from tests.web.conftest import SignIn

PASSWORD = "lantern orchard river stone"


def form(code: str) -> dict[str, str]:
    return {"code": code, "name": "Shen Yi", "phone": "138 0013 4001", "password": PASSWORD}


def new_code(session: Session) -> str:
    code = make_first_run_code(session, at=clock.now())
    assert code is not None
    session.commit()
    return code


def test_one_corner_is_a_square_two_a_rectangle_and_more_are_kept() -> None:
    middle = Position(30.29, 120.1)
    (ring,) = boundary_of([middle])["coordinates"]
    assert distance_metres(Position(ring[0][1], ring[0][0]), Position(ring[1][1], ring[1][0])) == (
        pytest.approx(300, rel=0.01)
    )
    assert (ring[0][0] + ring[2][0], ring[0][1] + ring[2][1]) == pytest.approx((2 * 120.1, 2 * 30.29))
    west, south, east, north = ring[0][0], ring[0][1], ring[2][0], ring[2][1]
    assert west < 120.1 < east
    assert south < 30.29 < north
    (ring,) = boundary_of([Position(30, 120), Position(31, 121)])["coordinates"]
    assert ring == [[120, 30], [121, 30], [121, 31], [120, 31], [120, 30]]
    found = corners_in("30.29, 120.1\n\n120.2 30.3; 30.31,120.1", Datum.WGS84)
    assert found == [middle, Position(30.3, 120.2), Position(30.31, 120.1)]
    assert len(corners_in("1,2", Datum.WGS84)) == 1
    assert len(corners_in("1,2\n" * 200, Datum.WGS84)) == 200
    for bad in ("", "\n", "here", "30.29", "1,2\n" * 201):
        with pytest.raises(InvalidInput):
            corners_in(bad, Datum.WGS84)


def test_the_code_makes_one_administrator_and_then_nothing(browser_of: SignIn, session: Session) -> None:
    code = new_code(session)
    assert set(code) <= {*ALPHABET, "-"}
    assert code not in {row.code_hash for row in session.scalars(select(FirstRunCode))}
    browser = browser_of(None)
    assert "One-time code" in browser.get("/first-run").text
    weak = browser.post("/first-run", data=form(code) | {"password": "12345678901"})
    assert (weak.status_code, 'value="Shen Yi"' in weak.text) == (422, True)
    wrong = browser.post("/first-run", data=form("AAAA-BBBB-CCCC"))
    assert (wrong.status_code, 'id="code-error"' in wrong.text) == (422, True)
    elsewhere = browser.post("/first-run", data=form(code), headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 403

    done = browser.post("/first-run", data=form(code.lower().replace("-", " ")))
    assert (done.status_code, done.headers["location"]) == (303, "/first-run")
    assert "Draw the estate" in browser.get("/first-run").text
    session.expire_all()
    grant = session.scalars(select(RoleGrant)).one()
    assert (grant.role, grant.region_id, grant.estate_id) == (Role.ADMINISTRATOR, None, None)
    assert session.get_one(Account, grant.person_id).password_hash is not None
    stranger = browser_of(None)
    assert stranger.get("/first-run").status_code == 404
    assert stranger.post("/first-run", data=form(code)).status_code == 404
    assert session.scalar(select(FirstRunCode)) is None


def test_a_newer_code_replaces_the_one_before_and_tries_are_limited(
    session: Session, database: Database
) -> None:
    first, second = new_code(session), new_code(session)
    for _ in range(MAX_TRIES - 1):
        with pytest.raises(InvalidInput):
            check_first_run_code(database, first, at=clock.now())
    check_first_run_code(database, second, at=clock.now())
    with pytest.raises(TooBusy):
        check_first_run_code(database, second, at=clock.now())
    third = new_code(session)
    check_first_run_code(database, third, at=clock.now())


def test_no_code_is_made_where_a_person_or_a_token_administers(session: Session) -> None:
    now = clock.now()
    regional = make.person(session)
    make.role(session, regional, Role.ADMINISTRATOR, region=make.region(session))
    create_token(session, name="reader", role=TokenRole.ADMINISTRATOR, scopes=[TokenScope.READ], at=now)
    create_token(
        session,
        name="expired",
        role=TokenRole.ADMINISTRATOR,
        scopes=[TokenScope.WRITE],
        at=now,
        expires_at=now - timedelta(days=1),
    )
    assert not has_administrator(session, at=now)
    make.role(session, regional, Role.ADMINISTRATOR)
    assert make_first_run_code(session, at=now) is None


def test_the_first_region_and_estate_are_drawn_and_mistakes_keep_what_was_typed(
    browser_of: SignIn, session: Session
) -> None:
    administrator, resident = make.person(session), make.person(session)
    make.role(session, administrator, Role.ADMINISTRATOR)
    assert browser_of(None).get("/first-run/place").headers["location"].startswith("/sign-in")
    assert browser_of(resident.id).get("/first-run/place").status_code == 403
    browser = browser_of(administrator.id)
    fields = {"region": "CN-33", "estate": "Spring Garden", "corners": "30.29, 120.10\n30.30, 120.11"}
    bad = browser.post("/first-run/place", data=fields | {"corners": "by the lake"})
    assert (bad.status_code, "by the lake" in bad.text, 'value="Spring Garden"' in bad.text) == (
        422,
        True,
        True,
    )
    elsewhere = {"region": "elsewhere", "code": "JP-13", "name_en": "Tokyo", "country": "JP"}
    bad = browser.post("/first-run/place", data=fields | elsewhere | {"time_zone": "Mars/North"})
    assert (bad.status_code, 'value="Tokyo"' in bad.text) == (422, True)

    assert browser.post("/first-run/place", data=fields).headers["location"] == "/first-run"
    estate = session.scalars(select(Estate).options(joinedload(Estate.region))).one()
    assert (estate.region.code, estate.region.holiday_calendar) == ("CN-33", "CN")
    assert shape_of(estate.boundary).bounds == pytest.approx((120.10, 30.29, 120.11, 30.30))
    session.commit()  # which lets the next request write
    assert "Import a list" in browser.get("/first-run").text
    tokyo = {"time_zone": "Asia/Tokyo", "emergency_number": "119", "estate": "Garden"}
    assert browser.post("/first-run/place", data=fields | elsewhere | tokyo).status_code == 303
