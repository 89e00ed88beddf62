"""How replies change an alert, who may be alerted again, and when an incident lapses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aed.incidents.alerts.rules import AlertSituation, apply_reply
from aed.incidents.rules import (
    REALERT_REASONS,
    AlertReply,
    AlertState,
    FetchFailure,
    IncidentKind,
    StopReason,
    Task,
    can_be_alerted_again,
    lapses_at,
    next_state,
)
from aed.settings.planning import Planning

OPENED = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
PROGRESS = (
    AlertState.ASKED,
    AlertState.SEEN,
    AlertState.ACCEPTED,
    AlertState.ON_THE_WAY,
    AlertState.THERE,
)
REACHES = {
    AlertReply.SEEN: AlertState.SEEN,
    AlertReply.ACCEPT: AlertState.ACCEPTED,
    AlertReply.ON_THE_WAY: AlertState.ON_THE_WAY,
    AlertReply.DEVICE_TAKEN: AlertState.ON_THE_WAY,
    AlertReply.DEVICE_NOT_THERE: AlertState.ON_THE_WAY,
    AlertReply.CANNOT_OPEN: AlertState.ON_THE_WAY,
    AlertReply.THERE: AlertState.THERE,
    AlertReply.DEVICE_ATTACHED: AlertState.THERE,
    AlertReply.SHOCK_GIVEN: AlertState.THERE,
    AlertReply.HANDED_OVER: AlertState.THERE,
}


@pytest.mark.parametrize(("reply", "reached"), REACHES.items())
def test_a_reply_leads_on_and_never_back(reply: AlertReply, reached: AlertState) -> None:
    for state in PROGRESS:
        is_further = PROGRESS.index(reached) > PROGRESS.index(state)
        assert next_state(state, reply) is (reached if is_further else state)


@pytest.mark.parametrize("state", AlertState)
def test_a_person_can_decline_until_they_are_stopped(state: AlertState) -> None:
    declined = next_state(state, AlertReply.DECLINE)

    assert declined is (AlertState.STOPPED if state is AlertState.STOPPED else AlertState.DECLINED)
    assert next_state(state, AlertReply.DEVICE_RETURNED) is state, "it says nothing about the person"


@pytest.mark.parametrize(("reply", "reached"), REACHES.items())
def test_after_the_end_of_an_alert_only_some_replies_count(reply: AlertReply, reached: AlertState) -> None:
    """A stopped alert stays so. Who declined may come after all. Who was stood down counts once there."""
    is_there, is_seen = reached is AlertState.THERE, reached is AlertState.SEEN

    assert next_state(AlertState.STOPPED, reply) is AlertState.STOPPED
    assert next_state(AlertState.DECLINED, reply) is (AlertState.DECLINED if is_seen else reached)
    assert next_state(AlertState.STOOD_DOWN, reply) is (reached if is_there else AlertState.STOOD_DOWN)


def test_only_an_alert_that_ended_for_others_reasons_is_sent_again() -> None:
    assert {each for each in AlertState if can_be_alerted_again(each, None)} == {AlertState.STOOD_DOWN}
    stopped = {each for each in StopReason if can_be_alerted_again(AlertState.STOPPED, each)}
    assert stopped == REALERT_REASONS
    assert not any(can_be_alerted_again(AlertState.DECLINED, each) for each in StopReason)


@pytest.mark.parametrize("failure", [None, FetchFailure.NOT_THERE])
@pytest.mark.parametrize("task", [Task.DIRECT, Task.FETCH])
def test_a_device_is_taken_by_a_person_who_was_sent_for_one(task: Task, failure: FetchFailure | None) -> None:
    """A person who was sent straight to the patient takes no device, unless a fetch has failed before."""
    before = AlertSituation(AlertState.ACCEPTED, task, has_accepted=True, failure=failure)

    after = apply_reply(before, AlertReply.DEVICE_TAKEN)

    assert before.has_been_sent_for_a_device is after.has_device
    assert after.has_device is (task is Task.FETCH or failure is not None)


def test_an_incident_lapses_after_its_time_or_after_that_from_the_ambulance() -> None:
    numbers = Planning(test_minutes=10.0, exercise_minutes=60.0, lapse_hours=4.0)
    sooner, later = OPENED - timedelta(minutes=5), OPENED + timedelta(minutes=15)

    def lapse(kind: IncidentKind, ambulance_at: datetime) -> datetime:
        return lapses_at(kind, opened_at=OPENED, ambulance_at=ambulance_at, numbers=numbers)

    assert lapse(IncidentKind.REAL, sooner) == OPENED + timedelta(hours=4)
    assert lapse(IncidentKind.REAL, later) == later + timedelta(hours=4)
    assert lapse(IncidentKind.EXERCISE, later) == OPENED + timedelta(minutes=60)
    assert lapse(IncidentKind.TEST, later) == OPENED + timedelta(minutes=10)
