"""Devices that passers-by report: what administrators decide, and what a keeper is asked."""

from __future__ import annotations

import io
from datetime import timedelta
from fractions import Fraction

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.rules import Language
from aed.accounts.permissions import ANYONE, Audience, TokenRole, Viewer
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn, TooBusy
from aed.geo import Position
from aed.imports.devices.decisions import decide
from aed.imports.devices.models import Review, SourceRecord
from aed.imports.devices.rules import Decision, ReviewKind, Thresholds
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.upkeep.checks.photo import UNKNOWN_ORIGIN, PhotoOrigin, origin_of, picture_without_traces
from aed.upkeep.checks.photo_process import placed_picture_in_subprocess
from aed.upkeep.models import Sighting
from aed.upkeep.sightings import actions, queries
from aed.upkeep.sightings.rules import MAX_PER_ADDRESS, SOURCE, SightingState
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of

FAR = north_of(PATIENT, metres=3_000)


def a_photo(lat: float | None = None, lon: float | None = None) -> bytes:
    """Return a JPEG, taken at that place if one is given."""
    picture, into = Image.new("RGB", (640, 480), "green"), io.BytesIO()
    exif = Image.Exif()
    if lat is not None and lon is not None:
        gps = exif.get_ifd(0x8825)
        gps[1], gps[2] = "N" if lat >= 0 else "S", _parts(abs(lat))
        gps[3], gps[4] = "E" if lon >= 0 else "W", _parts(abs(lon))
        exif.get_ifd(0x8769)[0x9003] = "2026:09:22 08:30:00"
    picture.save(into, "JPEG", exif=exif)
    return into.getvalue()


def _parts(degrees: float) -> tuple[Fraction, Fraction, Fraction]:
    whole = int(degrees)
    return Fraction(whole), Fraction(0), Fraction((degrees - whole) * 3_600).limit_denominator(10_000)


def draft(session: Session, here: Position | None = FAR, words: str = "地铁站A口") -> Sighting:
    key = actions.draft_sighting(
        session,
        here=here,
        words=words,
        language=Language.ZH,
        picture=picture_without_traces(a_photo()),
        taken_at=None,
        from_key="somebody",
        at=NOW,
    )
    return queries.sighting_by_key(session, key)


def review(session: Session) -> Review:
    return session.scalars(select(Review).where(Review.source == SOURCE)).one()


def test_a_device_that_nobody_has_registered_is_registered_by_an_administrator(session: Session) -> None:
    make.device(session)
    sighting = draft(session)
    assert queries.state_of(session, sighting) is SightingState.DRAFT

    actions.send_sighting(session, ANYONE, sighting, at=NOW)
    actions.send_sighting(session, ANYONE, sighting, at=NOW)

    asked = review(session)
    assert (asked.kind, asked.device_id, asked.decision) == (ReviewKind.SIGHTING, None, None)
    assert asked.evidence["record"]["region"] == "CN-33"
    assert asked.evidence["photo"] == f"/v1/sightings/{sighting.id}/photo"
    assert queries.state_of(session, sighting) is SightingState.SENT
    decide(session, ADMINISTRATOR, asked.id, Decision.ACCEPT, thresholds=Thresholds(), at=NOW)
    made = session.scalars(select(Device).where(Device.source == SOURCE)).one()
    assert (made.place_zh, made.audience, made.last_checked_on) == ("地铁站A口", Audience.PUBLIC, None)
    assert queries.state_of(session, sighting) is SightingState.TAKEN
    with pytest.raises(Conflict):
        decide(session, ADMINISTRATOR, asked.id, Decision.REFUSE, thresholds=Thresholds(), at=NOW)


def test_a_report_that_is_wrong_is_refused(session: Session) -> None:
    make.device(session)
    sighting = draft(session)
    actions.send_sighting(session, ANYONE, sighting, at=NOW)
    decide(session, ADMINISTRATOR, review(session).id, Decision.REFUSE, thresholds=Thresholds(), at=NOW)
    assert queries.state_of(session, sighting) is SightingState.REFUSED
    assert session.scalars(select(Device).where(Device.source == SOURCE)).all() == []


def test_a_sighting_of_a_hidden_device_goes_to_its_keeper_unknown_to_the_stranger(session: Session) -> None:
    keeper = make.person(session)
    hidden = make.device(
        session,
        of=make.estate(session),
        audience="estate",
        keeper={"name": keeper.name, "phone": keeper.phone},
    )
    here = north_of(PATIENT, metres=15)
    assert queries.devices_around(session, ANYONE, here) == []
    sighting = draft(session, here, "1号楼大堂")

    actions.send_sighting(session, ANYONE, sighting, at=NOW)

    asked = review(session)
    assert (asked.kind, asked.device_id, asked.decision) == (ReviewKind.DUPLICATE, hidden.id, None)
    letter = session.scalars(select(OutboxMessage)).one()
    assert letter.person_id == hidden.keeper_id
    assert "有路人反映" in (letter.text_zh or "")
    assert queries.state_of(session, sighting) is SightingState.SENT
    decide(session, ADMINISTRATOR, asked.id, Decision.SAME, thresholds=Thresholds(), at=NOW)
    assert (
        session.scalars(select(SourceRecord.device_id).where(SourceRecord.source == SOURCE)).one()
        == hidden.id
    )
    session.refresh(hidden)
    assert hidden.audience is Audience.ESTATE


def test_a_stranger_sees_public_devices_around_alone(session: Session) -> None:
    near = make.device(session, at=north_of(PATIENT, metres=20))
    make.device(session, of=make.estate(session), audience="estate")
    make.device(session, at=north_of(PATIENT, metres=300))
    found = queries.devices_around(session, ANYONE, PATIENT)
    assert [each.device_id for each in found] == [near.id]
    assert 18 < found[0].metres < 22


def test_a_sighting_in_an_estate_is_of_the_estate(session: Session) -> None:
    estate = make.estate(session)
    actions.send_sighting(session, ANYONE, draft(session, PATIENT), at=NOW)
    decide(session, ADMINISTRATOR, review(session).id, Decision.ACCEPT, thresholds=Thresholds(), at=NOW)
    made = session.scalars(select(Device).where(Device.source == SOURCE)).one()
    assert (made.estate_id, made.audience) == (estate.id, Audience.ESTATE)


def test_a_draft_without_a_place_is_not_sent_and_goes_after_a_day(session: Session) -> None:
    sighting = draft(session, None)
    with pytest.raises(InvalidInput):
        actions.send_sighting(session, ANYONE, sighting, at=NOW)
    sent = draft(session)
    actions.send_sighting(session, ANYONE, sent, at=NOW)
    actions.tidy_sightings(session, at=NOW + timedelta(days=1))
    session.expire_all()
    assert session.scalars(select(Sighting.id)).all() == [sent.id]
    assert sent.from_key is None
    assert queries.photo_of(session, sent.id)
    actions.tidy_sightings(session, at=NOW + timedelta(days=366))
    with pytest.raises(NotFound):
        queries.photo_of(session, sent.id)


def test_one_address_may_report_few(session: Session) -> None:
    for _ in range(MAX_PER_ADDRESS):
        draft(session)
    with pytest.raises(TooBusy):
        draft(session)


def test_photos_are_for_administrators(session: Session) -> None:
    sighting = draft(session)
    assert queries.photo_for_review(session, ADMINISTRATOR, sighting.id)[:2] == b"\xff\xd8"
    with pytest.raises(NotSignedIn):
        queries.photo_for_review(session, ANYONE, sighting.id)
    with pytest.raises(NotAllowed):
        queries.photo_for_review(session, Viewer(role=TokenRole.MEMBER, name="token:x"), sighting.id)


def test_place_and_time_of_a_photo_are_read_only_when_asked_and_never_kept() -> None:
    sent = a_photo(-33.856784, 151.215297)
    found = origin_of(sent)
    assert found.taken_at == "2026-09-22 08:30:00"
    assert found.lat == pytest.approx(-33.856784, abs=1e-6)
    assert found.lon == pytest.approx(151.215297, abs=1e-6)
    assert origin_of(a_photo()) == origin_of(b"nonsense") == UNKNOWN_ORIGIN
    picture, origin = placed_picture_in_subprocess(sent, with_origin=True)
    assert origin == found
    assert placed_picture_in_subprocess(sent)[1] == UNKNOWN_ORIGIN
    assert isinstance(origin, PhotoOrigin)
    with Image.open(io.BytesIO(picture.jpeg)) as kept:
        assert dict(kept.getexif()) == {}
