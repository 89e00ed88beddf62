"""Reporting a problem on a page, and following what comes of it."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.imports.devices.models import Review
from aed.upkeep.faults.actions import MAX_REPORTS_PER_ADDRESS, close_report
from aed.upkeep.models import FaultReport, Sighting
from aed.upkeep.rules import FaultKind, FaultReportState, short_number
from aed.upkeep.sightings.rules import MAX_PER_ADDRESS
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of
from tests.upkeep.test_sightings import a_photo


@pytest.fixture
def browser(browser: dict[str, str]) -> dict[str, str]:
    return browser | {"Accept-Language": "en", "Sec-Fetch-Site": "same-origin"}


def count(session: Session) -> int:
    session.expire_all()
    return session.scalar(select(func.count()).select_from(FaultReport)) or 0


def test_a_mistyped_device_number_can_be_corrected_on_the_page(
    client: TestClient, browser: dict[str, str]
) -> None:
    headers = browser | {"Accept-Language": "en"}
    for code in ("1234-5", "abc", "9" * 40):
        page = client.get(f"/d/{code}/report", headers=headers)
        assert page.status_code == 422
        assert 'aria-describedby="again-error"' in page.text
        assert f'value="{code}"' in page.text
    sent = client.post(
        "/d/1234-5/report", headers=headers | {"Sec-Fetch-Site": "same-origin"}, data={"kind": "missing"}
    )
    assert (sent.status_code, "again-error" in sent.text) == (422, True)
    typed = {"again": " 1234-4 "}
    answer = client.get("/d/1234-5/report", headers=headers, params=typed, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/d/1234-4/report")
    assert "<script>" not in client.get("/d/%3Cscript%3E/report", headers=headers).text.replace(
        '<script type="module"', ""
    )


def test_a_stranger_reports_a_problem_and_follows_it_by_a_secret_address(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    device = make.device(session)
    session.commit()
    address = f"/d/{short_number(device.id)}/report"
    assert "It is not there" in client.get(address, headers=browser).text

    sent = client.post(
        address, data={"kind": "missing", "note": " gone "}, headers=browser, follow_redirects=False
    )

    assert sent.status_code == 303
    status = sent.headers["location"]
    assert status.startswith(f"{address}/missing-")
    report = session.scalars(select(FaultReport)).one()
    assert (report.kind, report.note, report.by_name) == (FaultKind.MISSING, "gone", None)
    assert "not answered yet" in client.get(status, headers=browser).text
    close_report(session, ADMINISTRATOR, report.id, state=FaultReportState.CONFIRMED, at=NOW)
    session.commit()
    assert "has confirmed it" in client.get(status, headers=browser).text
    assert client.get(status[:-1] + "x", headers=browser).status_code == 404
    assert client.get(f"{address}/x", headers=browser).status_code == 404


def test_a_hidden_device_and_an_unknown_number_look_alike(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    hidden = make.device(session, of=make.estate(session), audience="estate")
    session.commit()
    pages = []
    for device_id in (hidden.id, hidden.id + 90_000):
        code = short_number(device_id)
        form = client.get(f"/d/{code}/report", headers=browser)
        sent = client.post(
            f"/d/{code}/report", data={"kind": "beeping"}, headers=browser, follow_redirects=False
        )
        assert (form.status_code, sent.status_code) == (200, 303)
        if device_id == hidden.id:
            report = session.scalars(select(FaultReport)).one()
            close_report(session, ADMINISTRATOR, report.id, state=FaultReportState.DISMISSED, at=NOW)
            session.commit()
        after = client.get(sent.headers["location"], headers=browser).text
        pages.append((form.text + after).replace(sent.headers["location"], "").replace(code, ""))
    assert pages[0] == pages[1]
    assert "has been passed on" in pages[0]
    assert count(session) == 1


def test_what_was_typed_is_kept_when_something_is_wrong(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    device = make.device(session)
    session.commit()
    address = f"/d/{short_number(device.id)}/report"
    for data in (
        {"note": "<script>alert(1)</script>"},
        {"kind": "used", "note": "<script>alert(1)</script>"},
        {"kind": "missing", "note": "<script>alert(1)</script>".ljust(501, "x")},
    ):
        answer = client.post(address, data=data, headers=browser)
        assert answer.status_code == 422
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text
        assert "<script>alert" not in answer.text
        assert 'class="field-error"' in answer.text
    assert count(session) == 0
    session.commit()
    longest = {"kind": "missing", "note": "x" * 500}
    assert client.post(address, data=longest, headers=browser, follow_redirects=False).status_code == 303
    assert count(session) == 1
    other_site = browser | {"Sec-Fetch-Site": "cross-site"}
    assert client.post(address, data={"kind": "missing"}, headers=other_site).status_code == 403
    assert client.get("/d/1234-5/report", headers=browser).status_code == 422


def test_too_many_reports_from_one_address_get_a_sentence(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    codes = [short_number(make.device(session).id) for _ in range(MAX_REPORTS_PER_ADDRESS + 1)]
    session.commit()
    answers = [
        client.post(
            f"/d/{code}/report",
            data={"kind": "other", "note": "kept"},
            headers=browser,
            follow_redirects=False,
        )
        for code in codes
    ]
    assert [each.status_code for each in answers] == [303] * MAX_REPORTS_PER_ADDRESS + [429]
    assert "try again in an hour" in answers[-1].text
    assert ">kept</textarea>" in answers[-1].text
    assert count(session) == MAX_REPORTS_PER_ADDRESS


# --- An AED that nobody has registered -----------------------------------------------------------------


def sent_sighting(
    client: TestClient, browser: dict[str, str], photo: bytes | None = None, **data: str
) -> Response:
    files = {"photo": ("photo.jpg", photo, "image/jpeg")} if photo is not None else {"photo": ("", b"")}
    found: Response = client.post("/report", data=data, files=files, headers=browser, follow_redirects=False)
    return found


def sightings(session: Session) -> list[Sighting]:
    session.expire_all()
    return list(session.scalars(select(Sighting).order_by(Sighting.id)))


def test_a_stranger_reports_an_aed_that_is_not_registered(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    near = make.device(session, at=north_of(PATIENT, metres=20), place_en="Club <b>house</b>")
    hidden = make.device(session, of=make.estate(session), audience="estate", place_en="Secret lobby")
    session.commit()
    assert "Photo of the AED" in client.get("/report", headers=browser).text

    sent = sent_sighting(
        client, browser, a_photo(), where=f"{PATIENT.lat}, {PATIENT.lon}", words="By the lift"
    )

    assert sent.status_code == 303
    address = sent.headers["location"]
    draft = client.get(address, headers=browser).text
    assert "Club &lt;b&gt;house&lt;/b&gt;" in draft
    assert "Secret" not in draft
    assert "By the lift" in draft
    photo = client.get(f"{address}/photo", headers=browser)
    assert (photo.headers["content-type"], photo.content[:2]) == ("image/jpeg", b"\xff\xd8")
    assert session.scalars(select(Review)).all() == []
    session.rollback()

    for _ in range(2):  # a double tap
        done = client.post(address, data={"do": "send"}, headers=browser, follow_redirects=False)
        assert (done.status_code, done.headers["location"]) == (303, address)
    assert "has arrived" in client.get(address, headers=browser).text
    asked = session.scalars(select(Review)).one()
    assert asked.device_id in (near.id, hidden.id)
    assert client.get("/report/unknown", headers=browser).status_code == 404


def test_a_registered_device_that_is_recognised_ends_the_report(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    near = make.device(session)
    session.commit()
    address = sent_sighting(client, browser, lat=str(PATIENT.lat), lon=str(PATIENT.lon)).headers["location"]
    code = short_number(near.id)

    done = client.post(address, data={"do": f"same:{code}"}, headers=browser, follow_redirects=False)

    assert (done.status_code, done.headers["location"]) == (303, f"/d/{code}")
    assert sightings(session) == []


def test_the_place_in_a_photo_is_used_only_with_consent(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    photo = a_photo(30.2901, 120.1003)
    without = sent_sighting(client, browser, photo)
    with_consent = sent_sighting(client, browser, photo, origin="yes")
    first, second = sightings(session)
    assert (first.lat, first.taken_at) == (None, None)
    assert second.lat == pytest.approx(30.2901, abs=1e-5)
    assert second.taken_at == "2026-09-22 08:30:00"
    assert "Only the place is missing" in client.get(without.headers["location"], headers=browser).text
    assert "close by" in client.get(with_consent.headers["location"], headers=browser).text


def test_nothing_is_lost_when_the_place_cannot_be_read(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    sent = sent_sighting(client, browser, a_photo(), where="<script>x</script>", words="<script>y</script>")
    address = sent.headers["location"]
    page = client.get(address, headers=browser).text
    assert "These are not coordinates" in page
    assert "&lt;script&gt;x" in page
    assert "&lt;script&gt;y" in page
    assert "<script>x" not in page
    path = address.partition("?")[0]
    data = {"do": "save", "where": "30.2901 120.1003", "datum": "gcj02", "words": "By the lift"}
    client.post(path, data=data, headers=browser)
    (found,) = sightings(session)
    assert found.place_en == "By the lift"
    assert found.lat is not None
    assert 0.001 < 30.2901 - found.lat + 0.01 < 0.02
    assert found.lat != 30.2901


def test_a_photo_that_cannot_be_read_gets_a_sentence_and_keeps_the_words(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    answer = sent_sighting(client, browser, b"nonsense", words="By the lift")
    assert answer.status_code == 422
    assert "This photo cannot be read" in answer.text
    assert "By the lift" in answer.text
    assert sightings(session) == []
    other_site = browser | {"Sec-Fetch-Site": "cross-site"}
    assert sent_sighting(client, other_site, words="x").status_code == 403


def test_too_many_sightings_from_one_address_get_a_sentence(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    answers = [sent_sighting(client, browser, words="kept") for _ in range(MAX_PER_ADDRESS + 1)]
    assert [each.status_code for each in answers] == [303] * MAX_PER_ADDRESS + [429]
    assert ">kept</textarea>" in answers[-1].text
