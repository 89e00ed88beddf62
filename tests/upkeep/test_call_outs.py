"""Retrievals are followed up and answered with a tap; a device without an answer is quarantined."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.free_text import SMS_CHARACTERS
from aed.accounts.permissions import ANYONE, Role, Viewer
from aed.database.session import Database
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.settings.upkeep import Returns
from aed.upkeep.confirmations.actions import answer_request
from aed.upkeep.faults.queries import active_quarantines
from aed.upkeep.jobs import follow_up_retrievals
from aed.upkeep.models import Retrieval
from aed.upkeep.retrievals.actions import close_retrieval, create_retrieval
from aed.upkeep.retrievals.schemas import RetrievalIn
from aed.upkeep.rules import QuarantineReason, RetrievalOutcome
from tests import make
from tests.make import ADMINISTRATOR, NOW

HOUR = timedelta(hours=1)
URL = "https://aed.example.org"


def asked(session: Session, database: Database, *, hours: float) -> tuple[int, int]:
    session.commit()
    found = follow_up_retrievals(database, NOW + hours * HOUR, numbers=Returns(), public_url=URL)
    session.expire_all()
    return found


def reason(session: Session, device: Device) -> list[QuarantineReason]:
    return [each.reason for each in active_quarantines(session, device.id)]


def letters(session: Session) -> list[tuple[int | None, str]]:
    rows = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
    return [(each.person_id, f"{each.text_zh} {each.text_en}") for each in rows]


def test_unanswered_retrievals_are_asked_about_and_then_quarantine_the_device(
    session: Session, database: Database
) -> None:
    sent = make.person(session)
    device = make.device(
        session, of=make.estate(session), keeper={"name": "Chen", "phone": "+86 138 0013 8222"}
    )
    make.retrieval(session, device, person_id=sent.id)

    assert asked(session, database, hours=0.2) == (0, 0)
    assert asked(session, database, hours=0.25) == (1, 0)
    assert asked(session, database, hours=0.25) == (0, 0), "run twice, it asks once"
    messages = letters(session)
    assert {person for person, _ in messages} == {sent.id, device.keeper_id}
    assert "：10:00曾派人取用" in messages[0][1], "in the device's own time zone"
    assert asked(session, database, hours=1) == (1, 0)
    assert asked(session, database, hours=1.9) == (1, 0)
    assert reason(session, device) == []
    assert asked(session, database, hours=2) == (0, 1)

    retrieval = session.scalars(select(Retrieval)).one()
    assert (retrieval.outcome, retrieval.asked, retrieval.ask_at) == (RetrievalOutcome.SILENT, 3, None)
    assert reason(session, device) == [QuarantineReason.NOT_RETURNED]
    assert asked(session, database, hours=48) == (0, 0)
    make.check(session, device, at=NOW + 49 * HOUR)
    assert reason(session, device) == [], "a passed check ends the quarantine"


def test_silence_counts_from_the_end_of_the_call_where_that_is_known(
    session: Session, database: Database
) -> None:
    device = make.device(session)
    given = RetrievalIn(key=uuid.uuid4(), device_id=device.id)
    create_retrieval(session, ADMINISTRATOR, given, numbers=Returns(), at=NOW, over_at=NOW + HOUR)

    assert asked(session, database, hours=1.2) == (0, 0)
    assert asked(session, database, hours=2.9) == (1, 0)
    assert asked(session, database, hours=3) == (0, 1)
    assert reason(session, device) == [QuarantineReason.NOT_RETURNED]


@pytest.mark.parametrize(
    ("outcome", "reasons"),
    [
        (RetrievalOutcome.RETURNED, []),
        (RetrievalOutcome.USED, [QuarantineReason.USED]),
        (RetrievalOutcome.NOT_RETURNED, [QuarantineReason.NOT_RETURNED]),
        (RetrievalOutcome.NOT_NEEDED, []),
    ],
)
def test_the_person_sent_answers_with_a_tap(
    session: Session, database: Database, outcome: RetrievalOutcome, reasons: list[QuarantineReason]
) -> None:
    sent = make.person(session)
    device = make.device(session)
    make.retrieval(session, device, person_id=sent.id)
    asked(session, database, hours=0.5)
    key = make.key_behind(session, letters(session)[0][1])
    assert all(len(each.text_zh or "") <= SMS_CHARACTERS for each in session.scalars(select(OutboxMessage)))

    with pytest.raises(NotFound):
        answer_request(session, ANYONE, "ask_made_up", outcome, None, at=NOW + 3 * HOUR)
    with pytest.raises(InvalidInput, match="answer must be one of returned"):
        answer_request(session, ANYONE, key, "yes", None, at=NOW + 3 * HOUR)
    answer_request(session, ANYONE, key, outcome, None, at=NOW + 3 * HOUR)
    again = answer_request(session, ANYONE, key, outcome, None, at=NOW + 3 * HOUR)

    assert again.answer == outcome
    assert reason(session, device) == reasons
    assert session.scalars(select(Retrieval.closed_by)).one() == f"person:{sent.id}"
    assert asked(session, database, hours=30) == (0, 0)
    with pytest.raises(Conflict, match="already been answered"):
        answer_request(session, ANYONE, key, RetrievalOutcome.NOT_FETCHED, None, at=NOW + 4 * HOUR)


def test_two_failed_retrievals_quarantine_the_device(session: Session) -> None:
    device = make.device(session)
    for _ in range(2):
        assert reason(session, device) == []
        retrieval = make.retrieval(session, device)
        close_retrieval(session, ADMINISTRATOR, retrieval.id, RetrievalOutcome.NOT_FETCHED, "locked", at=NOW)
    assert reason(session, device) == [QuarantineReason.FAILED_FETCHES]


def test_a_later_check_closes_the_retrieval(session: Session, database: Database) -> None:
    device = make.device(session)
    before = make.retrieval(session, device)
    after = make.retrieval(session, device, at=NOW + 2 * HOUR, sent_at=(NOW + 2 * HOUR).isoformat())

    make.check(session, device, at=NOW + HOUR, was_used=True)

    assert (before.outcome, after.outcome) == (RetrievalOutcome.CHECKED, None)
    assert reason(session, device) == [QuarantineReason.USED]
    with pytest.raises(Conflict, match="已巡检"):
        close_retrieval(session, ADMINISTRATOR, before.id, RetrievalOutcome.RETURNED, None, at=NOW)


def test_who_may_report_a_retrieval(session: Session) -> None:
    home = make.estate(session)
    device = make.device(session, of=home)
    given = RetrievalIn(key=uuid.uuid4(), device_id=device.id)

    def tell(who: Viewer, new: RetrievalIn = given) -> Retrieval:
        return create_retrieval(session, who, new, numbers=Returns(), at=NOW)

    with pytest.raises(NotSignedIn):
        tell(ANYONE)
    with pytest.raises(NotAllowed):
        tell(make.person_with_role(session, Role.RESIDENT, estate=make.estate(session)))
    first = tell(make.person_with_role(session, Role.DISPATCHER, region=make.region(session)))
    assert tell(make.person_with_role(session, Role.RESIDENT, estate=home)).id == first.id, (
        "a repeated report is stored once"
    )
    other = make.device(session, of=home)
    with pytest.raises(Conflict, match="with a new key"):
        tell(ADMINISTRATOR, RetrievalIn(key=given.key, device_id=other.id))
    with pytest.raises(InvalidInput, match="last 60 days"):
        tell(ADMINISTRATOR, RetrievalIn(key=uuid.uuid4(), device_id=other.id, sent_at=NOW - 1500 * HOUR))
