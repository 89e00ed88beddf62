"""Merging two devices at a person's request, without a review."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from aed.imports.devices import reviews
from aed.imports.devices.actions import import_devices
from aed.imports.devices.decisions import decide, merge_two_devices
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Decision, ReviewKind, Thresholds
from aed.registry.changes import changes_of
from aed.registry.devices.actions import withdraw_device
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from tests import make
from tests.imports.lists import DEVICE, counts, table
from tests.make import ADMINISTRATOR, ANYONE, NOW, PATIENT, north_of

FAR = {"lat": north_of(PATIENT, metres=300).lat}
"""Too far apart for a review."""
OURS = DEVICE | {"source": "ours", "place_zh": "图书馆"}
THEIRS = DEVICE | FAR | {"source": "theirs", "source_id": "a", "maker": "Mindray"}


def take(session: Session, folder: Path, *rows: dict[str, Any]) -> DeviceReport:
    make.region(session)
    report = import_devices(session, ADMINISTRATOR, table(folder, *rows), at=NOW)
    session.commit()
    return report


def devices(session: Session) -> list[Device]:
    session.expire_all()
    return list(session.scalars(select(Device).order_by(Device.id)))


def join(session: Session, kept_id: int, other_id: int) -> None:
    merge_two_devices(session, ADMINISTRATOR, kept_id, other_id, at=NOW)
    session.commit()


def test_merging_withdraws_the_duplicate_and_moves_its_list_entries_to_the_kept_device(
    session: Session, tmp_path: Path
) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, THEIRS)

    join(session, 1, 2)

    kept, other = devices(session)
    assert (kept.state, kept.maker, other.state) == (DeviceState.IN_SERVICE, "Mindray", DeviceState.WITHDRAWN)
    newest, before = changes_of(session, subject="devices", subject_id="2")[:2]
    assert newest.fields == {"same_device_as": [None, 1]}
    assert before.fields["state"] == ["in_service", "withdrawn"]


def test_a_merge_is_kept_when_the_lists_are_imported_again(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, THEIRS)
    join(session, 1, 2)

    assert counts(take(session, tmp_path, THEIRS)) == (0, 0, 1, 0)
    assert counts(take(session, tmp_path, THEIRS | {"model": "C1"})) == (0, 1, 0, 0)
    kept, other = devices(session)
    assert (kept.model, other.model, other.state) == ("C1", None, DeviceState.WITHDRAWN)


def test_two_rows_of_one_list_can_be_merged(session: Session, tmp_path: Path) -> None:
    rows = [OURS, OURS | FAR | {"source_id": "2", "maker": "Mindray"}]
    take(session, tmp_path, *rows)

    join(session, 1, 2)

    assert counts(take(session, tmp_path, *rows)) == (0, 0, 2, 0)
    assert take(session, tmp_path, rows[1]).gone_count == 1
    assert devices(session)[0].state is DeviceState.IN_SERVICE


def test_a_device_without_a_list_can_be_merged(session: Session) -> None:
    kept, other = make.device(session), make.device(session)
    session.commit()
    join(session, kept.id, other.id)
    assert [each.state.value for each in devices(session)] == ["in_service", "withdrawn"]


def test_a_merge_decision_can_be_changed(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, THEIRS)
    join(session, 1, 2)

    (review,) = reviews.reviews_of_devices(session, [1], ReviewKind.DUPLICATE)
    assert (review.source, review.decision, review.decided_by) == ("theirs", Decision.SAME, "test")
    decide(session, ADMINISTRATOR, review.id, Decision.DIFFERENT, thresholds=Thresholds(), at=NOW)
    session.commit()

    assert [each.state.value for each in devices(session)] == ["in_service", "in_service"]
    newest = changes_of(session, subject="devices", subject_id="2")[0]
    assert newest.fields == {"same_device_as": [1, None]}
    assert counts(take(session, tmp_path, THEIRS | {"maker": "Schiller"})) == (0, 1, 0, 0)
    kept, other = devices(session)
    assert (kept.maker == "Schiller", other.maker) == (False, "Schiller")


def test_a_device_merged_while_out_of_service_is_out_of_service_when_restored(
    session: Session, tmp_path: Path
) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, THEIRS | {"state": "out_of_service", "out_of_service_reason": "lent"})
    join(session, 1, 2)
    (review,) = reviews.reviews_of_devices(session, [1], ReviewKind.DUPLICATE)

    decide(session, ADMINISTRATOR, review.id, Decision.DIFFERENT, thresholds=Thresholds(), at=NOW)
    session.commit()

    other = devices(session)[1]
    assert (other.state, other.out_of_service_reason) == (DeviceState.OUT_OF_SERVICE, "lent")


@pytest.mark.parametrize("is_asked_of_both", [False, True])
def test_a_review_of_the_merged_device_becomes_one_of_the_kept_device(
    session: Session, is_asked_of_both: bool
) -> None:
    kept, other = make.device(session), make.device(session)
    asked = make.review(session, of=other)
    record = asked.source, asked.source_id
    if is_asked_of_both:
        again = make.review(session, of=kept)
        again.source_id, again.decision, again.decided_at = asked.source_id, Decision.DIFFERENT, NOW
    session.commit()

    join(session, kept.id, other.id)

    session.expire_all()
    (review,) = reviews.reviews(session, is_open=True, limit=10)
    assert ((review.source, review.source_id), review.device_id) == (record, kept.id)


def test_an_impossible_merge_is_refused(session: Session) -> None:
    one, other, gone = (make.device(session) for _ in range(3))
    withdraw_device(session, ADMINISTRATOR, gone.id, version=1, at=NOW)
    session.commit()

    with pytest.raises(NotSignedIn):
        merge_two_devices(session, ANYONE, one.id, other.id, at=NOW)
    with pytest.raises(InvalidInput, match="two different devices"):
        join(session, one.id, one.id)
    for pair in ((one.id, gone.id), (gone.id, one.id)):
        with pytest.raises(Conflict, match="withdrawn"):
            join(session, *pair)
    for pair in ((one.id, 99), (99, one.id)):
        with pytest.raises(NotFound, match="Device 99 does not exist"):
            join(session, *pair)
    session.rollback()
    assert [each.state.value for each in devices(session)] == ["in_service", "in_service", "withdrawn"]


def test_an_administrator_merges_devices_over_http(session: Session, client: TestClient) -> None:
    kept, other = make.device(session), make.device(session)
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    of_the_region = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    session.commit()
    where, body = f"/v1/devices/{kept.id}/merge", {"other_id": other.id}

    assert client.post(where, json=body).status_code == 401
    assert client.post(where, json=body, headers=of_the_region).status_code == 403
    joined = client.post(where, json=body, headers=office)

    assert (joined.status_code, joined.json()["id"]) == (200, kept.id), joined.text
    assert client.get(f"/v1/devices/{other.id}", headers=office).json()["state"] == "withdrawn"
    assert client.post(where, json=body, headers=office).status_code == 409
