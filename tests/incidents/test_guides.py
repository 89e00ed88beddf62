"""Guides who open a gate and hold the lift: asked only where this saves responders time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.incidents import queries
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Incident
from aed.incidents.plan.queries.guides import available_guides
from aed.incidents.plan.rules.offers import (
    Guide,
    TaskOffer,
    arrival_with_guide,
    expected_score_with_guide,
    expected_with_guide,
)
from aed.incidents.plan.rules.planner import PlanCase, plan, useful_offers
from aed.incidents.plan.rules.survival import Patient, expected_score, expected_survival
from aed.incidents.plan.schemas import load_inputs
from aed.incidents.rules import Task
from aed.incidents.schemas import PatientReportIn
from aed.registry.estates.models import Estate
from aed.responders.actions import consents
from aed.responders.rules import ConsentKind
from aed.settings import Settings
from aed.settings.planning import Planning, Survival
from aed.walking.network import WalkingNetwork
from tests import make
from tests.examples import examples
from tests.incidents.test_plan import direct, scattered
from tests.lookup.asking import place, streets
from tests.make import ADMINISTRATOR, NOW, PATIENT

PLANNING = Planning(
    ambulance_spread=0.0, promise_probability=0.0, min_direct=0, min_gain_percent=0.1, max_alerts_per_wave=10
)
SURVIVAL = Survival()
GUIDE = TaskOffer(900, Task.GUIDE, 120.0, 0.3)


# --- value of a guide -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "guide_seconds", "is_there_after"),
    [
        (300.0, 60.0, 210.0),  # the guide reaches the gate first
        (100.0, 200.0, 100.0),  # the responder has already passed the gate
        (300.0, 250.0, 250.0),  # the guide arrives while the responder waits
    ],
)
def test_people_who_arrive_after_the_guide_do_not_wait_at_the_gate(
    seconds: float, guide_seconds: float, is_there_after: float
) -> None:
    assert arrival_with_guide(seconds, 90.0, guide_seconds) == is_there_after


def test_the_expected_time_averages_over_whether_the_guide_comes() -> None:
    """Compared with the explicit sum over both cases."""
    patient = Patient(60.0, 500.0)
    coming = [direct(1, 200)._replace(saved=60.0), direct(2, 100)._replace(saved=0.0)]
    without = expected_survival(patient, coming, SURVIVAL)
    sooner = expected_survival(Patient(60.0, 440.0), [direct(1, 140), direct(2, 100)], SURVIVAL)

    found = expected_with_guide(patient, coming, Guide(GUIDE, 60.0), SURVIVAL)

    assert found == pytest.approx(0.3 * sooner + 0.7 * without)


# --- the plan ---------------------------------------------------------------------------------------------


def guided_case(
    seed: int, people: int, devices: int, *, who_guides: tuple[int, int] = (900, 901)
) -> PlanCase:
    """Return a case as from `scattered`, with some people waiting at a gate and two possible guides.

    The people are numbered from 0, so that `who_guides` may name some of them.
    """
    case = scattered(seed, people, devices)
    waits = (0.0, 30.0, 180.0)
    offers = tuple(each._replace(saved=waits[(seed + each.person_id) % 3]) for each in case.offers)
    guides = tuple(GUIDE._replace(person_id=person) for person in who_guides)
    return PlanCase(case.patient, offers, guides=guides, ambulance_saved=(0.0, 30.0, 90.0)[seed % 3])


def whole_worth(case: PlanCase, chosen: list[TaskOffer], guide: TaskOffer | None) -> float:
    price = PLANNING.min_gain_percent * (len(chosen) + (guide is not None))
    if guide is None:
        return expected_score(case.patient, chosen, SURVIVAL) - price
    return (
        expected_score_with_guide(case.patient, chosen, Guide(guide, case.ambulance_saved), SURVIVAL) - price
    )


def best_with_guide(case: PlanCase) -> float:
    ways: dict[int, list[TaskOffer | None]] = {}
    for offer in useful_offers(case, PLANNING):
        ways.setdefault(offer.person_id, [None]).append(offer)
    guides = case.guides if GUIDE.seconds < case.patient.ambulance_seconds else ()
    best = whole_worth(case, [], None)
    for each in product(*ways.values()):
        chosen = [way for way in each if way is not None]
        devices = Counter(way.device_id for way in chosen if way.device_id is not None)
        if max(devices.values(), default=0) <= 2:
            coming = {way.person_id for way in chosen}
            free = (guide for guide in guides if guide.person_id not in coming)
            best = max(best, *(whole_worth(case, chosen, guide) for guide in (None, *free)))
    return best


@pytest.mark.parametrize(
    ("who_guides", "share"),
    [((900, 901), 0.01), ((0, 1), 0.05), ((900, 0), 0.01)],
    ids=["others", "the same people", "either"],
)
@pytest.mark.parametrize(("people", "devices"), [(2, 1), (4, 2)])
def test_a_plan_with_guides_is_within_a_small_share_of_the_optimum(
    people: int, devices: int, who_guides: tuple[int, int], share: float
) -> None:
    """A guide who is also needed for something else is chosen by what the others are worth without them."""
    for seed in range(30):
        case = guided_case(seed, people, devices, who_guides=who_guides)
        made = plan(case, planning=PLANNING, survival=SURVIVAL)
        offers = [step.offer for step in made.steps]
        guide = next((each for each in offers if each.task is Task.GUIDE), None)
        others = [each for each in offers if each.task is not Task.GUIDE]
        gained = best_with_guide(case) - whole_worth(case, [], None)
        assert whole_worth(case, others, guide) >= best_with_guide(case) - share * gained - 1e-9, seed


def test_people_who_could_also_guide_never_make_a_plan_worse() -> None:
    for seed in range(200):
        case = guided_case(seed, 4, 2, who_guides=(0, 1))
        made, without = (
            plan(each, planning=PLANNING, survival=SURVIVAL) for each in (case, replace(case, guides=()))
        )
        offers = [step.offer for step in made.steps]
        guide = next((each for each in offers if each.task is Task.GUIDE), None)
        others = [each for each in offers if each.task is not Task.GUIDE]
        alone = [step.offer for step in without.steps]
        assert whole_worth(case, others, guide) >= whole_worth(case, alone, None) - 1e-9, seed


def test_a_person_guides_where_that_helps_more_than_going_direct() -> None:
    """A gate delays five people by three minutes, and only the sixth lives inside."""
    outside = tuple(direct(person, 400.0 + person)._replace(saved=180.0) for person in range(5))
    inside = direct(GUIDE.person_id, 420.0)
    case = PlanCase(Patient(0.0, 600.0), (*outside, inside), guides=(GUIDE,), ambulance_saved=90.0)

    made = plan(case, planning=Planning(), survival=SURVIVAL)

    tasks = {step.offer.person_id: step.offer.task for step in made.steps}
    assert tasks == {**dict.fromkeys(range(5), Task.DIRECT), GUIDE.person_id: Task.GUIDE}


@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(0, 4))
@hypothesis_settings(max_examples=examples(60), deadline=None)  # planning time is measured by `make bench`
def test_one_guides_where_it_adds_enough_and_nobody_twice(seed: int, people: int, devices: int) -> None:
    case = guided_case(seed, people, devices)
    made = plan(case, planning=PLANNING, survival=SURVIVAL)
    guides = [step for step in made.steps if step.offer.task is Task.GUIDE]
    assert len(guides) <= 1
    assert made.survival >= made.survival_before - 1e-9
    for step in guides:
        assert step.adds > PLANNING.min_gain_percent
    again = plan(replace(case, asked=(GUIDE,)), planning=PLANNING, survival=SURVIVAL)
    assert all(step.offer.task is not Task.GUIDE for step in again.steps), "one at once"


def test_nobody_guides_without_a_gate_or_if_it_is_too_late() -> None:
    def asked(case: PlanCase) -> list[Task]:
        return [step.offer.task for step in plan(case, planning=PLANNING, survival=SURVIVAL).steps]

    patient = Patient(0.0, 600.0)
    waits = (direct(1, 200)._replace(saved=60.0),)
    assert Task.GUIDE in asked(PlanCase(patient, waits, guides=(GUIDE,)))
    assert Task.GUIDE not in asked(PlanCase(patient, (direct(1, 200),), guides=(GUIDE,)))
    assert Task.GUIDE not in asked(PlanCase(patient, waits, guides=(GUIDE._replace(seconds=700.0),)))
    hopeless = Patient(0.0, 3_000.0)
    assert asked(PlanCase(hopeless, (), guides=(GUIDE,), ambulance_saved=30.0)) == [Task.GUIDE]
    assert asked(PlanCase(hopeless, (), guides=(GUIDE,))) == []


# --- in an estate -----------------------------------------------------------------------------------------


def opened(session: Session, settings: Settings, network: WalkingNetwork | None, **given: object) -> Incident:
    new = PatientReportIn.model_validate(
        {
            "key": "7d0a8f2e-8d3b-4b63-9c0e-2f9f2a5f6a10",
            "position": {"lat": PATIENT.lat, "lon": PATIENT.lon},
            **given,
        }
    )
    return lifecycle.report_patient(session, ADMINISTRATOR, new, at=NOW, network=network, settings=settings)


@pytest.fixture
def estate(session: Session) -> Estate:
    """Add a 200 m square estate around the patient, with a lead."""
    estate = make.estate(session)
    lead = make.person_with_role(session, Role.LEAD, estate=estate)
    make.agrees_to_be_called(session, lead.person_id)
    return estate


@pytest.fixture
def street(settings: Settings) -> WalkingNetwork:
    """Build a street straight north, out of the estate."""
    return streets(settings, {1: (0, 0), 2: (0, 50), 3: (0, 300)}, [1, 2, 3])


@pytest.mark.parametrize(
    ("gate", "saves"),
    [
        ({"passage": "open", "opening_hours": "24/7"}, 0.0),
        ({"passage": "guarded", "opening_hours": "24/7"}, 30.0),
        ({"passage": "residents", "opening_hours": "24/7"}, 30.0),
        ({"passage": "open", "opening_hours": "22:00-23:00"}, 180.0),
    ],
)
def test_a_neighbour_is_asked_to_guide_where_a_gate_delays_others(
    session: Session,
    settings: Settings,
    estate: Estate,
    street: WalkingNetwork,
    gate: dict[str, str],
    saves: float,
) -> None:
    make.gate(session, estate, at=place(0, 50), **gate)
    make.responder(session, at=place(0, 200))

    incident = opened(session, settings, street)

    (made,) = queries.plans(session, incident.id)
    case = load_inputs(made.inputs).case
    assert [each.saved for each in case.offers] == [pytest.approx(saves, abs=0.1)]
    assert case.ambulance_saved == saves
    tasks = [each.task for each in queries.alerts(session, incident.id)]
    assert (Task.GUIDE in tasks) is (saves > 0)


def test_people_cannot_open_the_gate_of_another_estate(
    session: Session, settings: Settings, estate: Estate, street: WalkingNetwork
) -> None:
    make.gate(session, estate, at=place(0, 50), passage="open", opening_hours="24/7")
    other = make.estate(session, around=place(0, 400))
    make.gate(session, other, at=place(0, 150), passage="guarded", opening_hours="24/7")
    make.responder(session, at=place(0, 200))

    incident = opened(session, settings, street)

    (made,) = queries.plans(session, incident.id)
    assert [each.saved for each in load_inputs(made.inputs).case.offers] == [0.0]


def test_on_high_floors_someone_holds_the_lift(session: Session, settings: Settings, estate: Estate) -> None:
    make.gate(session, estate, at=place(0, 50), passage="open", opening_hours="24/7")
    make.responder(session, at=place(0, 150))

    incident = opened(session, settings, None, floor=12)

    (made,) = queries.plans(session, incident.id)
    case = load_inputs(made.inputs).case
    assert [each.saved for each in case.offers] == [settings.planning.lift_held_seconds]
    assert Task.GUIDE in [each.task for each in queries.alerts(session, incident.id)]


# --- eligible guides --------------------------------------------------------------------------------------


def lead_of(session: Session, estate: Estate) -> Person:
    lead = make.person(session)
    make.role(session, lead, Role.LEAD, estate=estate)
    session.flush()
    return lead


@pytest.mark.parametrize(
    ("given", "is_asked"),
    [
        ({}, True),
        ({"availability": None}, True),
        ({"availability": "20:00-22:00"}, False),  # it is 10:00
        ({"paused_until": NOW + timedelta(hours=1)}, False),
        ({"paused_until": NOW - timedelta(hours=1)}, True),
    ],
)
def test_guides_are_alerted_only_in_their_hours_and_not_while_paused(
    session: Session, given: dict[str, Any], is_asked: bool
) -> None:
    estate = make.estate(session)
    lead = lead_of(session, estate)
    make.offer(session, lead, **given)

    assert available_guides(session, estate.id, at=NOW) == ([lead.id] if is_asked else [])


def test_people_without_consent_in_force_never_guide(session: Session) -> None:
    estate = make.estate(session)
    never, withdrew, agrees = (lead_of(session, estate) for _ in range(3))
    for each in (withdrew, agrees):
        make.agrees_to_be_called(session, each.id)
    consents.withdraw_consent(session, ADMINISTRATOR, withdrew.id, ConsentKind.BEING_CALLED, at=NOW)

    assert available_guides(session, estate.id, at=NOW) == [agrees.id]
    assert never.id not in available_guides(session, estate.id, at=NOW)
