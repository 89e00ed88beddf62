"""One device in several lists: new, unchanged, conflicting and removed entries, and manual decisions."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.errors import InvalidInput, NotSignedIn
from aed.imports.devices import queries, reviews
from aed.imports.devices.actions import import_devices
from aed.imports.devices.decisions import decide, update_source
from aed.imports.devices.models import Review, SourceRecord
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Decision, ReviewKind, Thresholds
from aed.registry.changes import RegistryChange, changes_of
from aed.registry.devices import actions as device_actions
from aed.registry.devices.models import Device
from aed.registry.devices.origins import origins_in
from aed.registry.devices.rules import DeviceState
from aed.registry.devices.schemas import DeviceAmend
from tests import make
from tests.imports.lists import DEVICE, counts, table
from tests.make import ADMINISTRATOR, ANYONE, NOW, PATIENT, north_of

LATER = NOW + timedelta(days=1)
OURS = DEVICE | {"source": "ours", "place_zh": "图书馆一楼大堂服务台旁", "serial": "SN-0001"}
THEIRS = DEVICE | {
    "source": "theirs",
    "source_id": "a",
    "place_zh": "图书馆一楼大堂，服务台旁",
    "serial": "SN 0001",
}


def take(session: Session, folder: Path, *rows: dict[str, Any], **given: Any) -> DeviceReport:
    make.region(session)
    given = {"at": NOW} | given
    report = import_devices(session, ADMINISTRATOR, table(folder, *rows), **given)
    session.commit()
    return report


def devices(session: Session) -> list[Device]:
    session.expire_all()
    return list(session.scalars(select(Device).order_by(Device.id)))


def open_reviews(session: Session) -> list[Review]:
    session.expire_all()
    return list(reviews.reviews(session, is_open=True, limit=100))


def answer(session: Session, review: Review, decision: Decision) -> None:
    decide(session, ADMINISTRATOR, review.id, decision, thresholds=Thresholds(), at=LATER)
    session.commit()


def origin(device: Device, attribute: str) -> str:
    return origins_in(device.origins, device.source).of(attribute).source


# --- Repeated imports -----------------------------------------------------------------------------------


def test_list_records_are_stored_and_importing_them_again_changes_nothing(
    session: Session, tmp_path: Path
) -> None:
    take(session, tmp_path, OURS)
    kept = session.execute(select(SourceRecord.__table__)).all()
    (device,) = devices(session)
    assert (device.version, origin(device, "place_zh")) == (1, "ours")

    report = take(session, tmp_path, OURS, at=LATER)

    assert counts(report) == (0, 0, 1, 0)
    assert session.execute(select(SourceRecord.__table__)).all() == kept
    assert devices(session)[0].version == 1


def test_an_attribute_records_when_it_was_imported(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, OURS | {"maker": "Mindray"}, at=LATER)

    (device,) = devices(session)
    origins = origins_in(device.origins, device.source)
    assert (origins.of("maker").at, origins.of("serial").at) == (LATER, NOW)


# --- Another list of the same device --------------------------------------------------------------------


def test_an_entry_of_another_list_is_matched_to_the_registered_device(
    session: Session, tmp_path: Path
) -> None:
    take(session, tmp_path, OURS)

    report = take(session, tmp_path, THEIRS | {"maker": "Mindray"})

    assert counts(report) == (0, 1, 0, 0)
    assert report.merged == 1
    (device,) = devices(session)
    assert (device.maker, origin(device, "maker"), origin(device, "serial")) == ("Mindray", "theirs", "ours")
    assert open_reviews(session) == []
    assert counts(take(session, tmp_path, THEIRS | {"maker": "Mindray"})) == (0, 0, 1, 0)


def test_entries_of_one_list_are_never_merged(session: Session, tmp_path: Path) -> None:
    report = take(session, tmp_path, OURS, OURS | {"source_id": "2"})
    assert counts(report) == (2, 0, 0, 0)
    assert counts(take(session, tmp_path, OURS | {"source_id": "3"}, is_partial=True)) == (1, 0, 0, 0)


def test_entries_of_one_file_are_never_merged_even_from_different_sources(
    session: Session, tmp_path: Path
) -> None:
    take(session, tmp_path, DEVICE | {"source": "elsewhere", "lat": 31.0})
    more_than_a_batch = several(600, source="many")
    assert counts(take(session, tmp_path, OURS, *more_than_a_batch, THEIRS, MAYBE | {"source": "third"})) == (
        603,
        *(0, 0, 0),
    )


def test_a_dissimilar_entry_becomes_another_device(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    there = north_of(PATIENT, metres=60)
    other = DEVICE | {"source": "theirs", "lat": there.lat, "place_zh": "游泳馆入口"}
    assert counts(take(session, tmp_path, other)) == (1, 0, 0, 0)


def test_an_entry_similar_to_two_devices_is_not_guessed(session: Session, tmp_path: Path) -> None:
    twins = {"serial": "", "place_zh": "大堂"}
    take(session, tmp_path, OURS | twins, OURS | twins | {"source_id": "2"})
    report = take(session, tmp_path, THEIRS | twins)
    assert (report.merged, report.waiting) == (0, 1)


MAYBE = THEIRS | {"serial": "", "place_zh": "", "lat": north_of(PATIENT, metres=8).lat}
"""Close enough for a review, without any other evidence."""


def test_a_possible_duplicate_waits_for_review(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)

    report = take(session, tmp_path, MAYBE)

    assert (report.waiting, len(devices(session))) == (1, 1)
    (review,) = open_reviews(session)
    assert (review.kind, review.source, review.source_id) == (ReviewKind.DUPLICATE, "theirs", "a")
    assert 0.6 <= review.evidence["score"] < 0.9
    assert any("8 m apart" in sign["said"] for sign in review.evidence["signs"])
    assert take(session, tmp_path, MAYBE).waiting == 1
    assert [each.id for each in open_reviews(session)] == [review.id]


def test_an_entry_reviewed_as_the_same_is_merged(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, MAYBE | {"maker": "Mindray"})

    answer(session, open_reviews(session)[0], Decision.SAME)

    (device,) = devices(session)
    assert (device.maker, origin(device, "maker")) == ("Mindray", "theirs")
    assert counts(take(session, tmp_path, MAYBE | {"maker": "Mindray"})) == (0, 0, 1, 0)
    assert open_reviews(session) == []


def test_an_entry_reviewed_as_different_becomes_a_device_and_is_not_reviewed_again(
    session: Session, tmp_path: Path
) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, MAYBE)

    answer(session, open_reviews(session)[0], Decision.DIFFERENT)

    assert [(each.source, each.source_id) for each in devices(session)] == [("ours", "1"), ("theirs", "a")]
    assert counts(take(session, tmp_path, MAYBE | {"maker": "Mindray"})) == (0, 1, 0, 0)
    assert open_reviews(session) == []


def test_a_changed_decision_merges_and_withdraws_the_duplicate(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, MAYBE | {"maker": "Mindray"})
    (review,) = open_reviews(session)
    answer(session, review, Decision.DIFFERENT)
    answer(session, review, Decision.SAME)

    ours, theirs = devices(session)
    assert (ours.maker, theirs.state) == ("Mindray", DeviceState.WITHDRAWN)
    newest = changes_of(session, subject="devices", subject_id=str(theirs.id))[0]
    assert newest.fields == {"same_device_as": [None, ours.id]}
    assert counts(take(session, tmp_path, MAYBE | {"maker": "Schiller"})) == (0, 1, 0, 0)
    assert devices(session)[0].maker == "Schiller"


def test_an_automatic_match_can_be_separated_by_hand(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, THEIRS)
    (review,) = reviews.reviews(session, is_open=False, limit=10)
    assert (review.decision, review.decided_by) == (Decision.SAME, f"score {review.evidence['score']:.3f}")

    answer(session, review, Decision.DIFFERENT)

    assert len(devices(session)) == 2
    assert counts(take(session, tmp_path, THEIRS)) == (0, 0, 1, 0)


# --- Priority of sources --------------------------------------------------------------------------------

SAYS = {"opening_hours": "Mo-Fr 08:00-17:00", "maker": "Mindray"}
DENIES = {"opening_hours": "24/7", "maker": "MINDRAY "}


def test_a_conflict_between_equally_ranked_lists_waits_for_review(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS | SAYS)

    report = take(session, tmp_path, THEIRS | DENIES)

    assert report.conflicting == 1
    (device,) = devices(session)
    assert device.opening_hours == "Mo-Fr 08:00-17:00"
    (review,) = open_reviews(session)
    assert (review.kind, review.attribute, review.device_id) == (
        ReviewKind.CONFLICT,
        "opening_hours",
        device.id,
    )
    assert review.evidence["present"]["source"] == "ours"
    assert review.evidence["offered"]["value"]["opening_hours"] == "24/7"


@pytest.mark.parametrize(
    ("decision", "hours"), [(Decision.TAKE, "24/7"), (Decision.KEEP, "Mo-Fr 08:00-17:00")]
)
def test_a_decision_holds_until_a_source_changes_its_value(
    session: Session, tmp_path: Path, decision: Decision, hours: str
) -> None:
    take(session, tmp_path, OURS | SAYS)
    take(session, tmp_path, THEIRS | DENIES)

    answer(session, open_reviews(session)[0], decision)
    assert devices(session)[0].opening_hours == hours

    take(session, tmp_path, OURS | SAYS | {"model": "C1"})
    take(session, tmp_path, THEIRS | DENIES | {"model": "C1"})
    assert (devices(session)[0].opening_hours, open_reviews(session)) == (hours, [])

    take(session, tmp_path, THEIRS | {"opening_hours": "Mo-Su 06:00-22:00"})
    (review,) = open_reviews(session)
    assert review.decision is None


def test_a_conflict_that_disappeared_is_closed(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS | SAYS)
    take(session, tmp_path, THEIRS | DENIES)
    take(session, tmp_path, THEIRS | SAYS)
    assert open_reviews(session) == []


def test_a_higher_ranked_list_overrides_and_a_lower_ranked_one_does_not(
    session: Session, tmp_path: Path
) -> None:
    update_source(session, ADMINISTRATOR, "theirs", rank=60, at=NOW)
    take(session, tmp_path, OURS | SAYS)
    assert counts(take(session, tmp_path, THEIRS | DENIES)) == (0, 1, 0, 0)
    (device,) = devices(session)
    assert (device.opening_hours, origin(device, "opening_hours")) == ("24/7", "theirs")

    take(session, tmp_path, OURS | SAYS | {"opening_hours": "Mo-Su 09:00-10:00"})
    assert (devices(session)[0].opening_hours, open_reviews(session)) == ("24/7", [])


def test_a_new_rank_takes_effect_at_once(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS | SAYS)
    take(session, tmp_path, THEIRS | DENIES)
    update_source(session, ADMINISTRATOR, "theirs", rank=60, at=LATER)
    session.commit()
    assert (devices(session)[0].opening_hours, open_reviews(session)) == ("24/7", [])


def test_fields_amended_or_cleared_by_hand_are_kept(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS | SAYS)
    (device,) = devices(session)
    change = DeviceAmend(opening_hours=None, place_zh="三楼")
    device_actions.amend_device(session, ADMINISTRATOR, device.id, change, version=device.version, at=LATER)
    session.commit()

    take(session, tmp_path, OURS | SAYS | {"opening_hours": "24/7", "model": "C1"})

    (device,) = devices(session)
    assert (device.opening_hours, device.place_zh, device.model) == (None, "三楼", "C1")
    assert [origin(device, each) for each in ("opening_hours", "place_zh", "model")] == [
        "registry",
        "registry",
        "ours",
    ]
    assert open_reviews(session) == []


def test_an_out_of_service_report_is_never_overruled_without_review(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    (device,) = devices(session)
    for state in (DeviceState.OUT_OF_SERVICE, DeviceState.IN_SERVICE):
        reason = "lent" if state is DeviceState.OUT_OF_SERVICE else None
        change = DeviceAmend(state=state, out_of_service_reason=reason)
        device_actions.amend_device(session, ADMINISTRATOR, device.id, change, version=device.version, at=NOW)
    session.commit()

    take(session, tmp_path, OURS | {"state": "out_of_service", "out_of_service_reason": "broken"})

    assert devices(session)[0].state is DeviceState.IN_SERVICE
    (review,) = open_reviews(session)
    answer(session, review, Decision.TAKE)
    (device,) = devices(session)
    assert (device.state, device.out_of_service_reason) == (DeviceState.OUT_OF_SERVICE, "broken")


# --- Removed entries ------------------------------------------------------------------------------------


def several(count: int, **given: Any) -> list[dict[str, Any]]:
    return [
        DEVICE | {"source_id": str(n), "lat": north_of(PATIENT, metres=1000 * n).lat} | given
        for n in range(count)
    ]


def states(session: Session) -> list[str]:
    return [each.state.value for each in devices(session)]


def test_a_device_no_longer_listed_goes_out_of_service_and_returns_when_listed(
    session: Session, tmp_path: Path
) -> None:
    rows = several(3)
    take(session, tmp_path, *rows)

    report = take(session, tmp_path, *rows[:2], at=LATER)

    assert (counts(report), report.gone_count) == ((0, 0, 2, 0), 1)
    gone = devices(session)[2]
    assert (gone.state, gone.out_of_service_reason) == (
        DeviceState.OUT_OF_SERVICE,
        "No longer listed by list since 2026-09-23",
    )
    assert take(session, tmp_path, *rows[:2], at=LATER).gone_count == 0

    assert counts(take(session, tmp_path, *rows, at=LATER)) == (0, 1, 2, 0)
    back = devices(session)[2]
    assert (back.state, back.out_of_service_reason) == (DeviceState.IN_SERVICE, None)


def test_a_device_out_of_service_for_another_reason_stays_out_of_service(
    session: Session, tmp_path: Path
) -> None:
    rows = several(2, state="out_of_service", out_of_service_reason="lent")
    take(session, tmp_path, *rows)
    take(session, tmp_path, rows[0])
    take(session, tmp_path, *rows)
    assert [each.out_of_service_reason for each in devices(session)] == ["lent", "lent"]


def test_a_partial_list_removes_nothing(session: Session, tmp_path: Path) -> None:
    rows = several(3)
    take(session, tmp_path, *rows)
    report = take(session, tmp_path, rows[0], is_partial=True)
    assert (report.gone, states(session)) == ([], ["in_service"] * 3)


def test_a_device_with_a_bad_row_still_counts_as_listed(session: Session, tmp_path: Path) -> None:
    rows = several(3)
    take(session, tmp_path, *rows)
    report = take(session, tmp_path, *rows[:2], rows[2] | {"floor": "x"})
    assert (report.gone, states(session)) == ([], ["in_service"] * 3)


def test_corrected_rows_are_a_part_of_their_list(session: Session, tmp_path: Path) -> None:
    rows = several(2)
    take(session, tmp_path, *rows)
    put_right = rows[0] | {"set_aside_at": "line 2", "set_aside_why": "floor: must be a number"}
    assert take(session, tmp_path, put_right).gone == []


def test_a_device_still_on_another_list_stays_with_the_values_of_that_list(
    session: Session, tmp_path: Path
) -> None:
    take(session, tmp_path, OURS | SAYS, *several(3, source="ours")[2:])
    update_source(session, ADMINISTRATOR, "theirs", rank=40, at=NOW)
    take(session, tmp_path, THEIRS | DENIES)
    assert devices(session)[0].opening_hours == "Mo-Fr 08:00-17:00"

    take(session, tmp_path, *several(3, source="ours")[2:], at=LATER)

    device = devices(session)[0]
    assert (device.state, device.opening_hours) == (DeviceState.IN_SERVICE, "24/7")


def test_a_list_that_shrank_a_lot_is_held_back_for_review(session: Session, tmp_path: Path) -> None:
    rows = several(20)
    take(session, tmp_path, *rows)

    report = take(session, tmp_path, *rows[:10], at=LATER)

    assert (report.gone_count, len(report.held_back)) == (0, 1)
    assert states(session) == ["in_service"] * 20
    (review,) = open_reviews(session)
    assert (review.kind, review.evidence["missing"], review.evidence["listed_before"]) == (
        ReviewKind.SHRINK,
        10,
        20,
    )
    answer(session, review, Decision.ACCEPT)
    assert states(session) == ["in_service"] * 10 + ["out_of_service"] * 10


def test_a_rejected_shrink_is_not_reviewed_again(session: Session, tmp_path: Path) -> None:
    rows = several(20)
    take(session, tmp_path, *rows)
    take(session, tmp_path, *rows[:10])
    answer(session, open_reviews(session)[0], Decision.REFUSE)
    take(session, tmp_path, *rows[:10])
    assert (open_reviews(session), states(session)) == ([], ["in_service"] * 20)

    take(session, tmp_path, *rows[:9])
    assert len(open_reviews(session)) == 1


def test_a_shrink_can_be_accepted_in_advance(session: Session, tmp_path: Path) -> None:
    rows = several(20)
    take(session, tmp_path, *rows)
    assert take(session, tmp_path, *rows[:10], is_shrink_accepted=True).gone_count == 10


def test_progress_includes_marking_missing_devices(session: Session, tmp_path: Path) -> None:
    rows = several(20)
    take(session, tmp_path, *rows)
    counts: list[int] = []

    take(session, tmp_path, *rows[:10], is_shrink_accepted=True, progress=counts.append)

    assert counts == [*range(1, 11), 20]


# --- Decisions ------------------------------------------------------------------------------------------


def test_a_stranger_may_not_decide_reviews(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, MAYBE)
    review = open_reviews(session)[0]
    with pytest.raises(NotSignedIn):
        decide(session, ANYONE, review.id, Decision.SAME, thresholds=Thresholds(), at=NOW)
    with pytest.raises(NotSignedIn):
        update_source(session, ANYONE, "theirs", rank=99, at=NOW)


def test_a_rank_is_from_0_to_100(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    for rank in (0, 100):
        assert update_source(session, ADMINISTRATOR, "ours", rank=rank, at=NOW).rank == rank
    for rank in (-1, 101):
        with pytest.raises(InvalidInput, match="from 0 to 100"):
            update_source(session, ADMINISTRATOR, "ours", rank=rank, at=NOW)


def test_an_invalid_decision_is_refused_with_the_valid_ones(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS)
    take(session, tmp_path, MAYBE)
    with pytest.raises(InvalidInput, match="same or different"):
        answer(session, open_reviews(session)[0], Decision.TAKE)


def test_a_conflict_of_expiry_dates_waits_for_review_too(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS | {"pads_expire_on": "2028-05-31"})
    take(session, tmp_path, THEIRS | {"pads_expire_on": "2027-05-31"})
    (review,) = open_reviews(session)
    assert review.attribute == "pads_expire_on"
    answer(session, review, Decision.TAKE)
    (device,) = devices(session)
    fitted = queries.fitted_expiry(session, [device.id])[device.id]
    assert list(fitted.values()) == [[date(2027, 5, 31)]]


def test_every_change_of_a_device_is_in_its_history(session: Session, tmp_path: Path) -> None:
    take(session, tmp_path, OURS | SAYS)
    take(session, tmp_path, THEIRS | {"model": "C1"})
    history = [
        change.fields
        for change in session.scalars(
            select(RegistryChange).where(RegistryChange.subject == "devices").order_by(RegistryChange.id)
        )
    ]
    assert history[1:] == [{"model": [None, "C1"]}]
    assert session.scalar(select(func.count()).select_from(SourceRecord)) == 2


# --- Over HTTP ------------------------------------------------------------------------------------------


def test_reviews_are_for_administrators(session: Session, client: TestClient) -> None:
    review = make.review(session, of=make.device(session))
    of_the_region = make.key(session, TokenRole.DISPATCHER, region=make.region(session))
    session.commit()
    where = f"/v1/reviews/{review.id}"
    for headers, status in (({}, 401), (of_the_region, 403)):
        assert client.get("/v1/reviews", headers=headers).status_code == status
        assert client.get(where, headers=headers).status_code == status
        answer = client.post(f"{where}/decision", json={"decision": "same"}, headers=headers)
        assert answer.status_code == status


def test_an_administrator_decides_over_http(session: Session, client: TestClient) -> None:
    device = make.device(session)
    review = make.review(session, of=device)
    headers = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()

    (shown,) = client.get("/v1/reviews", headers=headers).json()
    assert (shown["id"], shown["kind"], shown["decision"]) == (review.id, "duplicate", None)
    where = f"/v1/reviews/{review.id}/decision"
    assert client.post(where, json={"decision": "take"}, headers=headers).status_code == 422
    decided = client.post(where, json={"decision": "different"}, headers=headers)

    assert (decided.status_code, decided.json()["decision"]) == (200, "different")
    assert client.get("/v1/reviews", headers=headers).json() == []
    assert len(client.get("/v1/reviews?decided=true", headers=headers).json()) == 1
    assert len(devices(session)) == 2


def test_the_source_of_an_attribute_is_shown_to_members_of_the_estate(
    session: Session, client: TestClient
) -> None:
    device = make.device(session, source="list", source_id="1")
    headers = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    where = f"/v1/devices/{device.id}"
    amended = client.patch(where, json={"maker": "Mindray"}, headers=headers | {"If-Match": '"1"'})
    assert amended.json()["origins"]["maker"]["source"] == "registry"
    assert amended.json()["origins"]["*"] == {"source": "list", "at": "2026-09-22T02:00:00Z"}
    assert client.get(where).json()["origins"] is None
