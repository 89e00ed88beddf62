"""A recall finds and quarantines every affected device, notifies its keepers and tracks progress."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE
from aed.errors import Conflict, NotAllowed, NotSignedIn
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import ConsumableKind
from aed.upkeep.jobs import apply_recalls
from aed.upkeep.models import Quarantine, Recall
from aed.upkeep.recalls.actions import announce_recall, apply_open_recalls, close_recall
from aed.upkeep.recalls.queries import Progress, preview, progress, recalled_devices
from aed.upkeep.recalls.schemas import RecallIn
from aed.upkeep.rules import in_range, serial_key
from tests import make
from tests.cases import each_case
from tests.make import ADMINISTRATOR, NOW

LATER = NOW + timedelta(days=1)


def quarantined(session: Session) -> list[int]:
    return list(session.scalars(select(Device.id).where(Device.is_quarantined).order_by(Device.id)))


def test_every_device_of_the_model_and_range_is_taken_out_and_no_other(session: Session) -> None:
    def made(maker: str | None, model: str | None, serial: str | None) -> int:
        return make.device(session, maker=maker, model=model, serial=serial).id

    meant = [made("Heartline", "H1", "H1-20000"), made("HEARTLINE", "h1", "h1 20999")]
    others = [
        made("Heartline", "H1", "H1-21000"),
        made("Heartline", "H1", "X20500"),
        made("Heartline", "H2", "H1-20500"),
        made("Otherline", "H1", "H1-20500"),
        made(None, None, "H1-20500"),
    ]
    unknown = made("Heartline", "H1", None)

    recall = make.recall(session, model="H1", serial_from="H1-20000", serial_to="H1-20999")

    assert quarantined(session) == meant
    assert not {*others, unknown} & set(quarantined(session))
    assert progress(session, ADMINISTRATOR, recall) == Progress(found=2, dealt_with=0, without_serial=1)


def test_a_dry_run_names_the_devices_by_serial_and_lot_and_changes_nothing(session: Session) -> None:
    meant = make.device(session, maker="Heartline", model="H1", serial="H1-20500")
    other = make.device(session, maker="Heartline", model="H1", serial="H1-20501")
    unknown = make.device(session, maker="Heartline", model="H1")
    for device, lot in ((meant, "p-7"), (other, "P-8"), (unknown, "P-7")):
        session.add(
            Consumable(device_id=device.id, kind=ConsumableKind.PADS, lot=lot, expires_on=date(2029, 1, 1))
        )
    session.flush()
    fields: dict[str, Any] = {
        "maker": "heartline",
        "serial_from": "H1-20000",
        "serial_to": "H1-20999",
        "lots": ["P-7"],
    }
    texts = {"reference": "HL-P7", "text_en": "Replace", "text_zh": "更换", "announced_on": "2026-09-20"}
    new = Recall(**RecallIn.model_validate(fields | texts).model_dump())

    for who, error in ((ANYONE, NotSignedIn), (make.member(make.estate(session)), NotAllowed)):
        with pytest.raises(error):
            preview(session, who, new)
    found = preview(session, ADMINISTRATOR, new)

    assert [each.device_id for each in found.devices] == [meant.id]
    assert (found.found, found.without_serial) == (1, 1)
    assert quarantined(session) == []
    assert session.scalars(select(Recall)).all() == []
    recall = make.recall(session, **fields)
    assert quarantined(session) == [meant.id]
    assert recall.lots == ["P-7"]


def test_a_product_is_found_by_its_numbers_however_its_maker_is_written(session: Session) -> None:
    def made(maker: str, udi_di: str | None = None, **given: Any) -> int:
        return make.device(session, maker=maker, udi_di=udi_di, **given).id

    udi_di, other = "06901234567892", "MA.156.M0.100000"
    meant = [made("Heartline", udi_di), made("心线", udi_di)]
    lacking = made("HEARTLINE", None)
    others = [made("Heartline", other), made("心线", None)]

    recall = make.recall(session, udi_di="(01)06901234567892")

    assert quarantined(session) == meant
    assert not {lacking, *others} & set(meant)
    assert progress(session, ADMINISTRATOR, recall) == Progress(found=2, dealt_with=0, without_serial=1)
    by_both = make.recall(session, udi_di=other, registration_number="国械注准20213080123")
    assert progress(session, ADMINISTRATOR, by_both).found == 0, "it has no registration number"


def test_a_device_that_is_registered_later_falls_under_it_until_it_is_closed(session: Session) -> None:
    recall = make.recall(session)
    first = make.device(session, maker="Heartline")
    assert apply_open_recalls(session, ADMINISTRATOR, at=LATER) == 1
    assert apply_open_recalls(session, ADMINISTRATOR, at=LATER) == 0

    close_recall(session, ADMINISTRATOR, recall.id, version=recall.version, at=LATER)
    make.device(session, maker="Heartline")

    assert apply_open_recalls(session, ADMINISTRATOR, at=LATER) == 0
    assert quarantined(session) == [first.id]
    with pytest.raises(Conflict, match="already closed"):
        close_recall(session, ADMINISTRATOR, recall.id, version=recall.version, at=LATER)


def test_a_device_that_was_dealt_with_does_not_fall_under_it_again(session: Session) -> None:
    device = make.device(session, maker="Heartline")
    recall = make.recall(session)

    make.check(session, device, at=LATER, recall_is_done=True)

    assert apply_open_recalls(session, ADMINISTRATOR, at=LATER) == 0
    assert quarantined(session) == []
    assert progress(session, ADMINISTRATOR, recall) == Progress(found=1, dealt_with=1, without_serial=0)
    (followed,) = recalled_devices(session, ADMINISTRATOR, recall, limit=10)
    assert (followed.device_id, followed.lifted_at) == (device.id, LATER)


def test_a_device_may_be_under_two_recalls_and_one_check_answers_both(session: Session) -> None:
    device = make.device(session, maker="Heartline")
    make.recall(session)
    make.recall(session)
    assert len(session.scalars(select(Quarantine)).all()) == 2

    make.check(session, device, at=LATER, recall_is_done=True)

    assert quarantined(session) == []


def test_each_keeper_gets_one_message_however_many_devices_it_means(session: Session) -> None:
    for number in range(5):
        phone = "+86 138 0013 8222" if number < 4 else "+86 138 0013 8333"
        make.device(session, maker="Heartline", keeper={"name": f"Keeper {phone}", "phone": phone})
    make.device(session, maker="Heartline", keeper={"name": "No number"})

    make.recall(session, reference="HL-7")

    sent = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
    assert len(sent) == 2
    assert "and 1 more: recalled by the maker (HL-7)" in (sent[0].text_en or "")
    assert "等4台：厂家召回（HL-7）" in (sent[0].text_zh or "")


def test_a_stranger_sees_how_far_a_recall_is_among_public_devices_alone(session: Session) -> None:
    home = make.estate(session)
    make.device(session, of=home, maker="Heartline", audience="estate")
    make.device(session, maker="Heartline")
    recall = make.recall(session)

    assert progress(session, ANYONE, recall).found == 1
    assert recalled_devices(session, ANYONE, recall, limit=10) == []
    assert len(recalled_devices(session, make.member(home), recall, limit=10)) == 1
    new = RecallIn.model_validate(
        {"maker": "x", "reference": "y", "text_en": "z", "text_zh": "z", "announced_on": "2026-09-01"}
    )
    with pytest.raises(NotSignedIn):
        announce_recall(session, ANYONE, new, at=NOW)
    with pytest.raises(NotAllowed):
        announce_recall(session, make.member(home, writes=True), new, at=NOW)


def test_the_same_recall_is_entered_once(session: Session) -> None:
    make.recall(session, reference="HL-7")
    with pytest.raises(Conflict, match="already registered"):
        make.recall(session, reference="HL-7")


@each_case(
    ("given_", "message"),
    [
        ({"serial_from": "1"}, "both"),
        ({"serial_from": "A2", "serial_to": "A1"}, "same form as"),
        ({"serial_from": "A1", "serial_to": "2"}, "same form as"),
    ],
)
def test_an_invalid_serial_range_is_refused(session: Session, given_: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make.recall(session, **given_)


def test_serial_numbers_are_compared_as_makers_count() -> None:
    assert in_range("B-9", "b1", "b10")
    assert in_range("0042", "1", "100")
    assert not in_range("X1200", "1000", "2000")
    assert not in_range("B11", "B1", "B10")


serials = some.from_regex(r"[A-Za-z]{0,3}[- ]?[0-9]{1,6}([A-Za-z][0-9]{1,3})?", fullmatch=True)


@given(serials, serials, serials)
def test_a_serial_range_includes_its_ends_and_nothing_beyond(one: str, two: str, three: str) -> None:
    if in_range(one, one, three):
        assert in_range(three, one, three)
        if in_range(two, one, three):
            assert serial_key(one) <= serial_key(two) <= serial_key(three)
    assert in_range(one, one, one)


def test_the_timetable_applies_open_recalls_and_forgets_addresses(session: Session, database: Any) -> None:
    session.add(
        Recall(
            maker="Heartline", reference="r", text_en="x", text_zh="x", announced_on=NOW.date(), state="open"
        )
    )
    device = make.device(session, maker="Heartline")
    session.commit()

    assert apply_recalls(database, LATER) == 1

    session.expire_all()
    assert session.get_one(Device, device.id).is_quarantined
