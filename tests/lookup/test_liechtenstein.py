"""Test, with a country's real devices, hours and streets, that answers equal those of a full search."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Audience, Viewer
from aed.lookup.answer import answer_lookup
from aed.lookup.arrival import Basis
from aed.lookup.question import LookupQuestion
from aed.registry.devices.rules import Access, EntryMode
from aed.settings import Settings
from aed.walking.build import build_network
from aed.walking.network import WalkingNetwork
from tests import liechtenstein, make
from tests.lookup.asking import shown
from tests.lookup.brute_force import same, whole_register

pytestmark = pytest.mark.skipif(not liechtenstein.IS_HERE, reason=liechtenstein.WHY_NOT)

QUESTIONS = 300


@pytest.fixture(scope="module")
def country() -> WalkingNetwork:
    return build_network(liechtenstein.STREETS)


def test_every_device_of_the_country_is_taken(session: Session) -> None:
    report = liechtenstein.import_country(session)

    assert (report.new, report.bad) == (148, [])
    again = liechtenstein.import_country(session)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 148)
    known = [each.device for each in whole_register(session)]
    assert sum(device.opening_hours is not None for device in known) > 100
    assert all(device.opening_hours_raw for device in known if device.opening_hours)
    private = [device for device in known if device.audience is Audience.DISPATCH]
    assert len(private) == 33
    assert all(device.entry is EntryMode.ASSISTED for device in private)


def test_the_answers_match_a_search_over_every_device(
    session: Session, settings: Settings, country: WalkingNetwork
) -> None:
    liechtenstein.import_country(session)
    session.commit()
    known = whole_register(session)
    dispatcher = make.dispatcher(make.region(session, "LI"))
    random = np.random.default_rng(144)
    here = liechtenstein.places_where_people_live(QUESTIONS, seed=4, astray_metres=1_000.0)
    first = datetime(2024, 1, 1, tzinfo=UTC)
    seen: set[object] = set()
    viewers: list[tuple[Viewer, bool]] = [(ANYONE, False), (dispatcher, True)]
    for viewer, is_dispatch in viewers:
        walks = liechtenstein.WalksOfTheCountry(country, known, settings, is_dispatch=is_dispatch)
        for number, place in enumerate(here[: QUESTIONS if viewer is ANYONE else QUESTIONS // 2]):
            question = LookupQuestion(
                here=place,
                at=first + timedelta(minutes=int(random.integers(4 * 365 * 24 * 60))),
                limit=1 + number % 10,
                floor=[0, 0, 0, 2, 6, -1][number % 6],
                with_routes=number % 10 == 0,
            )

            answer = answer_lookup(session.connection(), viewer, question, network=country, settings=settings)
            again = answer_lookup(session.connection(), viewer, question, network=country, settings=settings)

            same(answer, walks.all_devices(viewer, question), settings=settings)
            assert shown(again, viewer, settings) == shown(answer, viewer, settings)
            assert answer.emergency_number == "144"
            seen |= {answer.basis, bool(answer.unusable)}
            for near in answer.devices:
                seen |= {near.basis, near.access.access, (is_dispatch, near.by_closed_gate)}
    # Check that the questions covered different cases.
    assert seen >= {*Basis, Access.OPEN, Access.UNKNOWN, Access.ASSISTED, True, False}


def test_private_devices_are_for_dispatch_and_nobody_else(
    session: Session, settings: Settings, country: WalkingNetwork
) -> None:
    liechtenstein.import_country(session)
    session.commit()
    private = {
        each.device.id for each in whole_register(session) if each.device.audience is Audience.DISPATCH
    }
    dispatcher = make.dispatcher(make.region(session, "LI"))
    visible: dict[str, set[int]] = {}
    for name, viewer in (("anyone", ANYONE), ("dispatcher", dispatcher)):
        question = LookupQuestion(here=liechtenstein.IN_VADUZ, at=liechtenstein.NOON, limit=50)
        answer = answer_lookup(session.connection(), viewer, question, network=country, settings=settings)
        visible[name] = {near.row.id for near in (*answer.devices, *answer.unusable)}

    assert not visible["anyone"] & private
    assert visible["dispatcher"] & private


def test_the_straight_line_often_names_another_device(
    session: Session, settings: Settings, country: WalkingNetwork
) -> None:
    liechtenstein.import_country(session)
    known = whole_register(session)
    walks = liechtenstein.WalksOfTheCountry(country, known, settings, is_dispatch=False)
    here = walks.connected(liechtenstein.places_where_people_live(200, seed=1))

    found = liechtenstein.compare("all", walks, known, [True] * len(known), here)

    assert len(here) > 150
    assert 0.05 < len(found.metres_wrong) / found.places < 0.5
    assert min(found.metres_wrong) > 0
    assert 1.1 < float(np.median(found.ratios)) < 2.0
