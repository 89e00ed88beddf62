"""Service goes to a volunteer platform once, whatever the platform does; what it rejects is mended."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from aed.accounts.permissions import Role, Viewer
from aed.database.session import Database
from aed.errors import Conflict, NotAllowed
from aed.notifications.channels.posting import Post
from aed.notifications.endpoints import EndpointInput, new_secret, save_endpoint
from aed.notifications.rules import Channel
from aed.registry.estates.models import Estate
from aed.volunteering.models import PlatformBatch, PlatformRow, ServiceRecord
from aed.volunteering.platforms import actions
from aed.volunteering.platforms.adapters import HttpAdapter
from aed.volunteering.platforms.jobs import send_batch, send_batches, write_batches
from aed.volunteering.platforms.mapping import COLUMNS, csv_of, xlsx_of
from aed.volunteering.platforms.schemas import BatchIn, HoursIn, RowAnswer
from aed.volunteering.records import actions as record_actions
from aed.volunteering.rules import BatchState, RowState, ServiceState, VolunteerPlatform
from tests import make
from tests.make import ADMINISTRATOR, NOW

LATER = NOW + timedelta(hours=1)


class Platform:
    """A server of a platform: it refuses, answers too late or twice, as `behaviour` says."""

    def __init__(self) -> None:
        self.behaviour: list[str] = []
        self.rejects: set[str] = set()
        self.received: dict[str, list[dict[str, str]]] = {}
        self.secret = new_secret()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                at = datetime.fromtimestamp(int(self.headers["webhook-timestamp"]), UTC)
                key = self.headers["webhook-id"]
                expected = Webhook(platform.secret).sign(msg_id=key, timestamp=at, data=body.decode())
                assert self.headers["webhook-signature"] == expected
                status, answer = platform.answer(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hours"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, given: dict[str, Any]) -> tuple[int, bytes]:
        how = self.behaviour.pop(0) if self.behaviour else "takes"
        if how == "refuses":
            return 503, b""
        rows = self.received.setdefault(given["reference"], given["rows"])  # once by its reference
        if how == "loses its answer":
            return 504, b""
        answers = [
            {"number": each["number"], "accepted": each["name"] not in self.rejects, "reason": "姓名不符"}
            for each in rows
        ]
        if how == "doubles":
            answers += answers
        return 200, json.dumps({"rows": answers}).encode()


@pytest.fixture
def platform() -> Iterator[Platform]:
    made = Platform()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def estate(session: Session) -> Estate:
    made = make.estate(session)
    make.service_issuer(session, made)
    return made


def confirmed(session: Session, estate: Estate, number: str, **given: Any) -> tuple[Viewer, ServiceRecord]:
    """Add a volunteer with that number and a confirmed hour."""
    who = make.volunteer(session, estate, number=number)
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    record = make.service(session, who, estate, **given)
    return who, record_actions.confirm_record(session, manager, record.id, rating=None, at=NOW)


def states(session: Session, batch_id: int) -> list[RowState]:
    session.expire_all()
    rows = select(PlatformRow).where(PlatformRow.batch_id == batch_id).order_by(PlatformRow.record_id)
    return [each.state for each in session.scalars(rows)]


def test_a_batch_is_prepared_once_by_its_reference_and_by_managers_only(
    session: Session, estate: Estate
) -> None:
    who, _ = confirmed(session, estate, "3301")
    first = make.service_batch(session, estate, reference="2026-09")

    assert make.service_batch(session, estate, reference="2026-09").id == first.id
    with pytest.raises(Conflict):
        make.service_batch(session, estate, reference="2026-09", from_on="2026-02-01")
    with pytest.raises(Conflict):
        make.service_batch(session, estate, reference="2026-10")
    new = BatchIn(
        platform=VolunteerPlatform.ZHIYUANHUI,
        reference="x",
        estate_id=estate.id,
        from_on=NOW.date(),
        until_on=NOW.date(),
    )
    with pytest.raises(NotAllowed):
        actions.prepare_batch(session, who, new, at=NOW)


def test_the_files_have_the_columns_of_each_platform_and_execute_no_formula(
    session: Session, estate: Estate
) -> None:
    confirmed(session, estate, "3301", activity="=1+1")
    rows = actions.submission_of(session, make.service_batch(session, estate)).rows

    for platform, columns in COLUMNS.items():
        lines = csv_of(platform, rows).decode("utf-8-sig").splitlines()
        assert lines[0] == ",".join(columns.values())
        assert "'=1+1" in lines[1]
        sheet = openpyxl.load_workbook(BytesIO(xlsx_of(platform, rows))).active
        assert sheet is not None
        assert [cell.value for cell in sheet[1]] == list(columns.values())
    assert rows[0].hours == "1.00"


@pytest.mark.parametrize("trouble", ["refuses", "loses its answer"])
def test_a_batch_is_sent_again_after_trouble_and_counts_once(
    session: Session, database: Database, estate: Estate, platform: Platform, trouble: str
) -> None:
    confirmed(session, estate, "3301")
    endpoint = EndpointInput("zhiyuanhui", Channel.WEBHOOK, platform.url, platform.secret)
    save_endpoint(session, ADMINISTRATOR, endpoint, at=NOW, is_private_allowed=True)
    batch = make.service_batch(session, estate, endpoint="zhiyuanhui")
    session.commit()
    platform.behaviour = [trouble]

    assert send_batches(database, NOW, is_private_allowed=True) == 0
    assert states(session, batch.id) == [RowState.WAITING]
    assert session.get_one(PlatformBatch, batch.id).failure
    session.rollback()
    assert send_batches(database, LATER, is_private_allowed=True) == 1
    assert send_batches(database, LATER, is_private_allowed=True) == 0

    assert states(session, batch.id) == [RowState.ACCEPTED]
    found = session.get_one(PlatformBatch, batch.id)
    assert (found.state, found.failure, found.attempts) == (BatchState.ANSWERED, None, 2)
    assert list(platform.received) == [batch.reference]


def test_a_doubled_answer_counts_once_and_three_rejected_rows_are_mended(
    session: Session, database: Database, estate: Estate, platform: Platform
) -> None:
    people = [confirmed(session, estate, f"33{number}") for number in range(4)]
    names = [record.person.name for _, record in people]
    platform.rejects = set(names[1:])
    platform.behaviour = ["doubles"]
    first = make.service_batch(session, estate)
    session.commit()
    adapter = HttpAdapter(platform.url, platform.secret, Post(is_private_allowed=True))

    assert send_batch(database, first.id, adapter, NOW)
    assert states(session, first.id) == [RowState.ACCEPTED, *[RowState.REJECTED] * 3]
    session.rollback()
    platform.rejects = set()
    second = make.service_batch(session, estate)
    session.commit()
    assert send_batch(database, second.id, adapter, LATER)

    assert states(session, second.id) == [RowState.ACCEPTED] * 3
    with pytest.raises(Conflict):
        make.service_batch(session, estate)


def test_a_folder_gets_the_file_and_a_person_brings_the_answer(
    session: Session, database: Database, estate: Estate, tmp_path: Path
) -> None:
    _, record = confirmed(session, estate, "3301")
    batch = make.service_batch(session, estate)
    session.commit()

    for _ in range(2):
        assert write_batches(database, tmp_path / "out", NOW) == [batch.reference]
    (file,) = (tmp_path / "out").iterdir()
    assert record.number in file.read_text("utf-8-sig")
    answer = [RowAnswer(number=record.number, accepted=True)]
    found = actions.answer_batch(session, ADMINISTRATOR, batch.id, answer, at=LATER)
    assert found.state is BatchState.ANSWERED


def test_imported_hours_are_recorded_once_and_rejected_rows_come_back(
    session: Session, estate: Estate
) -> None:
    li = make.volunteer(session, estate, number="3301")
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    lines = [
        "记录编号,志愿者编号,活动名称,开始时间,结束时间",
        "Z1,3301,社区清扫,2026-09-01 09:00,2026-09-01 10:30",
        "Z2,9999,社区清扫,2026-09-01 09:00,2026-09-01 10:30",
        "Z3,3301,社区清扫,2026-09-01 10:00,2026-09-01 11:00",
        "Z4,3301,社区清扫,yesterday,2026-09-01 11:00",
    ]
    new = HoursIn(platform="zhiyuanhui", estate_id=estate.id, content="\n".join(lines))

    done = actions.import_hours(session, manager, new, at=NOW)
    again = actions.import_hours(session, manager, new, at=NOW)

    assert (done.recorded, [each.number for each in done.rejected]) == (1, ["Z2", "Z3", "Z4"])
    assert (again.recorded, again.known) == (0, 1)
    record = session.scalars(select(ServiceRecord)).one()
    assert (record.person_id, record.minutes, record.state) == (li.person_id, 90, ServiceState.PENDING)
    with pytest.raises(NotAllowed):
        record_actions.confirm_record(session, manager, record.id, rating=None, at=NOW)
