"""Print the files and frames of five requests: `python -m tests.figures` runs this file.

Each request is sent once before it is measured, where that changes nothing, so that caches are filled.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.notifications.models import OutboxMessage
from aed.responders.models import Certificate
from tests import make
from tests.figures.call_paths import recorded
from tests.imports.lists import text_of
from tests.make import PATIENT
from tests.registry.conftest import Desk, desk_of, nobody, office

__all__ = ["desk_of", "nobody", "office"]


def measured(what: str, desk: Desk, method: str, path: str, **given: Any) -> Any:
    with recorded() as recorder:
        answer = desk.client.request(method, path, headers=desk.headers | given.pop("headers", {}), **given)
    assert answer.status_code < 300, answer.text
    sys.stdout.write(f"\nway: {what}: {recorder.figures()}\n")
    return answer


def test_a_device_read(session: Session, office: Desk) -> None:
    path = f"/v1/devices/{make.device(session).id}"
    session.commit()
    office.get(path)
    measured("a device read", office, "GET", path)


def test_a_check_that_fails_to_its_message(session: Session, office: Desk) -> None:
    keeper = make.person(session)
    device = make.device(session, of=make.estate(session))
    device.keeper_id = keeper.id
    session.commit()
    sent = {"key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a11", "answers": {"status_light": False}}
    measured(
        "a check that fails to its message", office, "POST", f"/v1/devices/{device.id}/checks", json=sent
    )
    assert session.scalar(select(func.count()).select_from(OutboxMessage))


def test_an_imported_row(session: Session, office: Desk) -> None:
    row = {
        "source": "town",
        "source_id": "1",
        "region": "CN-33",
        "lat": 30.29,
        "lon": 120.1,
        "place_en": "Lobby",
    }
    measured(
        "an imported row",
        office,
        "POST",
        "/v1/imports/devices",
        content=text_of([row]).encode(),
        headers={"Content-Type": "text/csv"},
    )


def test_a_roster_row_to_its_certificate(session: Session, office: Desk) -> None:
    begins = datetime.now(UTC) - timedelta(hours=5)
    course = make.course(session, "FIRST-AID")
    training = make.training(session, course, estate=make.estate(session), starts_at=begins)
    enrolment = make.enrolment(session, training, "王小明", at=begins - timedelta(days=9))
    session.commit()
    sheet = f"enrolment,name,attendance,result\n{enrolment.id},王小明,到,通过\n"
    path = f"/v1/sessions/{training.id}/roster"
    measured("a roster row to its certificate", office, "POST", path, content=sheet.encode())
    assert session.scalar(select(func.count()).select_from(Certificate)) == 1


def test_a_lookup(session: Session, nobody: Desk) -> None:
    make.device(session)
    session.commit()
    path = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"
    nobody.client.get(path)
    measured("a lookup", nobody, "GET", path)
