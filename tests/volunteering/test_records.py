"""Service is recorded once, confirmed by another person, flagged without punishing, and never deleted."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, Role, Viewer
from aed.accounts.viewers import viewer_of_person
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.registry.estates.models import Estate
from aed.timebank.families.actions import declare_relative, end_relative
from aed.timebank.ledger.posting import balance_of, find_person_account
from aed.timebank.rules import Currency, Relation
from aed.volunteering.models import ServiceEvent, ServiceRecord
from aed.volunteering.records import actions, flags, queries
from aed.volunteering.records.schemas import ServiceCorrectionIn
from aed.volunteering.rules import RULES, FlagKind, ServiceEventKind, ServiceState
from aed.volunteering.volunteers import actions as volunteer_actions
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of

HOUR = timedelta(hours=1)


class Cast:
    """An estate with its manager, two volunteers and a stranger."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.estate: Estate = make.estate(session)
        self.manager: Viewer = make.person_with_role(session, Role.ESTATE_MANAGER, estate=self.estate)
        self.second: Viewer = make.person_with_role(session, Role.ESTATE_MANAGER, estate=self.estate)
        self.li: Viewer = make.volunteer(session, self.estate)
        self.wu: Viewer = make.volunteer(session, self.estate)
        self.stranger: Viewer = make.person_with_role(
            session, Role.ESTATE_MANAGER, estate=make.estate(session, around=east_of(PATIENT, metres=5_000))
        )

    def confirm(self, record: ServiceRecord, who: Viewer | None = None) -> ServiceRecord:
        return actions.confirm_record(self.session, who or self.manager, record.id, rating=5, at=NOW)

    def flags(self, record: ServiceRecord) -> set[FlagKind]:
        return {each.kind for each in queries.flags_of(self.session, [record.id])[record.id]}


@pytest.fixture
def cast(session: Session) -> Cast:
    return Cast(session)


def test_a_stranger_neither_sees_nor_confirms_service(session: Session, cast: Cast) -> None:
    record = make.service(session, cast.li, cast.estate)

    for who in (ANYONE, cast.stranger, cast.wu):
        assert list(queries.records(session, who, limit=10)) == []
    with pytest.raises(NotSignedIn):
        cast.confirm(record, ANYONE)
    for who in (cast.stranger, cast.wu):
        with pytest.raises(NotFound):
            cast.confirm(record, who)
    assert [each.id for each in queries.records(session, cast.li, limit=10)] == [record.id]
    assert [each.id for each in queries.records(session, cast.manager, limit=10)] == [record.id]


def test_another_person_confirms_and_the_record_is_posted_for_seven_days(
    session: Session, cast: Cast
) -> None:
    record = cast.confirm(make.service(session, cast.li, cast.estate))

    assert record.state is ServiceState.CONFIRMED
    assert record.confirmed_by == cast.manager.name
    assert record.notice_from is not None
    assert record.notice_until == record.notice_from + timedelta(days=RULES.notice_days - 1)
    assert not record.is_held
    assert [each.kind for each in queries.events_of(session, record.id)] == [
        ServiceEventKind.RECORDED,
        ServiceEventKind.CONFIRMED,
    ]
    posted = queries.posted_records(
        session, cast.wu, estate_id=cast.estate.id, today=record.notice_until, limit=5
    )
    assert [each.id for each in posted] == [record.id]


def test_neither_the_volunteer_nor_the_recorder_nor_a_relative_confirms(session: Session, cast: Cast) -> None:
    make.registered(session, cast.manager, cast.estate)
    own = make.service(session, cast.manager, cast.estate)
    recorded = make.service(session, cast.li, cast.estate, who=cast.manager)
    of_relative = make.service(session, cast.wu, cast.estate)
    assert cast.wu.person_id is not None
    declare_relative(session, cast.manager, relative_id=cast.wu.person_id, relation=Relation.CHILD, at=NOW)

    for record in (own, recorded, of_relative):
        with pytest.raises(NotAllowed):
            cast.confirm(record)
        cast.confirm(record, cast.second)


def test_a_relative_who_ends_the_declaration_confirms_nothing_for_a_year(
    session: Session, cast: Cast
) -> None:
    record = make.service(session, cast.wu, cast.estate)
    assert cast.wu.person_id is not None
    declared = declare_relative(
        session, cast.manager, relative_id=cast.wu.person_id, relation=Relation.CHILD, at=NOW
    )
    end_relative(session, cast.manager, declared.id, at=NOW)

    with pytest.raises(NotAllowed):
        cast.confirm(record)
    declared.ended_at = NOW - timedelta(days=RULES.relative_days)
    session.flush()
    assert cast.confirm(record).state is ServiceState.CONFIRMED


def test_a_token_confirms_nothing(session: Session, cast: Cast) -> None:
    record = make.service(session, cast.li, cast.estate)

    with pytest.raises(NotAllowed):
        cast.confirm(record, ADMINISTRATOR)


def test_a_lead_confirms_for_their_buildings_only(session: Session, cast: Cast) -> None:
    ours = make.building(session, cast.estate, at=PATIENT)
    other = make.building(session, cast.estate, at=east_of(PATIENT, metres=50))
    lead = make.person_with_role(session, Role.LEAD, estate=cast.estate)
    assert lead.person_id is not None
    volunteer_actions.assign_buildings(session, cast.manager, cast.estate.id, lead.person_id, [ours.id])
    near = make.service(session, cast.li, cast.estate, building_id=ours.id)
    far = make.service(session, cast.wu, cast.estate, building_id=other.id)

    with pytest.raises(NotFound):
        cast.confirm(far, lead)
    assert cast.confirm(near, lead).confirmed_by_id == lead.person_id


def test_the_same_record_sent_again_is_the_same_and_another_under_its_key_is_refused(
    session: Session, cast: Cast
) -> None:
    key = str(uuid4())
    first = make.service(session, cast.li, cast.estate, key=key)

    assert make.service(session, cast.li, cast.estate, key=key).id == first.id
    with pytest.raises(Conflict):
        make.service(session, cast.li, cast.estate, key=key, activity="别的")


def test_overlapping_service_is_refused(session: Session, cast: Cast) -> None:
    make.service(session, cast.li, cast.estate, ended_at=NOW - HOUR, minutes=60)

    with pytest.raises(Conflict):
        make.service(session, cast.li, cast.estate, ended_at=NOW - 1.5 * HOUR, minutes=60)
    make.service(session, cast.li, cast.estate, ended_at=NOW - 2 * HOUR, minutes=60)
    make.service(session, cast.wu, cast.estate, ended_at=NOW - 1.5 * HOUR, minutes=60)


@pytest.mark.parametrize(
    ("ended_at", "minutes"),
    [
        pytest.param(NOW + HOUR, 60, id="not over"),
        pytest.param(NOW - timedelta(days=40), 60, id="too long ago"),
        pytest.param(NOW - HOUR, RULES.max_hand_minutes + 1, id="too long"),
    ],
)
def test_implausible_service_is_refused(
    session: Session, cast: Cast, ended_at: datetime, minutes: int
) -> None:
    with pytest.raises(InvalidInput):
        make.service(session, cast.li, cast.estate, ended_at=ended_at, minutes=minutes)


def test_a_long_day_is_held_and_a_manager_who_did_not_confirm_releases_it(
    session: Session, cast: Cast
) -> None:
    records = [
        make.service(session, cast.li, cast.estate, ended_at=end, minutes=250)
        for end in (NOW - 12 * HOUR, NOW - 16.5 * HOUR)
    ]

    first, second = (cast.confirm(each) for each in records)

    assert cast.flags(second) == {FlagKind.LONG_DAY}
    assert second.is_held
    assert second.state is ServiceState.CONFIRMED
    with pytest.raises(NotAllowed):
        flags.release_record(session, cast.manager, second.id, reason="checked", at=NOW)
    released = flags.release_record(session, cast.second, second.id, reason="checked", at=NOW)
    assert not released.is_held
    assert first.minutes == second.minutes == 250


def test_two_estates_within_an_hour_are_flagged(session: Session, cast: Cast) -> None:
    other = make.estate(session, around=east_of(PATIENT, metres=2_000))
    administrator = make.person_with_role(session, Role.ADMINISTRATOR, region=make.region(session))
    make.service(session, cast.li, cast.estate, ended_at=NOW - 3 * HOUR)
    there = make.service(session, cast.li, other, who=administrator, ended_at=NOW - 1.5 * HOUR, minutes=45)

    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=other)
    assert FlagKind.TWO_SITES in cast.flags(cast.confirm(there, manager))


def test_people_who_confirm_each_other_are_flagged(session: Session, cast: Cast) -> None:
    people = [cast.manager, cast.second, cast.li]
    for each in people[:2]:
        make.registered(session, each, cast.estate)
    assert cast.li.person_id is not None
    person = session.get_one(Person, cast.li.person_id)
    make.role(session, person, Role.ESTATE_MANAGER, estate=cast.estate)
    session.flush()
    li = viewer_of_person(session, person.id)

    first = cast.confirm(make.service(session, cast.second, cast.estate), cast.manager)
    second = cast.confirm(make.service(session, li, cast.estate), cast.second)
    third = cast.confirm(make.service(session, cast.manager, cast.estate), li)

    assert cast.flags(first) == cast.flags(second) == set()
    assert cast.flags(third) == {FlagKind.RING}
    assert third.is_held


def test_a_photo_from_elsewhere_at_another_time_or_used_before_is_flagged(
    session: Session, cast: Cast
) -> None:
    here = {"lat": PATIENT.lat, "lon": PATIENT.lon, "taken_at": NOW - 1.5 * HOUR, "photo_sha256": "a" * 64}
    away = east_of(PATIENT, metres=3_000)
    there = {"lat": away.lat, "lon": away.lon, "taken_at": NOW - 9 * HOUR, "photo_sha256": "a" * 64}

    good = cast.confirm(make.service(session, cast.li, cast.estate, proof=here))
    bad = cast.confirm(make.service(session, cast.wu, cast.estate, proof=there))

    assert cast.flags(good) == set()
    assert cast.flags(bad) == {FlagKind.POSITION, FlagKind.PHOTO_TIME, FlagKind.PHOTO_REUSED}


def test_a_confirmer_reaches_a_limit(session: Session, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    # one in place of 60
    monkeypatch.setattr(actions, "RULES", type(RULES)(max_confirmations_a_day=1))
    cast.confirm(make.service(session, cast.li, cast.estate))

    with pytest.raises(Conflict):
        cast.confirm(make.service(session, cast.wu, cast.estate))


def test_a_member_of_the_team_objects_and_the_points_are_held(session: Session, cast: Cast) -> None:
    record = cast.confirm(make.service(session, cast.li, cast.estate))

    with pytest.raises(NotFound):
        flags.object_to_record(session, cast.stranger, record.id, reason="No", at=NOW)
    flags.object_to_record(session, cast.wu, record.id, reason="He was at home", at=NOW)

    assert cast.flags(record) == {FlagKind.OBJECTION}
    assert record.is_held


def test_a_disputed_record_is_upheld_or_voided_and_then_corrected_once(session: Session, cast: Cast) -> None:
    record = cast.confirm(make.service(session, cast.li, cast.estate))

    disputed = flags.dispute_record(session, cast.second, record.id, reason="Nobody saw it", at=NOW)
    assert disputed.is_held
    with pytest.raises(NotAllowed):
        flags.uphold_record(session, cast.manager, record.id, reason="I did", at=NOW)
    upheld = flags.uphold_record(session, cast.second, record.id, reason="The guard did", at=NOW)
    assert (upheld.state, upheld.is_held) == (ServiceState.CONFIRMED, False)

    actions.void_record(session, cast.second, record.id, reason="Half an hour only", at=NOW)
    new = ServiceCorrectionIn(started_at=record.started_at, ended_at=record.started_at + HOUR / 2)
    corrected = actions.correct_record(session, cast.second, record.id, new, at=NOW)
    assert corrected.minutes == 30
    assert corrected.corrects_id == record.id
    assert corrected.source_id == record.source_id
    with pytest.raises(Conflict):
        actions.correct_record(session, cast.second, record.id, new, at=NOW)
    assert cast.confirm(corrected).state is ServiceState.CONFIRMED


def test_managers_decide_nothing_about_service_that_they_did_recorded_or_confirmed(
    session: Session, cast: Cast
) -> None:
    """Each of the three is a manager of the estate as well."""
    doer, recorder, confirmer, another = (
        make.person_with_role(session, Role.ESTATE_MANAGER, estate=cast.estate) for _ in range(4)
    )
    make.registered(session, doer, cast.estate)
    record = cast.confirm(make.service(session, doer, cast.estate, who=recorder), confirmer)
    flags.dispute_record(session, another, record.id, reason="Nobody saw it", at=NOW)

    for who in (doer, recorder, confirmer):
        with pytest.raises(NotAllowed):
            flags.uphold_record(session, who, record.id, reason="It is right", at=NOW)
        with pytest.raises(NotAllowed):
            flags.release_record(session, who, record.id, reason="It is right", at=NOW)
    upheld = flags.uphold_record(session, another, record.id, reason="The guard saw it", at=NOW)
    assert upheld.state is ServiceState.CONFIRMED


def test_the_database_refuses_to_change_or_delete_what_was_recorded(session: Session, cast: Cast) -> None:
    record = make.service(session, cast.li, cast.estate)
    session.commit()

    for statement in (
        update(ServiceRecord).values(minutes=6_000),
        update(ServiceRecord).values(started_at=NOW - 10 * HOUR),
        delete(ServiceRecord),
        update(ServiceEvent).values(by="somebody else"),
        delete(ServiceEvent),
    ):
        with pytest.raises(DatabaseError):
            session.execute(statement)
        session.rollback()
    assert session.scalar(select(ServiceRecord.minutes).where(ServiceRecord.id == record.id)) == 60


def test_only_confirmed_service_of_its_own_team_is_posted(session: Session, cast: Cast) -> None:
    make.service(session, cast.li, cast.estate)
    assert cast.li.estate_id == cast.estate.id

    posted = queries.posted_records(session, cast.wu, estate_id=cast.estate.id, today=NOW.date(), limit=5)
    assert list(posted) == []


def test_points_are_credited_on_confirmation_held_by_a_flag_and_reversed_when_voided(
    session: Session, cast: Cast
) -> None:
    def points() -> int:
        assert cast.li.person_id is not None
        account = find_person_account(session, cast.li.person_id, Currency.POINTS)
        return balance_of(session, account.id) if account is not None else 0

    record = make.service(session, cast.li, cast.estate)
    assert points() == 0

    cast.confirm(record)
    credited = points()
    assert credited > 0

    flags.object_to_record(session, cast.wu, record.id, reason="He was at home", at=NOW)
    assert points() == 0
    flags.release_record(session, cast.second, record.id, reason="He was not", at=NOW)
    assert points() == credited

    flags.dispute_record(session, cast.second, record.id, reason="Nobody saw it", at=NOW)
    assert points() == 0
    actions.void_record(session, cast.second, record.id, reason="It was another day", at=NOW)
    assert points() == 0
