"""How long incidents last, whom they occupy, and how abandoned ones end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer
from aed.database.session import Database, read_session
from aed.errors import Conflict, InvalidInput, TooManyOpen
from aed.incidents import jobs, queries
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Incident
from aed.incidents.rules import (
    LIVE_STATES,
    AlertReply,
    AlertState,
    IncidentKind,
    IncidentOutcome,
    IncidentState,
    StopReason,
    Task,
    ambulance_seconds,
)
from aed.settings import Settings
from tests import make
from tests.examples import examples
from tests.incidents.test_incidents import answer, dispatcher, report, sent_messages
from tests.make import NOW, PATIENT, east_of, north_of

WHO_ELSE = 8
"""The number of people around each patient."""


def later(**given: float) -> datetime:
    return NOW + timedelta(**given)


@pytest.fixture
def neighbours(session: Session) -> list[int]:
    return [make.responder(session, at=north_of(PATIENT, metres=60.0 * each)) for each in range(1, 6)]


def asked(session: Session, incident: Incident) -> list[tuple[int, str, int | None, datetime]]:
    """Return (person, task, device, expected arrival) of each alert, in order."""
    return [
        (each.person_id, str(each.task), each.device_id, each.due_at)
        for each in queries.alerts(session, incident.id)
    ]


def people_of(session: Session, incident: Incident) -> set[int]:
    return {each.person_id for each in queries.alerts(session, incident.id)}


def resident(session: Session, of: object) -> Viewer:
    return make.person_with_role(session, Role.RESIDENT, estate=of)  # type: ignore[arg-type]  # an estate


# --- people occupied by an incident -----------------------------------------------------------------------


class Other(NamedTuple):
    """An open incident that must not affect a real patient."""

    kind: str
    minutes_ago: int
    metres: int
    accepts: int
    """How many of the people alerted accept."""


_OTHERS = st.lists(
    st.one_of(
        st.builds(
            Other,
            kind=st.sampled_from(("test", "exercise")),
            minutes_ago=st.integers(0, 300),
            metres=st.integers(0, 300),
            accepts=st.integers(0, 8),
        ),
        st.builds(
            Other,
            kind=st.just("real"),
            minutes_ago=st.integers(4 * 60 + 11, 24 * 60),  # the ambulance is expected after ten minutes
            metres=st.integers(0, 300),
            accepts=st.integers(0, 8),
        ),
    ),
    min_size=1,
    max_size=4,
)


@hypothesis_settings(
    max_examples=examples(10),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each example uses another place
)
@given(_OTHERS)
def test_a_real_plan_ignores_tests_exercises_and_lapsed_incidents(
    session: Session, settings: Settings, others: list[Other]
) -> None:
    number = session.scalar(select(func.count()).select_from(Incident)) or 0
    here = north_of(PATIENT, metres=4_000.0 * (number + 1))
    for each in range(1, WHO_ELSE + 1):
        make.responder(session, at=north_of(here, metres=45.0 * each))
    for each in (1, 2):
        make.device(session, at=east_of(here, metres=70.0 * each))
    session.commit()
    alone = asked(session, report(session, settings, where=here))
    session.rollback()

    for other in others:
        at = NOW - timedelta(minutes=other.minutes_ago)
        where = north_of(here, metres=other.metres)
        opened = report(session, settings, where=where, kind=other.kind, at=at)
        # Accepting to fetch for a real patient takes the device, whatever becomes of the incident.
        takes_none = [
            each
            for each in queries.alerts(session, opened.id)
            if opened.kind is not IncidentKind.REAL or each.task is not Task.FETCH
        ]
        for alert in takes_none[: other.accepts]:
            answer(session, settings, alert, AlertReply.ACCEPT, at=at + timedelta(seconds=20))
    session.commit()
    beside = report(session, settings, where=here)

    assert alone
    assert asked(session, beside) == alone
    session.commit()


def test_silent_people_are_free_after_three_minutes_and_accepted_ones_are_not(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    first = report(session, settings)
    comes, *silent = queries.alerts(session, first.id)
    answer(session, settings, comes, AlertReply.ACCEPT, at=later(seconds=20))
    away = north_of(PATIENT, metres=400)

    soon = report(session, settings, where=away, at=later(seconds=170))
    assert not people_of(session, soon) & {each.person_id for each in (comes, *silent)}
    lifecycle.close_incident(
        session, dispatcher(session), soon.id, IncidentOutcome.FALSE_ALARM, None, at=later(seconds=171)
    )

    late = people_of(session, report(session, settings, where=away, at=later(seconds=400)))
    assert comes.person_id not in late
    assert late & {each.person_id for each in silent}


def test_an_exercise_alerts_nobody_who_is_alerted_to_a_real_patient(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    real = report(session, settings)
    called = people_of(session, real)
    exercise = report(session, settings, kind="exercise", at=later(minutes=9))
    assert called
    assert not people_of(session, exercise) & called


def test_a_real_alert_takes_people_out_of_an_exercise_and_says_so(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    exercise = report(session, settings, kind="exercise")
    for alert in queries.alerts(session, exercise.id):
        answer(session, settings, alert, AlertReply.ACCEPT, at=later(seconds=10))
    alerts = queries.alerts(session, exercise.id)  # people no longer needed are stood down
    drilled = {each.person_id for each in alerts if each.state in LIVE_STATES}

    real = report(session, settings, where=north_of(PATIENT, metres=40), at=later(seconds=60))

    called = people_of(session, real)
    assert called & drilled
    texts = {person: text for person, text in sent_messages(session) if not text.startswith("EXERCISE")}
    for person in called & drilled:
        assert texts[person].startswith("REAL EMERGENCY, not an exercise.")
    for person in called - drilled:
        assert texts[person].startswith("Suspected cardiac arrest")
    for alert in queries.alerts(session, exercise.id):
        left = alert.person_id in called & drilled
        assert (alert.state is AlertState.STOPPED) is left
        assert (alert.stop_reason == StopReason.CALLED_AWAY) is left
    assert "left" in [each.kind for each in queries.events(session, exercise.id)]


def test_people_who_accept_two_calls_go_to_the_one_they_accepted_last(
    session: Session, settings: Settings
) -> None:
    make.responder(session, at=north_of(PATIENT, metres=50))
    first = report(session, settings)
    second = report(session, settings, where=north_of(PATIENT, metres=300), at=later(minutes=4))
    (one,), (two,) = queries.alerts(session, first.id), queries.alerts(session, second.id)
    assert one.person_id == two.person_id

    answer(session, settings, one, AlertReply.ACCEPT, at=later(minutes=4, seconds=10))
    session.refresh(two)
    assert two.state is AlertState.STOPPED
    assert two.stop_reason == StopReason.COMES_ELSEWHERE
    assert one.state is AlertState.ACCEPTED


def test_forty_busy_people_do_not_hide_free_ones(session: Session, settings: Settings) -> None:
    settings = settings.model_copy(
        update={"planning": settings.planning.model_copy(update={"people": 3, "max_alerts_per_wave": 3})}
    )
    for each in range(1, 7):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * each))
    first = people_of(session, report(session, settings))
    second = people_of(session, report(session, settings, where=north_of(PATIENT, metres=-120)))
    assert len(first) == len(second) == 3
    assert not first & second


# --- limits on open reports -------------------------------------------------------------------------------


def test_a_resident_may_have_two_open_reports_and_is_referred_to_the_emergency_number(
    session: Session, settings: Settings
) -> None:
    home = make.estate(session)
    who = resident(session, home)

    def report_at(metres: float, who: Viewer = who, at: datetime = NOW) -> Incident:
        return report(session, settings, who, where=north_of(PATIENT, metres=metres), at=at)

    first = report_at(-190)
    second = report_at(-60)
    with pytest.raises(TooManyOpen, match=r"Call 120 now.*请立即拨打120"):
        report_at(60)
    assert report_at(-190).id == first.id, "of the same patient"
    lifecycle.update_signs(
        session, dispatcher(session), second.id, has_cpr=True, at=NOW, network=None, settings=settings
    )
    assert report_at(60).id not in (first.id, second.id), "a dispatcher has confirmed one"
    with pytest.raises(TooManyOpen):
        report_at(180)
    assert report_at(180, at=later(hours=5)).id, "what is over does not count"


def test_an_estate_may_have_five_open_reports_and_a_dispatcher_any_number(
    session: Session, settings: Settings
) -> None:
    home = make.estate(session, boundary=make.square(PATIENT, metres=2_000))

    def report_at(metres: float, who: Viewer) -> Incident:
        return report(session, settings, who, where=north_of(PATIENT, metres=metres))

    for each in range(5):
        report_at(150.0 * each, resident(session, home))
    with pytest.raises(TooManyOpen, match="This estate has"):
        report_at(1_200, resident(session, home))
    for each in range(6):
        report_at(-150.0 * (each + 1), dispatcher(session))


def test_unconfirmed_reports_take_nobody_from_a_confirmed_patient(
    session: Session, settings: Settings
) -> None:
    """Six residents of three estates send twelve reports around a real patient."""
    homes = [make.estate(session, around=east_of(PATIENT, metres=800.0 * each)) for each in range(3)]
    for each in range(12):
        make.responder(session, at=north_of(PATIENT, metres=25.0 * each))
    session.commit()
    alone = asked(session, report(session, settings, floor=1))
    session.rollback()

    for number, home in enumerate(homes):
        for neighbour in range(2):
            who = resident(session, home)
            for each in range(2):
                metres = 120.0 * (2 * neighbour + each) - 180
                where = north_of(east_of(PATIENT, metres=800.0 * number), metres=metres)
                report(session, settings, who, where=where)
    invented = session.scalars(select(Incident)).all()
    assert len(invented) == 12
    assert sum(len(queries.alerts(session, each.id)) for each in invented) >= len(alone)

    assert asked(session, report(session, settings, floor=1)) == alone


def test_a_dispatchers_report_is_confirmed_and_a_residents_is_not(
    session: Session, settings: Settings
) -> None:
    home = make.estate(session)
    incident = report(session, settings, resident(session, home))
    assert incident.confirmed_at is None
    assert report(session, settings).id == incident.id
    assert incident.confirmed_at is not None


# --- abandoned incidents ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "just_before", "over"),
    [
        ("test", timedelta(minutes=9), timedelta(minutes=10)),
        ("exercise", timedelta(minutes=119), timedelta(minutes=120)),
        ("real", timedelta(hours=4, minutes=9), timedelta(hours=4, minutes=10)),
    ],
)
def test_an_incident_that_nobody_closes_lapses(
    session: Session,
    settings: Settings,
    database: Database,
    neighbours: list[int],
    kind: str,
    just_before: timedelta,
    over: timedelta,
) -> None:
    incident = report(session, settings, kind=kind, ambulance_seconds=600)
    session.commit()
    assert jobs.close_lapsed_incidents(database, NOW + just_before, settings=settings)[0] == 0
    assert jobs.close_lapsed_incidents(database, NOW + over, settings=settings)[0] == 1
    assert jobs.close_lapsed_incidents(database, NOW + over, settings=settings)[0] == 0, "once"

    session.expire_all()
    assert (incident.state, incident.outcome, incident.closed_by) == (
        IncidentState.CLOSED,
        IncidentOutcome.LAPSED,
        "timetable",
    )
    assert not any(each.state in LIVE_STATES for each in queries.alerts(session, incident.id))
    assert [each.kind for each in queries.events(session, incident.id)][-1] == "closed"


def test_a_lapsed_incident_counts_as_closed_before_the_job_runs(
    session: Session, settings: Settings, database: Database, neighbours: list[int]
) -> None:
    incident = report(session, settings, case_number="47")
    at = later(hours=5)
    session.commit()
    assert jobs.replan_due_incidents(database, at, network_of=lambda: None, settings=settings) == (0, 0)
    with pytest.raises(Conflict):
        report(session, settings, case_number="47", at=at)
    session.rollback()
    assert report(session, settings, at=at).id != incident.id, "not of the same patient"
    alert = queries.alerts(session, incident.id)[0]
    count = len(queries.alerts(session, incident.id))
    answer(session, settings, alert, AlertReply.DECLINE, at=at)
    assert len(queries.alerts(session, incident.id)) == count, "nobody more is called"


def test_two_workers_close_and_remind_once(
    session: Session, settings: Settings, database: Database, neighbours: list[int]
) -> None:
    region = make.region(session)
    make.person_with_role(session, Role.DISPATCHER, region=region)
    test, real = report(session, settings, kind="test"), report(session, settings)
    session.commit()

    def work(_: int) -> tuple[int, int]:
        return jobs.close_lapsed_incidents(database, later(minutes=16), settings=settings)

    with ThreadPoolExecutor(2) as workers:
        done = list(workers.map(work, range(2)))
    assert [sum(each) for each in zip(*done, strict=True)] == [1, 1]
    with read_session(database) as own:
        kinds = [each.kind for each in queries.events(own, test.id)]
        assert kinds.count("closed") == 1
        assert [each.kind for each in queries.events(own, real.id)].count("reminded") == 1


def test_dispatchers_are_reminded_of_open_incidents_once_per_estimate(
    session: Session, settings: Settings, database: Database
) -> None:
    region = make.region(session)
    mine, other = (make.person_with_role(session, Role.DISPATCHER, region=region) for _ in range(2))
    incident = report(session, settings, mine, ambulance_seconds=600)
    session.commit()

    def remind(at: datetime) -> int:
        return jobs.close_lapsed_incidents(database, at, settings=settings)[1]

    assert remind(later(minutes=14)) == 0
    assert remind(later(minutes=15)) == 1
    assert remind(later(minutes=20)) == 0
    (message,) = sent_messages(session)
    assert message[0] == mine.person_id != other.person_id
    assert f"Incident {incident.id} is still open. The ambulance was expected 5 min ago." in message[1]
    lifecycle.update_ambulance(
        session, mine, incident.id, 300, at=later(minutes=21), network=None, settings=settings
    )
    session.commit()
    assert remind(later(minutes=30)) == 0
    assert remind(later(minutes=31)) == 1


def test_without_a_reporting_dispatcher_all_of_the_region_are_reminded(
    session: Session, settings: Settings, database: Database
) -> None:
    region, home = make.region(session), make.estate(session)
    dispatchers = [make.person_with_role(session, Role.DISPATCHER, region=region) for _ in range(2)]
    elsewhere = make.region(session, "CN-44")
    make.person_with_role(session, Role.DISPATCHER, region=elsewhere)
    report(session, settings, resident(session, home))
    session.commit()
    jobs.close_lapsed_incidents(database, later(minutes=15), settings=settings)
    reminded = {person for person, text in sent_messages(session) if "still open" in text}
    assert reminded == {each.person_id for each in dispatchers}


def test_a_lapsed_incident_can_get_its_outcome_later(
    session: Session, settings: Settings, database: Database
) -> None:
    incident, who = report(session, settings), dispatcher(session)
    with pytest.raises(InvalidInput):
        lifecycle.close_incident(session, who, incident.id, IncidentOutcome.LAPSED, None, at=NOW)
    session.commit()
    jobs.close_lapsed_incidents(database, later(hours=5), settings=settings)
    session.expire_all()
    lifecycle.close_incident(session, who, incident.id, IncidentOutcome.HANDED_OVER, None, at=later(hours=6))
    assert incident.outcome is IncidentOutcome.HANDED_OVER


# --- case numbers of closed incidents ---------------------------------------------------------------------


@pytest.mark.parametrize("ended", ["closed", "over"])
def test_a_case_number_or_key_of_a_closed_incident_is_a_conflict(
    session: Session, settings: Settings, neighbours: list[int], ended: str
) -> None:
    key = "7d0a8f2e-8d3b-4b63-9c0e-2f9f2a5f6a10"
    incident = report(session, settings, case_number="47", key=key)
    at = later(hours=5)
    if ended == "closed":
        at = later(minutes=20)
        lifecycle.close_incident(
            session, dispatcher(session), incident.id, IncidentOutcome.HANDED_OVER, None, at=at
        )
    with pytest.raises(Conflict, match="nobody is being called"):
        report(session, settings, case_number="47", at=at)
    with pytest.raises(Conflict, match="nobody is being called"):
        report(session, settings, case_number="47", key=key, at=at)
    assert report(session, settings, case_number="48", at=at).id != incident.id


def test_people_are_alerted_even_if_the_ambulance_is_late(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    """The only responder declines two minutes after the ambulance was expected; others are alerted."""
    incident = report(session, settings, ambulance_seconds=300)
    early = people_of(session, incident)
    newcomer = make.responder(session, at=east_of(PATIENT, metres=40))
    session.commit()

    answer(
        session, settings, queries.alerts(session, incident.id)[0], AlertReply.DECLINE, at=later(minutes=7)
    )

    assert people_of(session, incident) - early == {newcomer}, (
        "asked as if the ambulance were three minutes away"
    )
    numbers = settings.planning
    assert ambulance_seconds(NOW, later(minutes=16), numbers) == 0.0, "by then it is taken to be there"
    assert ambulance_seconds(later(minutes=4), NOW, numbers) == 240.0
