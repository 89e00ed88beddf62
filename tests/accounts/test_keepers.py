"""A keeper whose number came with a list: a code opens their account, and they may check their devices."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Account, Person, PersonChange
from aed.accounts.permissions import Role
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.upkeep.models import Check
from tests import make
from tests.accounts.conftest import Browser, codes_sent

PHONE = "+8613800138222"
type Browsers = Callable[[], Browser]


@dataclass(frozen=True)
class Kept:
    id: int
    keeper_id: int
    estate_id: int


def kept(session: Session, *, name: str = "Chen", phone: str = "138 0013 8222") -> Kept:
    """Register a device of a closed estate, with a keeper as lists write them."""
    keeper = {"name": name, "phone": phone}
    device = make.device(session, of=make.estate(session), audience="estate", keeper=keeper)
    assert device.keeper_id is not None
    assert device.estate_id is not None
    made = Kept(device.id, device.keeper_id, device.estate_id)
    session.commit()
    return made


def send_check(browser: Browser, device_id: int, **given: Any) -> Any:
    answers = {
        "status_light": True,
        "pads_in_date": True,
        "battery_in_date": True,
        "access_as_described": True,
    }
    body = {"key": str(uuid.uuid4()), "answers": answers} | given
    return browser.client.post(f"/v1/devices/{device_id}/checks", json=body, headers=browser.csrf)


def accounts(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Account)) or 0


@pytest.mark.parametrize("written", ["138 0013 8222", "13800138222", "+86 138-0013-8222", "008613800138222"])
def test_a_keeper_with_an_imported_number_can_check_a_device_at_once(
    session: Session, browser: Browsers, written: str
) -> None:
    device = kept(session, phone=written)
    own = browser()

    own.ask_for_code("138 0013 8222")
    assert accounts(session) == 0, "requesting a code creates no account"
    (code,) = codes_sent(session)
    signed_in = own.sign_in("138 0013 8222", code=code)
    answer = send_check(own, device.id)

    assert signed_in.status_code == 200, signed_in.text
    assert (answer.status_code, answer.json()["check"]["is_passed"]) == (200, True), answer.text
    assert session.scalars(select(Check.by_id)).one() == device.keeper_id
    assert session.get_one(Account, device.keeper_id).phone == PHONE
    change = session.scalars(select(PersonChange).where(PersonChange.person_id == device.keeper_id)).one()
    assert change.who == f"person:{device.keeper_id}"
    assert PHONE not in str(change.fields)
    assert own.me()["roles"] == []


def test_a_number_in_a_list_proves_nothing_without_the_code(session: Session, browser: Browsers) -> None:
    device = kept(session)
    stranger = browser()
    stranger.ask_for_code("138 0013 8222")
    (code,) = codes_sent(session)

    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    assert stranger.sign_in("138 0013 8222", code=wrong).status_code == 401
    assert stranger.sign_in("138 0013 8222", password="four words are enough").status_code == 401
    assert send_check(stranger, device.id).status_code == 404

    assert accounts(session) == 0


def test_a_number_of_no_keeper_gets_no_code(session: Session, browser: Browsers) -> None:
    device = kept(session)
    session.add(Person(name="Nobody's keeper", phone="138 0013 8333", language="zh"))
    session.commit()
    stranger = browser()

    known, unknown = stranger.ask_for_code("138 0013 8222"), stranger.ask_for_code("138 0013 8333")

    assert (known.status_code, known.text) == (unknown.status_code, unknown.text)
    assert len(codes_sent(session)) == 1
    assert session.scalars(select(OutboxMessage.person_id)).all() == [device.keeper_id]


def test_a_keeper_checks_only_the_devices_with_their_number(session: Session, browser: Browsers) -> None:
    """Also when lists write the keeper in two ways; the first entry becomes the account."""
    first = kept(session)
    second = kept(session, name="Chen of the office", phone="+86 13800138222")
    anothers = kept(session, name="Lin", phone="138 0013 8444")
    estate = session.get_one(Estate, first.estate_id)
    neighbour = make.device(session, of=estate, audience="estate").id
    public = make.device(session).id
    session.commit()
    own = browser()
    own.ask_for_code(PHONE)
    own.sign_in(PHONE, code=codes_sent(session)[0])

    assert send_check(own, first.id).status_code == 200
    assert send_check(own, second.id, kind="service").status_code == 200
    assert send_check(own, anothers.id).status_code == 404
    assert send_check(own, neighbour).status_code == 404
    assert send_check(own, public).status_code == 403
    assert own.client.get(f"/v1/devices/{neighbour}").status_code == 404
    assert accounts(session) == 1


def test_a_code_does_not_open_the_account_of_a_keeper_with_a_role(
    session: Session, browser: Browsers
) -> None:
    """It would give more than the right to check: an administrator opens such an account."""
    device = kept(session)
    estate = session.get_one(Estate, device.estate_id)
    make.role(session, session.get_one(Person, device.keeper_id), Role.ESTATE_MANAGER, estate=estate)
    session.commit()
    own = browser()

    own.ask_for_code(PHONE)

    assert codes_sent(session) == []
    assert accounts(session) == 0


def test_an_account_checks_the_devices_with_its_number(session: Session, browser: Browsers) -> None:
    device = kept(session)
    person_id = make.person(session, name="Chen Wei", phone=PHONE).id
    session.commit()
    own = browser()
    own.ask_for_code(PHONE)
    own.sign_in(PHONE, code=codes_sent(session)[0])

    assert send_check(own, device.id).status_code == 200
    assert own.me()["person_id"] == person_id
    session.rollback()
    session.get_one(Device, device.id).keeper_id = None
    session.commit()
    assert send_check(own, device.id).status_code == 404, "the number is no longer in the register"
