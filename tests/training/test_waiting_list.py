"""Random sequences of enrolment actions: no overbooking, a fair order, and no lost enrolments.

Hypothesis generates the sequences. Each runs on both databases and is compared with a model of four lines.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.database.session import Database
from aed.errors import Conflict
from aed.registry.changes import RegistryChange
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import Enrolment
from aed.training.rules import EnrolmentState
from aed.training.sessions.actions import amend_session
from aed.training.sessions.schemas import SessionAmend
from tests import make
from tests.examples import IS_DEEP
from tests.make import ADMINISTRATOR, NOW

LIVES, STEPS = (100, 40) if IS_DEEP else (15, 25)


class Life(RuleBasedStateMachine):
    """A session with one or two places, ten days from now, and the actions on it."""

    database: Database
    enrolled = Bundle("enrolled")

    def __init__(self) -> None:
        super().__init__()
        self.session: Session = self.database.write_sessions()
        self.now: datetime = NOW
        self.arrived: list[int] = []
        """Enrolment ids in order of arrival, according to the model."""
        self.offered: list[int] = []
        """Enrolment ids in the order of the offers."""

    def teardown(self) -> None:
        self.session.rollback()
        self.session.close()

    @initialize(capacity=st.integers(1, 2))
    def plan(self, capacity: int) -> None:
        self.training = make.training(self.session, capacity=capacity)

    @rule(target=enrolled, count=st.integers(1, 4))
    def come(self, count: int) -> object:
        came = []
        for _ in range(count):
            if self.now >= self.training.enrolment_closes_at:
                with pytest.raises(Conflict):
                    make.enrolment(self.session, self.training, at=self.now)
                break
            came.append(make.enrolment(self.session, self.training, at=self.now).id)
        self.arrived += came
        self.notice_offers()
        return multiple(*came)

    @rule(who=enrolled)
    def leave(self, who: int) -> None:
        self.try_to(enrolment_actions.withdraw, who)

    @rule(who=enrolled)
    def accept(self, who: int) -> None:
        self.try_to(enrolment_actions.accept, who)

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        enrolment_actions.expire_offers(self.session, self.now)
        self.notice_offers()

    @rule(more=st.integers(1, 2))
    def add_places(self, more: int) -> None:
        change = SessionAmend(capacity=self.training.capacity + more)
        version = self.training.version
        self.training = amend_session(
            self.session, ADMINISTRATOR, self.training.id, change, version=version, at=self.now
        )
        self.notice_offers()

    def try_to(self, do: object, who: int) -> None:
        version = self.session.get_one(Enrolment, who, populate_existing=True).version
        before = self.states()
        border = self.session.begin_nested()
        try:
            do(self.session, ADMINISTRATOR, who, version=version, at=self.now)  # type: ignore[operator] # one of two
        except Conflict:
            border.rollback()
            assert self.states() == before, "a refusal changes nothing"
        else:
            border.commit()
        self.notice_offers()

    def states(self) -> dict[int, EnrolmentState]:
        found = select(Enrolment.id, Enrolment.state).where(Enrolment.session_id == self.training.id)
        return {row.id: row.state for row in self.session.execute(found.order_by(Enrolment.id))}

    def notice_offers(self) -> None:
        new = [
            who
            for who, state in self.states().items()
            if state is EnrolmentState.OFFERED and who not in self.offered
        ]
        self.offered += new

    @invariant()
    def nobody_is_lost(self) -> None:
        assert list(self.states()) == self.arrived

    @invariant()
    def no_more_than_its_places_are_held(self) -> None:
        held = [state for state in self.states().values() if state in ("enrolled", "offered")]
        assert len(held) <= self.training.capacity

    @invariant()
    def nobody_waits_beside_a_free_place(self) -> None:
        states = list(self.states().values())
        held = sum(state in ("enrolled", "offered") for state in states)
        if self.now < self.training.starts_at and EnrolmentState.WAITING in states:
            assert held == self.training.capacity

    @invariant()
    def places_are_offered_in_the_order_of_arrival(self) -> None:
        assert self.offered == sorted(self.offered)
        waiting = [who for who, state in self.states().items() if state is EnrolmentState.WAITING]
        if waiting and self.offered:
            assert self.offered[-1] < waiting[0], "nobody who enrolled later was offered a place earlier"

    @invariant()
    def the_record_agrees_with_the_roster(self) -> None:
        kept = self.session.scalars(
            select(RegistryChange).where(RegistryChange.subject == "enrolments").order_by(RegistryChange.id)
        )
        logged: dict[int, EnrolmentState] = {}
        for each in kept:
            if int(each.subject_id) in self.arrived and "state" in each.fields:
                logged[int(each.subject_id)] = EnrolmentState(each.fields["state"][1])
        assert dict(sorted(logged.items())) == self.states()


@pytest.fixture
def life(database: Database) -> type[Life]:
    return type("LifeHere", (Life,), {"database": database})


def test_the_invariants_of_a_session_hold_under_any_sequence_of_steps(life: type[Life]) -> None:
    run_state_machine_as_test(
        life,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # no shrinking, which takes minutes
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_state_machine_detects_a_broken_invariant(
    life: type[Life], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that the state machine detects a list that offers places to the last arrival first."""
    fair = enrolment_queries.active_enrolments

    def unfair(
        session: Session, session_id: int, *states: EnrolmentState, limit: int | None = None
    ) -> object:
        if states != (EnrolmentState.WAITING,):
            return fair(session, session_id, *states, limit=limit)
        return list(reversed(fair(session, session_id, *states)))[:limit]

    monkeypatch.setattr(enrolment_queries, "active_enrolments", unfair)
    with pytest.raises(AssertionError):
        test_the_invariants_of_a_session_hold_under_any_sequence_of_steps(life)
