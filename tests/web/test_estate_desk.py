"""The estate's desk: who gets it, its rows and filters, a device's form, conflicts, and its people."""

from __future__ import annotations

import csv
import html
import json
import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Account, Person
from aed.accounts.permissions import Role
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles.actions import revoke_role
from aed.accounts.viewers import viewer_of_person
from aed.database.geometry import position_of
from aed.imports.devices.models import Review
from aed.imports.devices.rules import ReviewKind
from aed.notifications.models import OutboxMessage
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate, Gate, ResidenceRequest
from aed.registry.estates.residence import request_residence
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.queries import duties
from aed.upkeep.due.rules import CALENDAR_KINDS
from aed.upkeep.faults.actions import report_device
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.rules import CheckKind, FaultKind, short_number
from aed.upkeep.signals.actions import NewSignal, receive_signal
from aed.upkeep.signals.rules import ReadingKind, Readings
from aed.web.estate_desk import queries
from aed.web.estate_desk.page import amendment_of, changed_in, hours_in
from tests import make
from tests.make import ADMINISTRATOR, PATIENT, north_of
from tests.web.conftest import SignIn

PHONE = "+8613800132001"


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def manager(session: Session, estate: Estate) -> Person:
    person = make.person(session)
    make.role(session, person, Role.ESTATE_MANAGER, estate=estate)
    return person


def form_of(page: str) -> dict[str, str]:
    """Return the values with which a device's form would be sent unchanged."""
    inputs = {
        found[1]: html.unescape(found[2])
        for found in re.finditer(
            r'<input (?:id="\w+" )?(?:type="hidden" )?name="(\w+)"[^>]* value="([^"]*)"', page
        )
    }
    chosen = {
        found[1]: found[2]
        for found in re.finditer(r'<input type="radio" name="(\w+)" value="(\w+)" checked', page)
    }
    selected = {
        found[1]: found[2]
        for found in re.finditer(r'<select [^>]*name="(\w+)"(?:(?!</select>).)*value="(\w+)" selected', page)
    }
    assert selected.keys() >= {"entry", "holidays"}
    return inputs | chosen | selected | {"do": "save"}


def keeper_of(session: Session, device: Device) -> str | None:
    return session.scalar(select(Person.name).where(Person.id == device.keeper_id))


def test_strangers_sign_in_and_others_are_refused(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    device = make.device(session, of=estate, audience="estate")
    resident, elsewhere = make.person(session), make.person(session)
    make.role(session, resident, Role.RESIDENT, estate=estate)
    make.role(session, elsewhere, Role.ESTATE_MANAGER, estate=make.estate(session))
    paths = [f"/desk/{estate.id}", f"/desk/{estate.id}/people", f"/desk/{estate.id}/devices/{device.id}"]
    for path in paths:
        assert browser_of(None).get(path).headers["location"] == f"/sign-in?next={path}"
        assert browser_of(resident.id).get(path).status_code == 403
        assert browser_of(elsewhere.id).get(path).status_code == 404
        assert browser_of(manager.id).get(path).status_code == 200
    other = make.device(session, of=make.estate(session), audience="public")
    assert browser_of(manager.id).get(f"/desk/{estate.id}/devices/{other.id}").status_code == 404
    assert browser_of(manager.id).get("/desk").headers["location"] == f"/desk/{estate.id}"
    assert "You manage no estate" in browser_of(resident.id).get("/desk").text


def test_the_desk_counts_filters_and_puts_what_is_not_ready_first(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    today = clock.now().date()
    far = today + timedelta(days=800)
    well = make.device(session, of=estate, place_en="Lobby", last_checked_on=today, pads_expire_on=far)
    make.device(
        session,
        of=estate,
        place_en="Gate",
        state="out_of_service",
        out_of_service_reason="pads used",
        pads_expire_on=far,
    )
    soon = today + timedelta(days=3)
    make.device(session, of=estate, place_en="Pool", last_checked_on=today, pads_expire_on=soon)
    make.device(session, of=make.estate(session), place_en="Elsewhere", audience="public")
    report_device(
        session,
        ADMINISTRATOR,
        well.id,
        ReportIn(kind=FaultKind.OTHER, note="loose"),
        from_key=None,
        at=clock.now(),
    )
    browser = browser_of(manager.id)

    page = browser.get(f"/desk/{estate.id}").text
    summary = re.search(r'id="summary">(.+)</a>', page, re.DOTALL)
    assert summary is not None
    assert "1 of 3 AEDs not ready, 1 expires within 7 days" in summary[1]
    assert "1 waits for you" in summary[1]
    places = re.findall(r'<th scope="row"><a [^>]+>([^<]+)<', page)
    assert (places[0], set(places)) == ("Gate", {"Gate", "Lobby", "Pool"})
    assert "loose" in page
    for query, expected in (
        ("shown=not-ready", {"Gate"}),
        ("q=POOL", {"Pool"}),
        (f"q={short_number(well.id)}", {"Lobby"}),
        ("q=nowhere", set()),
    ):
        found = browser.get(f"/desk/{estate.id}?{query}").text
        assert set(re.findall(r'<th scope="row"><a [^>]+>([^<]+)<', found)) == expected, query
    assert browser.get(f"/desk/{estate.id}?shown=nonsense").status_code == 422


def test_a_device_is_changed_and_its_hours_are_previewed_first(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    device = make.device(session, of=estate, place_en="Lobby", opening_hours="24/7")
    browser, path = browser_of(manager.id), f"/desk/{estate.id}/devices/{device.id}"
    fields = form_of(browser.get(path).text)
    fields |= {"hours_kind": "office", "opens": "09:00", "closes": "18:00", "do": "preview"}

    preview = browser.post(path, data=fields)
    assert (preview.status_code, "09:00–18:00" in preview.text, "not saved yet" in preview.text) == (
        200,
        True,
        True,
    )
    bad = browser.post(path, data=fields | {"hours_kind": "text", "hours": "Mo-Fr 25:00", "place_en": "Hall"})
    assert (bad.status_code, 'value="Mo-Fr 25:00"' in bad.text, 'value="Hall"' in bad.text) == (
        422,
        True,
        True,
    )
    session.expire_all()
    assert session.get_one(Device, device.id).opening_hours == "24/7", "nothing is saved so far"
    session.commit()

    fields = form_of(preview.text)
    changed = fields | {
        "keeper_name": "Chen",
        "keeper_phone": "138 0013 2002",
        "access_instructions_en": "Ask",
    }
    saved = browser.post(path, data=changed)
    assert saved.headers["location"] == f"/desk/{estate.id}#device-{device.id}"
    session.expire_all()
    now = session.get_one(Device, device.id)
    assert (now.opening_hours, now.access_instructions_en, now.place_en) == (
        "Mo-Fr 09:00-18:00; PH off",
        "Ask",
        "Lobby",
    )
    assert (keeper_of(session, now)) == "Chen"
    session.commit()

    for wrong, said in (
        ({"udi_di": "06901234567890"}, "UDI-DI: The check digit of this UDI-DI is wrong"),
        ({"maker": "x\x00"}, "Maker: must not contain control characters"),
        ({"manufactured_on": "1889-01-01"}, "Date of manufacture: Input should be greater than or equal to"),
    ):
        refused = browser.post(path, data=form_of(browser.get(path).text) | wrong)
        assert (refused.status_code, said in refused.text) == (422, True), said
    made = {"maker": "Heartline", "manufactured_on": "2024-05-31"}
    assert browser.post(path, data=form_of(browser.get(path).text) | made).status_code == 303
    undo = re.search(r'name="change_id" value="(\d+)"', browser.get(path.partition("/devices")[0]).text)
    assert undo is not None
    assert browser.post(f"{path}/undo", data={"change_id": undo[1]}).status_code == 303
    session.expire_all()
    now = session.get_one(Device, device.id)
    assert (now.maker, now.manufactured_on) == (None, None)
    session.commit()

    without_reason = browser.post(path, data=form_of(browser.get(path).text) | {"state": "out_of_service"})
    assert (without_reason.status_code, 'id="problem"' in without_reason.text) == (422, True)


def test_two_people_at_one_device_lose_nothing(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    device = make.device(session, of=estate, place_en="Lobby")
    browser, path = browser_of(manager.id), f"/desk/{estate.id}/devices/{device.id}"
    mine = form_of(browser.get(path).text) | {"place_en": "Hall"}
    theirs = form_of(browser.get(path).text) | {"place_en": "Entrance", "keeper_name": "Chen"}
    assert browser.post(path, data=theirs).status_code == 303

    clash = browser.post(path, data=mine)
    assert clash.status_code == 409
    assert re.search(r"Place, in English</th><td>Hall</td><td>Entrance</td>", clash.text)
    again = form_of(clash.text)
    assert (again["place_en"], again["keeper_name"]) == ("Hall", "Chen"), "mine, and what only they changed"
    assert browser.post(path, data=again).status_code == 303
    session.expire_all()
    now = session.get_one(Device, device.id)
    assert (now.place_en, keeper_of(session, now)) == ("Hall", "Chen")


@pytest.mark.one_engine
def test_a_form_sent_after_the_session_has_ended_is_kept_and_sent_again(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    device = make.device(session, of=estate, place_en="Lobby")
    browser, path = browser_of(manager.id), f"/desk/{estate.id}/devices/{device.id}"
    typed = form_of(browser.get(path).text) | {"place_en": 'Hall "B" <2>'}
    signed_out = browser_of(None)

    refused = signed_out.post(path, data=typed | {"password": "secret"})
    assert refused.status_code == 401
    assert "nothing was saved yet" in refused.text
    assert f'action="{path}"' in refused.text
    kept = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', refused.text))
    assert {name: html.unescape(value) for name, value in kept.items()} == typed
    elsewhere = signed_out.post(path, data=typed, headers={"Sec-Fetch-Site": "cross-site"})
    assert (elsewhere.status_code, "Hall" in elsewhere.text) == (403, False)

    again = {name: html.unescape(value) for name, value in kept.items()}
    assert browser.post(path, data=again).status_code == 303
    session.expire_all()
    assert session.get_one(Device, device.id).place_en == 'Hall "B" <2>'


@pytest.mark.one_engine
def test_a_role_that_ends_while_the_form_is_open_saves_nothing_and_says_so(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    device = make.device(session, of=estate, place_en="Lobby")
    browser, path = browser_of(manager.id), f"/desk/{estate.id}/devices/{device.id}"
    typed = form_of(browser.get(path).text) | {"place_en": "Hall"}
    for grant in session.scalars(select(RoleGrant).where(RoleGrant.person_id == manager.id)):
        revoke_role(session, ADMINISTRATOR, grant.id, at=clock.now())
    make.role(session, manager, Role.RESIDENT, estate=estate)
    session.commit()

    refused = browser.post(path, data=typed)
    assert (refused.status_code, "ask your estate's manager" in refused.text) == (403, True)
    session.expire_all()
    assert session.get_one(Device, device.id).place_en == "Lobby"


def test_a_manager_gives_and_ends_roles(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    browser, path = browser_of(manager.id), f"/desk/{estate.id}/people"
    new = {"name": "Chen Wei", "phone": "138 0013 2001", "role": "keeper"}
    assert browser.post(path, data=new).status_code == 303
    person = session.scalars(select(Person).join(Account).where(Account.phone == PHONE)).one()
    grant = session.scalars(select(RoleGrant).where(RoleGrant.person_id == person.id)).one()
    chinese = browser_of(manager.id).get(path, params={"lang": "zh-CN"}).text
    assert '<option value="lead">里长</option>' in chinese, "AED_LEAD_WORD"
    assert (grant.role, grant.estate_id) == (Role.KEEPER, estate.id)
    session.commit()

    other_name = browser.post(path, data=new | {"name": "Li Na", "role": "lead"})
    assert (other_name.status_code, "Chen Wei" in other_name.text.partition("Roles held now")[0]) == (
        409,
        False,
    )
    asked = browser.post(path, data=new | {"role": "lead"})
    assert (asked.status_code, 'id="known"' in asked.text) == (409, True)
    assert browser.post(path, data=new | {"role": "lead", "is_same_person": "true"}).status_code == 303
    twice = browser.post(path, data=new | {"role": "lead", "is_same_person": "true"})
    assert (twice.status_code, 'id="problem"' in twice.text) == (409, True)

    for _ in range(2):
        assert browser.post(f"{path}/{grant.id}/end").status_code == 303
    session.expire_all()
    held = session.scalars(
        select(RoleGrant.role).where(RoleGrant.revoked_at.is_(None), RoleGrant.person_id == person.id)
    )
    assert list(held) == [Role.LEAD]
    session.commit()

    for fields, problem in (
        ({"phone": "12"}, "phone-error"),
        ({"name": " ", "phone": "138 0013 2009"}, "name-error"),
    ):
        refused = browser.post(path, data=new | fields)
        assert (refused.status_code, f'id="{problem}"' in refused.text) == (422, True)
    unprintable = browser.post(path, data=new | {"name": "Chen\x00", "phone": "138 0013 2009"})
    assert "Name: must not contain control characters" in unprintable.text
    assert (
        browser.post(path, data=new | {"role": "estate_manager", "phone": "138 0013 2009"}).status_code == 403
    )


def test_a_name_in_a_list_with_roles_gets_no_account_from_a_manager(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    listed = make.person(session, phone=PHONE, name="Chen Wei")
    account = session.get(Account, listed.id)
    if account is not None:
        session.delete(account)
    make.role(session, listed, Role.TRAINING_OFFICER, estate=make.estate(session))
    fields = {"name": "Chen Wei", "phone": PHONE, "role": "keeper", "is_same_person": "true"}
    refused = browser_of(manager.id).post(f"/desk/{estate.id}/people", data=fields)
    assert (refused.status_code, "has no account" in refused.text) == (409, True)


def test_the_map_of_the_desk_has_the_devices_of_the_table(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    one, other = (make.device(session, of=estate, at=at) for at in (PATIENT, north_of(PATIENT, metres=40.0)))
    one.place_en = "Lobby"
    session.commit()
    browser = browser_of(manager.id)

    def points(query: str) -> list[list[float]]:
        found = re.search(r'data-points="([^"]*)"', browser.get(f"/desk/{estate.id}?{query}").text)
        assert found is not None
        return sorted(json.loads(html.unescape(found[1])))

    expected = [
        [each.id, pytest.approx(here.lon, abs=1e-6), pytest.approx(here.lat, abs=1e-6)]
        for each, here in ((one, PATIENT), (other, north_of(PATIENT, metres=40.0)))
    ]
    assert points("") == expected
    assert points("q=lobby") == expected[:1]
    assert browser.get(f"/desk/{estate.id}?q=nowhere").text.count("data-points") == 0


def test_hours_are_entered_by_day(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    device = make.device(session, of=estate, opening_hours="24/7")
    browser, path = browser_of(manager.id), f"/desk/{estate.id}/devices/{device.id}"
    fields = form_of(browser.get(path).text)
    times = {"opens_mo": "08:00", "closes_mo": "12:00", "opens_sa": "09:00", "closes_sa": "00:00"}
    dropped = browser.post(path, data=fields | times)
    assert (dropped.status_code, "not the ones chosen" in dropped.text) == (422, True)
    half = browser.post(path, data=fields | times | {"hours_kind": "days", "closes_sa": ""})
    assert (half.status_code, "both times" in half.text, 'value="12:00"' in half.text) == (422, True, True)

    saved = browser.post(path, data=fields | times | {"hours_kind": "days"}, follow_redirects=False)
    assert saved.status_code == 303
    session.expire_all()
    hours = session.get_one(Device, device.id).opening_hours
    assert hours == "Mo 08:00-12:00; Sa 09:00-24:00; PH off"
    session.commit()
    shown = form_of(browser.get(path).text)
    assert {name: shown[name] for name in ("hours_kind", *times)} == {"hours_kind": "days"} | times
    assert (shown["opens_tu"], shown["holidays"]) == ("", "closed")


def test_only_what_a_person_changed_is_sent() -> None:
    was = {"place_en": "Lobby", "hours_kind": "always", "hours": "", "opens": "08:30", "closes": "17:30"}
    typed = was | {"hours_kind": "text", "hours": " Mo 08:00-12:00 "}
    changed = changed_in(typed, was)
    assert changed.keys() == {"hours_kind", "hours"}
    assert amendment_of(typed, changed.keys()) == {"opening_hours": "Mo 08:00-12:00"}
    assert amendment_of(was, changed_in(was, was).keys()) == {}
    assert hours_in({"hours_kind": "unknown", "hours": "24/7"}) is None


def test_the_desk_shows_what_a_monitor_last_said_and_its_age(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    device, at = make.device(session, of=estate), clock.now()
    readings: Readings = {ReadingKind.BATTERY: 12.0, ReadingKind.DOOR: "closed"}
    signal = NewSignal("1", at - timedelta(hours=3), readings)
    receive_signal(session, ADMINISTRATOR, device.id, signal, at=at)
    session.commit()
    browser = browser_of(manager.id)

    assert "battery low" in browser.get(f"/desk/{estate.id}?lang=en").text
    shown = browser.get(f"/desk/{estate.id}/devices/{device.id}?lang=en").text
    assert "Battery level: <strong>12 %</strong>" in shown
    assert "3 hours ago" in shown


def test_a_manager_makes_a_signal_token_sees_it_once_and_revokes_it(
    browser_of: SignIn, session: Session, client: TestClient, estate: Estate, manager: Person
) -> None:
    device = make.device(session, of=estate)
    keeper = make.person(session)
    make.role(session, keeper, Role.KEEPER, estate=estate)
    session.commit()
    address = f"/desk/{estate.id}/devices/{device.id}"

    assert browser_of(keeper.id).post(f"{address}/signal-token", data={"do": "make"}).status_code == 403
    browser = browser_of(manager.id)
    assert "needs a token" in browser.get(f"{address}?lang=en").text
    made = browser.post(f"{address}/signal-token?lang=en", data={"do": "make"})
    token = re.search(r'id="token">(dev_[\w-]+)<', made.text)
    assert token is not None
    assert (made.headers["cache-control"], token[1] in browser.get(address).text) == ("no-store", False)
    own = {"Authorization": f"Bearer {token[1]}"}
    assert client.post(f"/v1/devices/{device.id}/signals", json={"id": "1"}, headers=own).status_code == 200
    browser.post(f"{address}/signal-token", data={"do": "revoke"})
    assert client.post(f"/v1/devices/{device.id}/signals", json={"id": "2"}, headers=own).status_code == 401
    assert browser.post(f"{address}/signal-token", data={"do": "keep"}).status_code == 422


def test_the_list_is_downloaded_as_filtered(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    make.device(session, of=estate, place_zh="=1+1", place_en="=1+1")
    out = make.device(
        session, of=estate, place_zh="泳池", state="out_of_service", out_of_service_reason="送修"
    )
    path = f"/desk/{estate.id}/list"
    resident = make.person(session)
    make.role(session, resident, Role.RESIDENT, estate=estate)
    assert browser_of(None).get(f"{path}.csv").headers["location"] == f"/sign-in?next=/desk/{estate.id}"
    assert browser_of(resident.id).get(f"{path}.csv").status_code == 403
    browser = browser_of(manager.id)

    sheet = browser.get(f"{path}.csv", params={"lang": "zh-CN"})
    assert sheet.content.startswith("\ufeff编号,地点".encode())
    rows = list(csv.reader(sheet.content.decode("utf-8-sig").splitlines()))
    assert [row[1] for row in rows] == ["地点", "泳池", "'=1+1"], "what is not ready is first"
    assert rows[1][0] == short_number(out.id)
    assert "送修" in rows[1][3]

    book = browser.get(f"{path}.xlsx", params={"shown": "not-ready"})
    cells = list(openpyxl.load_workbook(BytesIO(book.content)).active.values)
    assert [row[0] for row in cells] == ["Number", short_number(out.id)]
    formula = browser.get(f"{path}.xlsx", params={"q": "1+1"})
    cell = openpyxl.load_workbook(BytesIO(formula.content)).active["B2"]
    assert (cell.value, cell.data_type, cell.quotePrefix) == ("=1+1", "s", True)
    assert browser.get(f"{path}.pdf").status_code == 422


def test_the_desk_counts_in_the_database_what_is_due(
    session: Session, estate: Estate, manager: Person
) -> None:
    """Devices with all kinds of dates are overdue and due exactly as the list of duties says."""
    at = make.NOW
    make.policy(session, of=estate, maker="Zoll", check_days=40, service_months=None)
    make.policy(session, check_days=None, glance_days=None, service_months=3)
    today = at.astimezone(ZoneInfo("Asia/Shanghai")).date()
    for number in range(60):
        device = make.device(
            session,
            of=estate,
            maker=("ZOLL", "Mindray", None)[number % 3],
            pads_expire_on=today + timedelta(days=number * 12 - 40),
            last_checked_on=None if number % 4 == 0 else today - timedelta(days=number),
        )
        if number % 5 == 0:
            made_at = at - timedelta(days=number)
            kind = CheckKind.SERVICE if number % 2 else CheckKind.CHECK
            make.check(session, of=device, kind=kind, answered_at=made_at, at=made_at)
        session.execute(
            update(RegistryChange)
            .where(RegistryChange.subject == "devices", RegistryChange.subject_id == str(device.id))
            .values(at=at - timedelta(days=number * 2))
        )
    viewer = viewer_of_person(session, manager.id)
    found = duties(
        session,
        viewer,
        DeviceFilter(estate_id=estate.id),
        at=at,
        within_days=queries.SOON_DAYS,
        due_kinds=CALENDAR_KINDS,
    )
    listed = queries.listed_devices(
        session, viewer, queries.managed_estate(session, viewer, estate.id), at=at
    )
    due = {each.device_id for each in found.dues}
    overdue = {each.device_id for each in found.dues if each.overdue_days(today)}
    assert {each.id for each in listed if each.is_due} == due
    assert {each.id for each in listed if each.is_overdue} == overdue
    assert 0 < len(overdue) < len(due) < len(listed)


def test_ticked_devices_are_changed_one_by_one_and_each_change_can_be_undone(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    keeper = make.person(session, phone=PHONE, name="Chen Wei")
    make.role(session, keeper, Role.KEEPER, estate=estate)
    first, second, quarantined = (make.device(session, of=estate, place_en=f"Lobby {n}") for n in range(3))
    elsewhere = make.device(session, of=make.estate(session), audience="public")
    make.report(session, quarantined, FaultKind.MISSING)
    resident = make.person(session)
    make.role(session, resident, Role.RESIDENT, estate=estate)
    estate_id, desk = estate.id, f"/desk/{estate.id}"
    path = f"{desk}/devices"
    session.flush()

    def form(do: str, *devices: Device, **more: str) -> dict[str, Any]:
        session.expire_all()
        ticked = [f"{each.id}-{each.version}" for each in devices]
        session.commit()
        return {"do": do, "device": ticked, **more}

    broken = form("out", first, second, elsewhere, reason="Under repair")
    assert browser_of(None).post(path, data=broken).status_code == 401
    assert browser_of(resident.id).post(path, data=broken).status_code == 403
    other_manager = make.person(session)
    make.role(session, other_manager, Role.ESTATE_MANAGER, estate=estate)
    browser, other = browser_of(manager.id), browser_of(other_manager.id)
    for wrong, word in (
        (form("out", first), "Say why"),
        (form("out", first, reason="x\x00"), "cannot be stored"),
        (form("keeper", first, keeper="999999"), "Choose a keeper"),
        (form("out", reason="Under repair"), "Tick at least one"),
        (form("sell", first), "Choose what to do"),
    ):
        refused = browser.post(path, data=wrong)
        assert (refused.status_code, word in refused.text) == (422, True), word

    answer = browser.post(path, data=broken)
    assert (answer.status_code, "2 of 3 AEDs done" in answer.text) == (200, True)
    assert "The estate has no such device." in answer.text
    twice = browser.post(path, data=broken).text
    assert twice.count("It was so already.") == 2, "whatever the version"
    session.expire_all()
    states = [(each.state, each.out_of_service_reason) for each in (first, second, elsewhere)]
    assert states == [*([("out_of_service", "Under repair")] * 2), ("in_service", None)]
    session.commit()

    stale = form("back", first)
    assert browser.post(path, data=form("keeper", first, keeper=str(keeper.id))).status_code == 200
    assert "The version is now" in browser.post(path, data=stale).text
    session.expire_all()
    assert (first.keeper_id, first.state) == (keeper.id, "out_of_service")
    first_id, second_id, keeper_id = first.id, second.id, keeper.id
    session.commit()

    for sentence in ("Done.", "It was asked for within the last day."):
        asked = browser.post(path, data=form("check", first))
        assert sentence in asked.text
    messages = session.scalars(select(OutboxMessage).where(OutboxMessage.person_id == keeper_id)).all()
    assert len(messages) == 1
    session.commit()
    labels = browser.post(path, data=form("labels", first, second))
    assert labels.headers["location"].startswith(f"/v1/labels.pdf?estate_id={estate_id}&device_id={first_id}")

    undo = re.search(
        rf'devices/{second_id}/undo"><button class="second" name="change_id" value="(\d+)"',
        browser.get(desk).text,
    )
    assert undo is not None
    data = {"change_id": undo[1]}
    assert other.post(f"{path}/{second_id}/undo", data=data).status_code == 404
    for _ in range(2):
        assert browser.post(f"{path}/{second_id}/undo", data=data).status_code == 303
    session.expire_all()
    assert (second.state, second.out_of_service_reason) == ("in_service", None)
    session.commit()
    undo = re.search(
        rf'devices/{second_id}/undo"><button class="second" name="change_id" value="(\d+)"',
        browser.get(desk).text,
    )
    assert undo is not None
    other.post(path, data=form("out", second, reason="Stolen"))
    changed_since = browser.post(f"{path}/{second_id}/undo", data={"change_id": undo[1]})
    assert (changed_since.status_code, "changed since" in changed_since.text) == (409, True)


def test_a_person_saves_a_filter_by_name_for_themselves(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    make.device(session, of=estate)
    colleague, resident = make.person(session), make.person(session)
    make.role(session, colleague, Role.ESTATE_MANAGER, estate=estate)
    make.role(session, resident, Role.RESIDENT, estate=estate)
    desk = f"/desk/{estate.id}"
    new = {"name": "Lobbies", "q": "lobby", "shown": "due"}
    assert browser_of(None).post(f"{desk}/filters", data=new).status_code == 401
    assert browser_of(resident.id).post(f"{desk}/filters", data=new).status_code == 403
    browser, other = browser_of(manager.id), browser_of(colleague.id)

    for query in ("lobby", "hall"):
        saved = browser.post(f"{desk}/filters", data=new | {"q": query})
        assert saved.headers["location"] == f"{desk}?q={query}&shown=due#devices"
    page = browser.get(desk).text
    assert re.findall(r'<a href="/desk/\d+\?([^"]+)#devices">Lobbies</a>', page) == ["q=hall&amp;shown=due"]
    assert "Lobbies" not in other.get(desk).text
    for name in ("", "x" * 41, "a\x00b"):
        refused = browser.post(f"{desk}/filters", data=new | {"name": name})
        assert (refused.status_code, 'id="filter-problem"' in refused.text) == (422, True)
    found = re.search(r'name="delete" value="(\d+)"', page)
    assert found is not None
    delete = {"delete": found[1]}
    other.post(f"{desk}/filters", data=delete)
    assert "Lobbies" in browser.get(desk).text, "only its owner deletes it"
    for _ in range(2):
        assert browser.post(f"{desk}/filters", data=delete).status_code == 303
    assert "Lobbies" not in browser.get(desk).text


def test_what_waits_is_one_queue_with_its_answers(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    device = make.device(session, of=estate, place_en="Lobby")
    report = make.report(session, device, FaultKind.MISSING)
    asking, refused = make.person(session, name="Wu Min", phone=PHONE), make.person(session, name="Li Na")
    for person in (asking, asking, refused):
        request_residence(session, person, estate.name_en, public_url="https://aed.test", at=clock.now())
    foreign = make.review(session, of=device)
    conflict = Review(
        kind=ReviewKind.CONFLICT,
        source="city",
        source_id="7",
        device_id=device.id,
        attribute="maker",
        evidence={
            name: {"source": name, "source_id": "7", "value": value}
            for name, value in (("present", "Zoll"), ("offered", "Mindray"))
        },
        opened_at=datetime(2026, 9, 22, 16, 30, tzinfo=UTC),
    )
    session.add(conflict)
    elsewhere = make.report(session, make.device(session, of=make.estate(session)), FaultKind.DAMAGED)
    session.flush()
    device_id, foreign_id, conflict_id = device.id, foreign.id, conflict.id
    asked = session.scalars(select(ResidenceRequest.id).order_by(ResidenceRequest.id)).all()
    desk, report_id, elsewhere_id, asking_id = f"/desk/{estate.id}", report.id, elsewhere.id, asking.id
    resident = make.person(session)
    make.role(session, resident, Role.RESIDENT, estate=estate)
    first = {"item": f"report-{report_id}", "answer": "confirmed"}
    assert browser_of(None).post(f"{desk}/queue", data=first).status_code == 401
    assert browser_of(resident.id).post(f"{desk}/queue", data=first).status_code == 403
    browser = browser_of(manager.id)

    page = browser.get(desk).text
    assert "5 wait for you" in page
    items = re.findall(r'name="item" value="([^"]+)"', page)
    assert set(items) == {
        f"report-{report_id}",
        f"resident-{asked[0]}",
        f"resident-{asked[1]}",
        f"review-{conflict_id}",
    }
    assert "An administrator of the network decides this." in page, "the entry names no estate"
    assert '<time datetime="2026-09-23">' in page, "half past midnight in China"
    assert ("Mindray (city)" in page, "+86138" in page) == (True, False)

    for item, answer, status in (
        (f"report-{elsewhere_id}", "confirmed", 404),
        (f"review-{foreign_id}", "same", 403),
        (f"report-{report_id}", "sold", 422),
        ("nothing-1", "yes", 422),
    ):
        sent = browser.post(f"{desk}/queue", data={"item": item, "answer": answer})
        assert sent.status_code == status, item
    for item, answer in (
        (f"report-{report_id}", "confirmed"),
        (f"resident-{asked[0]}", "yes"),
        (f"resident-{asked[1]}", "no"),
        (f"review-{conflict_id}", "keep"),
    ):
        for _ in range(2):
            sent = browser.post(f"{desk}/queue", data={"item": item, "answer": answer})
            assert sent.headers["location"] == f"{desk}#queue"
    page = browser.get(desk).text
    assert ("1 waits for you" in page, "change your mind" in page) == (True, True)
    session.expire_all()
    assert session.get_one(Device, device_id).is_quarantined, "the report that it is missing was confirmed"
    held = session.scalars(select(RoleGrant.person_id).where(RoleGrant.role == Role.RESIDENT)).all()
    assert set(held) == {asking_id, resident.id}
    assert session.get_one(Review, conflict_id).decision == "keep"


def test_gates_are_added_moved_and_removed(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    gate = make.gate(session, estate, at=make.PATIENT, name_en="West gate", opening_hours="06:00-23:00")
    resident = make.person(session)
    make.role(session, resident, Role.RESIDENT, estate=estate)
    path, gate_id = f"/desk/{estate.id}/gates", gate.id
    near = f"{make.PATIENT.lat + 0.0005:.6f}, {make.PATIENT.lon:.6f}"
    new = {
        "key": "00000000-0000-4000-8000-000000000007",
        "name_zh": "东门",
        "place": near,
        "passage": "guarded",
        "hours": "07:00-22:00",
        "code": "2580#",
    }
    assert browser_of(None).post(path, data=new).status_code == 401
    assert browser_of(resident.id).post(path, data=new).status_code == 403
    browser = browser_of(manager.id)

    for change, word in (
        ({"place": "by the tree"}, "latitude and longitude"),
        ({"hours": "25:00"}, 'id="problem"'),
        ({"name_zh": "a\x00b"}, "name that can be printed"),
        ({"code": "1\x00"}, "the gate code"),
        ({"place": "10, 10"}, 'id="problem"'),
    ):
        refused = browser.post(path, data=new | change)
        assert (refused.status_code, word in refused.text) == (422, True), change
    for _ in range(2):
        assert browser.post(path, data=new).headers["location"] == path
    session.expire_all()
    added = session.scalars(select(Gate).where(Gate.estate_id == estate.id, Gate.id != gate_id)).one()
    assert (added.name_zh, added.passage, added.opening_hours) == ("东门", "guarded", "07:00-22:00")
    assert browser.get(path).text.count('value="2580#"') == 2
    version = str(session.get_one(Gate, gate_id).version)
    session.commit()

    moved = {"version": version, "name_en": "West gate", "place": near, "passage": "residents"}
    assert browser.post(f"{path}/{gate_id}", data=moved).headers["location"] == path
    stale = browser.post(f"{path}/{gate_id}", data=moved | {"passage": "open"})
    assert (stale.status_code, 'id="problem"' in stale.text) == (412, True)
    session.expire_all()
    west = session.get_one(Gate, gate_id)
    assert (west.passage, round(position_of(west.position).lat, 6)) == (
        "residents",
        float(near.partition(",")[0]),
    )
    remove = {"version": str(west.version), "do": "remove"}
    session.commit()
    for _ in range(2):
        browser.post(f"{path}/{gate_id}", data=remove)
    session.expire_all()
    assert session.get_one(Gate, gate_id).state == "withdrawn"


def test_a_manager_undoes_the_end_of_a_role(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    keeper, colleague = make.person(session), make.person(session)
    make.role(session, keeper, Role.KEEPER, estate=estate)
    make.role(session, colleague, Role.ESTATE_MANAGER, estate=estate)
    grant = session.scalars(select(RoleGrant).where(RoleGrant.person_id == keeper.id)).one()
    path, keeper_id = f"/desk/{estate.id}/people/{grant.id}", keeper.id
    browser, other = browser_of(manager.id), browser_of(colleague.id)

    assert browser.post(f"{path}/undo").status_code == 404, "it was not ended"
    browser.post(f"{path}/end")
    assert f'action="{path}/undo"' in browser.get(path.rpartition("/")[0]).text
    assert other.post(f"{path}/undo").status_code == 404, "another person ended it"
    for _ in range(2):
        assert browser.post(f"{path}/undo").status_code == 303
    held = session.scalars(
        select(RoleGrant.role).where(RoleGrant.person_id == keeper_id, RoleGrant.revoked_at.is_(None))
    )
    assert list(held) == [Role.KEEPER]


def test_a_manager_lends_a_spare_and_the_pages_say_which_one_stands_in(
    browser_of: SignIn, session: Session, estate: Estate, manager: Person
) -> None:
    out: dict[str, Any] = {"state": "out_of_service", "out_of_service_reason": "备用机，库房"}
    lobby, spare = make.device(session, of=estate, place_zh="大堂"), make.device(session, of=estate, **out)
    browser, path = browser_of(manager.id), f"/desk/{estate.id}/devices/{lobby.id}"
    loan = {"do": "lend", "loaner_id": str(spare.id), "due_back_on": "2099-12-31", "reason": "送修"}
    assert "备用机，库房" in browser.get(path).text
    assert browser_of(None).post(f"{path}/loan", data=loan).status_code == 401

    refused = browser.post(f"{path}/loan", data=loan | {"due_back_on": "", "reason": "主板坏了"})
    assert refused.status_code == 422
    assert re.search(r'id="loan-problem">[^<]+<', refused.text)
    assert 'value="主板坏了"' in refused.text
    assert browser.post(f"{path}/loan", data=loan).status_code == 303
    assert browser.post(f"{path}/loan", data=loan).status_code == 409
    code, spare_code = short_number(lobby.id), short_number(spare.id)
    assert spare_code in browser.get(path).text
    listed = browser.get(f"/desk/{estate.id}", params={"lang": "zh-CN"}).text
    assert f"已外送，由AED {spare_code}顶替" in listed
    assert f"顶替AED {code}" in listed
    stranger = browser_of(None)
    assert f'href="/d/{spare_code}"' in stranger.get(f"/d/{code}").text
    in_chinese = stranger.get(f"/d/{code}", params={"lang": "zh-CN"}).text
    assert "外送中，备用机顶替" in in_chinese
    assert "a loaner stands in" not in in_chinese
    assert code in stranger.get(f"/d/{spare_code}").text

    extended = {"do": "extend", "version": "1", "due_back_on": "2099-11-30"}
    assert browser.post(f"{path}/loan", data=extended).status_code == 303
    assert browser.post(f"{path}/loan", data={"do": "return", "version": "1"}).status_code == 412
    assert browser.post(f"{path}/loan", data={"do": "return", "version": "2"}).status_code == 303
    session.rollback()
    assert session.scalars(select(Device.place_zh).where(Device.id == spare.id)).one() is None
    assert 'id="loan"' not in stranger.get(f"/d/{code}").text
