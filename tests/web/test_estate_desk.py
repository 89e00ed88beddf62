"""The estate's desk: who gets it, its rows and filters, a device's form, conflicts, and its people."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Account, Person
from aed.accounts.permissions import Role
from aed.accounts.role_grants import RoleGrant
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.upkeep.faults.actions import report_device
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.rules import FaultKind, short_number
from aed.upkeep.signals.actions import NewSignal, receive_signal
from aed.upkeep.signals.rules import ReadingKind, Readings
from aed.web.estate_desk.page import amendment_of, changed_in, hours_in
from tests import make
from tests.make import ADMINISTRATOR
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
    entry = re.search(r'<option value="(\w+)" selected', page)
    assert entry is not None
    return inputs | chosen | {"entry": entry[1], "do": "save"}


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
    summary = re.search(r'id="summary">([^<]+)<', page)
    assert summary is not None
    assert "1 of 3 AEDs not ready, 1 expires within 7 days" in summary[1]
    assert "1 report waits for you" in summary[1]
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
