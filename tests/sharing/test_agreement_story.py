"""An estate opens step by step, over HTTP with a moved clock: the whole story of an agreement."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed import schedule
from aed.accounts.permissions import TokenRole
from aed.database.session import Database
from aed.settings import Settings
from aed.sharing.rules import approximate
from tests import make
from tests.make import PATIENT, east_of, north_of

PARTIES = ("party_committee", "owners_committee", "service_centre")
HERE = north_of(PATIENT, metres=60)
NEXT_DOOR = east_of(PATIENT, metres=230)
"""At the edge of the neighbouring estate, whose middle is 420 m away."""
NIGHTS = "22:00-06:00"
CHINA = ZoneInfo("Asia/Shanghai")
INSURANCE = {"type": "公众责任险", "insurer": "人保", "policy": "P-1", "sum_insured": 1_000_000}


def china(day: str, time: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=CHINA)


class Story:
    """The people of the story and their requests, at the moment to which the clock is set."""

    def __init__(self, session: Session, client: TestClient, run: Callable[[str, datetime], None]) -> None:
        self.client, self._run, self.now = client, run, china("2026-09-22", "10:00")
        estate = make.estate(session, neighbourhood="lane")
        next_door = make.estate(session, neighbourhood="lane", around=east_of(PATIENT, metres=420))
        make.building(session, estate, at=HERE)
        make.building(session, next_door, at=NEXT_DOOR)
        device = make.device(
            session,
            of=estate,
            audience="estate",
            at=HERE,
            last_checked_on="2026-09-22",
            pads_expire_on=date(2028, 1, 1),
        )
        self.estate_id, self.device_id = estate.id, device.id
        region = make.region(session)
        self.keys = {
            "nobody": {},
            "estate": make.key(session, TokenRole.MEMBER, estate=estate, writes=True),
            "neighbour": make.key(session, TokenRole.MEMBER, estate=next_door),
            "dispatch centre": make.key(session, TokenRole.DISPATCHER, region=region, writes=True),
            "region": make.key(session, TokenRole.ADMINISTRATOR, writes=True),
        }
        session.commit()
        self._numbers = iter(range(1, 100))

    def at(self, day: str, time: str) -> None:
        """Set the clock, and run the jobs of agreements and their costs."""
        self.now = china(day, time)
        for name in ("agreements", "cost-cases"):
            self._run(name, self.now)

    def send(self, who: str, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self.client.request(method, f"/v1{path}", json=body, headers=self.keys[who])
        assert answer.status_code == status, answer.text
        return answer.json()

    def draft(self, step: str, *, hours: str | None = None, **given: Any) -> Any:
        """Preview a step and draft the agreement on it."""
        wanted = {"audience": step, "hours": hours, "device_ids": [self.device_id]}
        path = f"/estates/{self.estate_id}/coverage-previews"
        preview = self.send("estate", "POST", path, wanted, status=201)
        assert preview["result"]["bands"]
        share = {"device_id": self.device_id, "step": step, "hours": hours, **given.pop("share", {})}
        text: dict[str, Any] = {
            "estate_id": self.estate_id,
            "owner": "owners_in_common",
            "legal_basis": "public_notice",
            "preview_id": preview["id"],
            "preview_hash": preview["inputs_hash"],
            "parties": [{"role": role, "legal_name": role} for role in PARTIES],
            "shares": [share],
            **given,
        }
        return self.send("estate", "POST", "/agreements", text, status=201)

    def three_consent(self, agreement: Any) -> None:
        path = f"/agreements/{agreement['id']}"
        self.send("estate", "POST", f"{path}/proposal")
        for role in PARTIES:
            link = self.send("estate", "POST", f"{path}/parties/{role}/links", {}, status=201)
            page = "/agreements/by-link/" + link["address"].rpartition("/")[2]
            text_hash = self.send("nobody", "GET", page)["agreement"]["text_hash"]
            decision = {
                "kind": "consent",
                "text_hash": text_hash,
                "preview_hash": agreement["preview_hash"],
            }
            self.send("nobody", "POST", f"{page}/decisions", decision, status=201)

    def confirm(self, agreement: Any, *, status: int = 200) -> Any:
        body = {"text_hash": agreement["text_hash"]}
        return self.send("region", "POST", f"/agreements/{agreement['id']}/confirmation", body, status=status)

    def check(self, **given: Any) -> None:
        answers = dict.fromkeys(
            ("status_light", "pads_in_date", "battery_in_date", "access_as_described"), True
        )
        body = {"key": str(UUID(int=next(self._numbers))), "answers": answers, **given}
        self.send("estate", "POST", f"/devices/{self.device_id}/checks", body)

    def is_found(self, who: str) -> bool:
        """Return True if a lookup next door offers the device."""
        found = self.client.get(
            "/v1/nearest", params={"lat": NEXT_DOOR.lat, "lon": NEXT_DOOR.lon}, headers=self.keys[who]
        ).json()
        return self.device_id in {each["id"] for each in found["devices"]}

    def device(self) -> Any:
        return self.send("region", "GET", f"/devices/{self.device_id}")

    def exported(self, name: str) -> str:
        answer = self.client.get(f"/v1/export/{name}")
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture
def story(
    session: Session,
    client: TestClient,
    database: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> Story:
    def run(name: str, at: datetime) -> None:
        schedule.job_called(name).run(database, settings, lambda: at)

    made = Story(session, client, run)
    # the story lasts two years; the server runs in this process
    monkeypatch.setattr("aed.clock.now", lambda: made.now)
    return made


def test_an_estate_opens_for_nights_falls_back_and_goes_public(story: Story) -> None:
    # The estate drafts for nights on a preview, and three parties consent on their phones.
    nights = story.draft(
        "neighbours",
        hours=NIGHTS,
        starts_on="2026-10-01",
        ends_on="2027-09-30",
        notice_from="2026-09-23",
        notice_until="2026-09-30",
        terms={
            "cost_per_use": 600,
            "use_payer": "owners_committee",
            "insurances": [INSURANCE | {"starts_on": "2026-10-01", "ends_on": "2026-12-31"}],
        },
    )
    story.three_consent(nights)
    assert story.device()["audience"] == "estate"

    # It is published, and residents can object until the period is over.
    story.at("2026-09-30", "18:00")
    refused = story.confirm(nights, status=409)
    assert "public notice" in refused["detail"]
    story.at("2026-10-01", "08:00")
    story.confirm(nights)
    assert story.device()["audience"] == "neighbours"

    # A lookup next door finds it at 23:00 and not at 12:00.
    story.at("2026-10-01", "12:00")
    assert not story.is_found("neighbour")
    story.at("2026-10-01", "23:00")
    assert story.is_found("neighbour")
    assert not story.is_found("nobody")

    # The dispatch centre has it fetched, it is used, and the use opens one cost case, which is paid.
    sent = {"key": str(UUID(int=10**6)), "device_id": story.device_id}
    retrieval = story.send("dispatch centre", "POST", "/retrievals", sent)
    story.at("2026-10-02", "09:00")
    outcome = {"outcome": "used"}
    story.send("dispatch centre", "POST", f"/retrievals/{retrieval['id']}/outcome", outcome)
    story.at("2026-10-02", "09:10")
    story.at("2026-10-02", "09:15")
    (case,) = story.send("estate", "GET", "/cost-cases")["cost_cases"]
    assert (case["agreement_id"], case["payer"]) == (nights["id"], "owners_committee")
    assert (case["amount_minor"], case["state"], case["reminded_days"]) == (60_000, "open", 0)
    assert datetime.fromisoformat(case["used_at"]) == china("2026-10-01", "23:00")
    paid = story.send("estate", "POST", f"/cost-cases/{case['id']}/payment", {"reference": "T-1"})
    assert paid["state"] == "paid"
    story.at("2026-10-02", "23:00")
    assert not story.is_found("neighbour")  # used: out of service until it is checked
    story.check(replaced=[{"kind": "pads", "expires_on": "2028-10-01"}])
    assert story.is_found("neighbour")

    # The insurance lapses: the device falls back to the estate, and dispatch may have it fetched.
    story.at("2026-12-20", "09:00")
    story.check()
    story.at("2026-12-31", "23:00")
    assert story.is_found("neighbour")
    story.at("2027-01-01", "00:00")
    assert story.device()["audience"] == "estate"
    story.at("2027-01-01", "23:00")
    assert not story.is_found("neighbour")
    assert story.is_found("dispatch centre")

    # It is renewed with a new insurance, for everyone at all hours, with an approximate position.
    public = story.draft(
        "public",
        share={"published_position": "approximate"},
        starts_on="2027-01-05",
        ends_on="2028-01-04",
        supersedes_id=nights["id"],
        terms={"insurances": [INSURANCE | {"starts_on": "2027-01-05", "ends_on": "2028-01-04"}]},
    )
    story.three_consent(public)
    story.at("2027-01-04", "12:00")
    story.confirm(public)
    assert story.device()["audience"] == "estate"
    story.at("2027-01-05", "00:00")
    assert story.device()["audience"] == "public"
    story.at("2027-01-05", "12:00")
    assert story.is_found("nobody")

    # Exports obey the published position.
    (feature,) = json.loads(story.exported("geojson"))["features"]
    published = (approximate(HERE.lon), approximate(HERE.lat))
    assert feature["geometry"]["coordinates"] == pytest.approx(published)
    osm = story.exported("osm-change")
    assert f"{HERE.lat:.5f}" not in osm
    assert f'lat="{approximate(HERE.lat):.4f}' in osm
