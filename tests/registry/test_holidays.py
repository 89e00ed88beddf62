"""Holiday calendars over HTTP: whole years stored and deleted, and their effect on the lookup."""

from __future__ import annotations

from sqlalchemy.orm import Session
from tests import make
from tests.make import NOW, PATIENT
from tests.registry.conftest import Desk
from tests.registry.test_devices import refused

DAYS = [
    {"day": "2031-01-01", "kind": "holiday"},
    {"day": "2031-01-04", "kind": "workday"},
]


def test_anonymous_reads_holidays_and_writes_none(nobody: Desk) -> None:
    (china,) = nobody.get("/v1/holidays").json()
    assert china["name"] == "CN"
    assert {2024, 2025, 2026} <= set(china["years"])
    year = nobody.get("/v1/holidays/CN/2026")
    assert year.headers["ETag"] == f'"{china["version"]}"'
    assert {"day": "2026-10-01", "kind": "holiday"} in year.json()["days"]
    assert {"day": "2026-10-10", "kind": "workday"} in year.json()["days"], "made up for the holidays"
    refused(nobody.put("/v1/holidays/CN/2031", {"days": DAYS}, etag=year.headers["ETag"]), 401)
    refused(nobody.delete("/v1/holidays/CN/2026", etag=year.headers["ETag"]), 401)


def test_a_year_that_is_not_held_is_not_found_and_not_free_of_holidays(nobody: Desk) -> None:
    refused(nobody.get("/v1/holidays/CN/2090"), 404, "year")
    refused(nobody.get("/v1/holidays/XX/2026"), 404, "year")
    refused(nobody.get("/v1/holidays/CN/1800"), 422, "year")
    refused(nobody.get("/v1/holidays/a b/2026"), 422, "calendar")


def test_a_new_calendar_needs_no_version_and_a_known_one_does(office: Desk) -> None:
    first = office.put("/v1/holidays/HK/2031", {"days": DAYS})
    assert first.status_code == 200
    assert first.json()["days"] == DAYS

    refused(office.put("/v1/holidays/HK/2032", {"days": []}), 428)
    refused(office.put("/v1/holidays/HK/2032", {"days": []}, etag='"99"'), 412)
    refused(office.put("/v1/holidays/HK/2032", {"days": []}, etag="soon"), 422, "If-Match")
    refused(office.put("/v1/holidays/TW/2032", {"days": []}, etag='"1"'), 412)
    second = office.put("/v1/holidays/HK/2032", {"days": []}, etag=first.headers["ETag"])
    assert second.status_code == 200
    assert second.headers["ETag"] != first.headers["ETag"]
    assert office.get("/v1/holidays/HK/2032").json()["days"] == [], "a year without holidays is known too"


def test_a_year_is_put_whole_and_dropped_whole_and_both_are_kept(session: Session, office: Desk) -> None:
    path = "/v1/holidays/HK/2031"
    etag = office.put(path, {"days": DAYS}).headers["ETag"]
    etag = office.put(path, {"days": DAYS[:1]}, etag=etag).headers["ETag"]
    assert office.get(path).json()["days"] == DAYS[:1]

    refused(office.delete(path, etag=None), 428)
    refused(office.delete(path, etag='"99"'), 412)
    assert office.delete(path, etag=etag).status_code == 204
    refused(office.get(path), 404)
    refused(office.delete(path, etag=etag), 404)

    fields = [
        change.fields for change in make.changes(session, "holiday_calendars") if change.subject_id == "HK"
    ]
    first, second = {"2031-01-01": "holiday", "2031-01-04": "workday"}, {"2031-01-01": "holiday"}
    assert [next(iter(each.values()))[1] for each in fields] == [first, second, None]
    assert [next(iter(each.values()))[0] for each in fields][1:] == [first, second]


def test_an_invalid_year_is_refused(office: Desk) -> None:
    for body, field in (
        ({}, "days"),
        ({"days": None}, "days"),
        ({"days": [{"day": "2030-12-31", "kind": "holiday"}]}, "days"),
        ({"days": [DAYS[0], DAYS[0]]}, "days"),
        ({"days": [{"day": "2031-01-01", "kind": "party"}]}, "days.0.kind"),
        ({"days": [{"day": "2031-13-01", "kind": "holiday"}]}, "days.0.day"),
        ({"days": [{"day": "2031-01-01"}]}, "days.0.kind"),
        ({"days": DAYS[:1] * 367}, "days"),
        ({"days": [], "name": "X"}, "name"),
    ):
        refused(office.put("/v1/holidays/HK/2031", body), 422, field)
    refused(office.get("/v1/holidays/HK/2031"), 404)


def test_the_next_lookup_uses_the_changed_calendar(session: Session, office: Desk) -> None:
    make.device(session, opening_hours="Mo-Fr 08:00-18:00; PH off")
    session.commit()
    path = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}&at={NOW:%Y-%m-%dT%H:%M:%SZ}"

    def access() -> str:
        answer = office.get(path).json()
        (near,) = answer["devices"] + answer["unusable_now"]
        return str(near["access"]["state"])

    year = "/v1/holidays/CN/2026"
    assert access() == "open"
    read = office.get(year)
    days = [*read.json()["days"], {"day": f"{NOW:%Y-%m-%d}", "kind": "holiday"}]
    etag = office.put(year, {"days": days}, etag=read.headers["ETag"]).headers["ETag"]
    assert access() == "closed"
    office.delete(year, etag=etag)
    assert access() == "unknown", "never a guess"
