"""The required trust in certificates decides, per region, who is alerted."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.actions import put_region
from aed.accounts.regions.models import Region
from aed.accounts.regions.schemas import RegionIn
from aed.accounts.trust import TRUST_LEVELS, is_enough
from aed.responders.actions import CertificateGiven, PlaceGiven, ResponderGiven, save_responder
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateKind, CertificateTrust, PlaceKind
from aed.settings import Settings
from tests import make
from tests.lookup.asking import ask
from tests.make import ADMINISTRATOR, PATIENT


def called(session: Session, settings: Settings, code: str = "CN-33", **given: Any) -> list[int]:
    """Return the responders that the region's dispatcher sees."""
    region = make.region(session, code)
    ids = session.scalars(select(Region.id)).all()
    viewer = Viewer(role=make.dispatcher(region).role, name="dispatcher", region_ids=tuple(ids))
    answer = ask(session, settings, viewer, **given)
    assert answer.responders is not None
    return sorted(person.responder_id for person in answer.responders)


def needs(session: Session, code: str, trust: CertificateTrust | None, **given: Any) -> None:
    fields = {
        "code": code,
        "name_en": code,
        "name_zh": code,
        "country": "CN",
        "time_zone": "Asia/Shanghai",
        "emergency_number": "120",
        "trust_needed": trust,
    }
    put_region(session, RegionIn.model_validate(fields | given))


def certificate_of(session: Session, responder_id: int) -> Certificate:
    return session.scalars(select(Certificate).where(Certificate.responder_id == responder_id)).one()


def test_by_default_only_verified_certificates_are_called(session: Session, settings: Settings) -> None:
    verified, *_others = (make.responder(session, trust=trust) for trust in reversed(TRUST_LEVELS))

    assert called(session, settings) == [verified]


@pytest.mark.parametrize("needed", TRUST_LEVELS)
def test_a_region_sets_the_required_trust(
    session: Session, settings: Settings, needed: CertificateTrust
) -> None:
    by_trust = {trust: make.responder(session, trust=trust) for trust in TRUST_LEVELS}
    needs(session, "CN-33", needed)

    assert called(session, settings) == sorted(
        by_trust[trust] for trust in TRUST_LEVELS if is_enough(trust, needed)
    )


def test_trust_rules_are_inherited_unless_a_region_overrides_them(
    session: Session, settings: Settings
) -> None:
    needs(session, "CN", CertificateTrust.SELF_DECLARED)
    needs(session, "CN-33", None, parent="CN")
    needs(session, "CN-3301", CertificateTrust.VERIFIED, parent="CN-33")
    needs(session, "CN-330106", None, parent="CN-3301")
    in_the_province = make.responder(session, in_region="CN-33", trust=CertificateTrust.SELF_DECLARED)
    make.responder(session, in_region="CN-330106", trust=CertificateTrust.DOCUMENTED)

    assert called(session, settings) == [in_the_province]

    needs(session, "CN-3301", None)  # the city has no rule of its own any more
    assert len(called(session, settings)) == 2
    needs(session, "CN", CertificateTrust.DOCUMENTED)
    assert len(called(session, settings)) == 1
    needs(session, "CN-330106", None, parent=None)  # outside the tree: the default
    assert called(session, settings) == []


def test_trust_rules_in_force_always_match_the_tree_of_regions(session: Session) -> None:
    """The stored column equals the value found by climbing the tree, after many changes."""
    codes = [f"R-{number}" for number in range(12)]
    for number, code in enumerate(codes):
        parent = codes[(number - 1) // 2] if number else None
        needs(session, code, TRUST_LEVELS[number % 3] if number % 4 == 1 else None, parent=parent)
    for code, trust in (
        ("R-0", CertificateTrust.DOCUMENTED),
        ("R-2", CertificateTrust.SELF_DECLARED),
        ("R-1", None),
        ("R-0", None),
    ):
        needs(session, code, trust)
        session.expire_all()
        regions = {each.id: each for each in session.scalars(select(Region))}
        for region in regions.values():
            above: Region | None = region
            while above is not None and above.trust_needed is None:
                above = regions.get(above.parent_id or 0)
            expected = CertificateTrust.VERIFIED if above is None else above.trust_needed
            assert region.trust_in_force is expected, region.code


def test_an_expired_certificate_is_not_called_from_midnight_where_the_estate_is(
    session: Session, settings: Settings
) -> None:
    """The estate is in a region with Shanghai time but uses Urumqi time, two hours behind."""
    western = make.estate(session, time_zone="Asia/Urumqi")
    eastern = make.estate(session)
    there = make.responder(session, estate_id=western.id, valid_until=date(2026, 9, 22))
    here = make.responder(session, estate_id=eastern.id, valid_until=date(2026, 9, 22))

    def at(hour: int, minute: int) -> list[int]:
        return called(session, settings, at=datetime(2026, 9, 22, hour, minute, tzinfo=UTC))

    assert at(15, 59) == [there, here]
    assert at(16, 0) == [there], "midnight in Shanghai, 22:00 in Urumqi"
    assert at(17, 59) == [there]
    assert at(18, 0) == []


def test_an_untrusted_certificate_does_not_count_even_if_valid_longer(
    session: Session, settings: Settings
) -> None:
    responder_id = make.responder(session, valid_until=date(2026, 9, 30))
    session.add(
        Certificate(
            responder_id=responder_id,
            kind=CertificateKind.PROFESSIONAL,
            issuer="Myself",
            number="1",
            valid_until=date(2099, 1, 1),
            trust=CertificateTrust.SELF_DECLARED,
        )
    )
    session.flush()

    assert called(session, settings) == [responder_id]
    assert called(session, settings, at=datetime(2026, 10, 1, 2, tzinfo=UTC)) == []


def again(
    session: Session,
    responder_id: int,
    trust: CertificateTrust | None,
    until: date,
    *,
    name: str = "Lin Yi",
    phone: str = "+86 100 0000 9999",
) -> bool | None:
    """Import the person again from the list."""
    known = session.get_one(Responder, responder_id)
    certificate = certificate_of(session, responder_id)
    given = ResponderGiven(
        source=known.source,
        source_id=known.source_id,
        name=name,
        phone=phone,
        language="zh",
        region_id=known.region_id,
        estate_id=None,
        availability="24/7",
        paused_until=None,
        certificate=CertificateGiven(
            certificate.kind, certificate.issuer, certificate.number, None, until, trust
        ),
        places=(PlaceGiven(PlaceKind.HOME, PATIENT, 0, "24/7"),),
    )
    return save_responder(session, ADMINISTRATOR, given, at=make.NOW)


def test_a_list_does_not_lower_what_the_issuer_confirmed(session: Session) -> None:
    responder_id = make.responder(session, valid_until=date(2028, 1, 1))

    again(session, responder_id, CertificateTrust.DOCUMENTED, date(2099, 1, 1))

    kept = certificate_of(session, responder_id)
    assert (kept.trust, kept.valid_until) == (CertificateTrust.VERIFIED, date(2028, 1, 1))

    again(session, responder_id, CertificateTrust.VERIFIED, date(2029, 1, 1))
    assert certificate_of(session, responder_id).valid_until == date(2029, 1, 1)


def test_a_list_without_its_own_trust_uses_that_of_its_issuer(session: Session) -> None:
    make.issuer(session, "rc", also_called=["Test issuer"], trust_in_lists="self_declared")
    unknown = make.responder(session, trust=None, issuer="Nobody knows")
    known = make.responder(session, trust=None, issuer="ＴＥＳＴ  issuer")

    assert certificate_of(session, unknown).trust is CertificateTrust.DOCUMENTED
    assert certificate_of(session, unknown).issuer_id is None
    assert certificate_of(session, known).trust is CertificateTrust.SELF_DECLARED
    assert certificate_of(session, known).issuer_id is not None


def test_a_revoked_certificate_does_not_count_whatever_its_trust(
    session: Session, settings: Settings
) -> None:
    responder_id = make.responder(session)
    session.execute(update(Certificate).values(revoked_at=make.NOW, revoked_why="Lost"))

    assert responder_id not in called(session, settings)
