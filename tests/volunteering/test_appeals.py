"""A volunteer appeals within 15 working days before three parties, none of whom took part."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer
from aed.errors import Conflict, NotAllowed, NotFound
from aed.hours.holiday_calendar import china_calendar
from aed.sharing.rules import PartyRole
from aed.volunteering.appeals import actions, queries
from aed.volunteering.models import ServiceAppeal, ServiceRecord
from aed.volunteering.records import actions as record_actions
from aed.volunteering.records import flags
from aed.volunteering.rules import AppealState, ServiceState, last_day_to_appeal, outcome_of_votes
from tests import make
from tests.make import ADMINISTRATOR, NOW

CN = china_calendar([2025, 2026])


class Panel:
    """An estate with a void record of a volunteer, and a panel of three people."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.estate = make.estate(session)
        self.manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=self.estate)
        self.li = make.volunteer(session, self.estate)
        self.members = {
            party: make.person_with_role(session, Role.RESIDENT, estate=self.estate) for party in PartyRole
        }
        for party, member in self.members.items():
            self.seat(party, member)
        self.record = make.service(session, self.li, self.estate)

    def seat(self, party: PartyRole, member: Viewer) -> None:
        assert member.person_id is not None
        actions.set_panel_member(self.session, ADMINISTRATOR, self.estate.id, party, member.person_id)

    def void(self) -> None:
        record_actions.void_record(self.session, self.manager, self.record.id, reason="Nobody saw", at=NOW)

    def appeal(self, *, after: timedelta = timedelta(days=1)) -> ServiceAppeal:
        return actions.open_appeal(
            self.session, self.li, self.record.id, reason="I was there", at=NOW + after
        )

    def vote(self, appeal: ServiceAppeal, who: Viewer, *, is_granted: bool) -> ServiceAppeal:
        return actions.vote_on_appeal(
            self.session, who, appeal.id, is_granted=is_granted, reason="Seen", at=NOW + timedelta(days=2)
        )


@pytest.fixture
def panel(session: Session) -> Panel:
    return Panel(session)


def test_two_of_three_parties_restore_a_void_record_by_a_new_one(session: Session, panel: Panel) -> None:
    panel.void()
    appeal = panel.appeal()
    first, second, third = panel.members.values()

    assert panel.vote(appeal, first, is_granted=True).state is AppealState.OPEN
    with pytest.raises(Conflict):
        panel.vote(appeal, first, is_granted=True)
    assert panel.vote(appeal, second, is_granted=True).state is AppealState.GRANTED
    with pytest.raises(Conflict):
        panel.vote(appeal, third, is_granted=False)

    made = session.scalars(select(ServiceRecord).where(ServiceRecord.corrects_id == panel.record.id)).one()
    assert (made.state, made.minutes, made.confirmed_by) == (
        ServiceState.CONFIRMED,
        panel.record.minutes,
        actions.PANEL,
    )
    assert session.get_one(ServiceRecord, panel.record.id).state is ServiceState.VOID


def test_two_of_three_parties_dismiss(session: Session, panel: Panel) -> None:
    panel.void()
    appeal = panel.appeal()
    for who in list(panel.members.values())[:2]:
        appeal = panel.vote(appeal, who, is_granted=False)

    assert appeal.state is AppealState.DISMISSED
    corrected = select(ServiceRecord).where(ServiceRecord.corrects_id == panel.record.id)
    assert session.scalars(corrected).all() == []
    with pytest.raises(Conflict):
        panel.appeal()


def test_an_appeal_against_a_hold_releases_it(session: Session, panel: Panel) -> None:
    record_actions.confirm_record(session, panel.manager, panel.record.id, rating=None, at=NOW)
    objector = make.person_with_role(session, Role.RESIDENT, estate=panel.estate)
    flags.object_to_record(session, objector, panel.record.id, reason="No", at=NOW)
    appeal = panel.appeal()
    for who in list(panel.members.values())[:2]:
        panel.vote(appeal, who, is_granted=True)

    record = session.get_one(ServiceRecord, panel.record.id)
    assert (record.state, record.is_held) == (ServiceState.CONFIRMED, False)


def test_neither_the_confirmer_nor_who_voided_it_votes(session: Session, panel: Panel) -> None:
    record_actions.confirm_record(session, panel.manager, panel.record.id, rating=None, at=NOW)
    voider = make.person_with_role(session, Role.ESTATE_MANAGER, estate=panel.estate)
    record_actions.void_record(session, voider, panel.record.id, reason="No", at=NOW)
    appeal = panel.appeal()
    panel.seat(PartyRole.SERVICE_CENTRE, panel.manager)
    panel.seat(PartyRole.OWNERS_COMMITTEE, voider)
    stranger = make.person_with_role(session, Role.RESIDENT, estate=panel.estate)

    for who in (panel.manager, voider):
        with pytest.raises(NotAllowed):
            panel.vote(appeal, who, is_granted=False)
    with pytest.raises(NotFound):
        panel.vote(appeal, stranger, is_granted=False)


def test_nobody_else_appeals_and_nothing_is_appealed_that_stands(session: Session, panel: Panel) -> None:
    with pytest.raises(Conflict):
        panel.appeal()
    panel.void()
    with pytest.raises(NotAllowed):
        actions.open_appeal(session, panel.manager, panel.record.id, reason="For them", at=NOW)
    assert list(queries.appeals(session, panel.li, limit=5)) == []


def test_the_time_to_appeal_ends_after_fifteen_working_days(session: Session, panel: Panel) -> None:
    panel.void()
    last = last_day_to_appeal(NOW.date(), CN)

    with pytest.raises(Conflict, match=str(last)):
        panel.appeal(after=timedelta(days=(last - NOW.date()).days + 1))
    assert panel.appeal(after=timedelta(days=(last - NOW.date()).days)).state is AppealState.OPEN


@pytest.mark.parametrize(
    ("decided_on", "last"),
    [
        # Monday 3 March 2025: three plain weeks.
        pytest.param(date(2025, 3, 3), date(2025, 3, 24), id="plain weeks"),
        # 1 to 8 October are holidays; Sunday 28 September and Saturday 11 October are worked.
        pytest.param(date(2025, 9, 26), date(2025, 10, 23), id="national day with two make-up days"),
    ],
)
def test_make_up_days_count_as_working_days(decided_on: date, last: date) -> None:
    assert last_day_to_appeal(decided_on, CN) == last


def test_two_of_three_votes_decide() -> None:
    assert outcome_of_votes([]) is None
    assert outcome_of_votes([True, False]) is None
    assert outcome_of_votes([True, False, True]) is True
    assert outcome_of_votes([False, False]) is False
