"""Standing down those who were asked and are not needed, and taking them back when they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from aed.incidents.actions.timeline import enter
from aed.incidents.models import Alert, Incident
from aed.incidents.queries import incidents as queries
from aed.incidents.queries.coming import Asked
from aed.incidents.rules.enough import enough_of
from aed.incidents.rules.incident import COMES, LIVE, AlertState, Kind, Said, ambulance_seconds, chance_now
from aed.incidents.rules.offer import Offer, Task
from aed.incidents.rules.words import stood_down_words
from aed.notifications import actions as outbox
from aed.notifications.actions import Call, Notice
from aed.settings import Settings


def stand_down(
    session: Session, incident: Incident, alerts: Sequence[Alert], people: Collection[int], *, at: datetime
) -> int:
    """Tell these people, who have not answered, that enough others come; return how many.

    A call that is still in the outbox is cancelled. They may be called again if others drop out. The
    incident is held. visibility: each hears of their own call.
    """
    unneeded = [
        each
        for each in alerts
        if each.person_id in people and each.state in (AlertState.ASKED, AlertState.SEEN)
    ]
    if not unneeded:
        return 0
    outbox.take_back(session, [f"call/{each.id}" for each in unneeded], at)
    text_en, text_zh = stood_down_words(incident.kind)
    notice = Notice(text_en, text_zh, expires_at=max(incident.ambulance_at, at + timedelta(minutes=5)))
    for each in unneeded:
        each.state, each.ended_at = AlertState.STOOD_DOWN, at
    if incident.kind is not Kind.TEST:
        country = incident.region.country
        calls = [Call(each.person_id, f"over/{each.id}", notice, country) for each in unneeded]
        outbox.call(session, calls, at)
    enter(session, incident, "stood_down", "plan", at, alerts=[each.id for each in unneeded])
    session.flush()
    return len(unneeded)


def as_it_stands(alert: Alert, at: datetime, settings: Settings) -> Asked:
    """Somebody who was called, with the chance and the time of now."""
    waited = (at - (alert.seen_at or alert.asked_at)).total_seconds()
    seconds = 0.0 if alert.state is AlertState.THERE else max(0.0, (alert.due_at - at).total_seconds())
    chance = chance_now(alert.state, waited_seconds=waited, numbers=settings.planning)
    due = alert.shown_due_at
    shown = max(0.0, (due - at).total_seconds()) if due is not None else None
    offer = Offer(
        alert.person_id, alert.task, seconds, chance, alert.device_id, alert.works, alert.saved, shown
    )
    return Asked(offer, alert.state in COMES)


def with_device(alerts: Sequence[Alert]) -> set[int]:
    """Who has a device in their hands, by person."""
    return {
        each.person_id
        for each in alerts
        if each.state in COMES and each.device_taken_at is not None and each.device_returned_at is None
    }


def is_needed_again(
    session: Session, incident: Incident, alert: Alert, said: Said, *, at: datetime, settings: Settings
) -> bool:
    """Whether somebody who was stood down and now accepts is needed after all: others have dropped out.

    visibility: the person's own call.
    """
    if alert.state is not AlertState.STOOD_DOWN or said not in (Said.ACCEPT, Said.ON_THE_WAY):
        return False
    alerts = queries.alerts(session, incident.id)
    live = [each for each in alerts if each.state in LIVE]
    enough = enough_of(
        [as_it_stands(each, at, settings).offer for each in live if each.state in COMES],
        with_device=with_device(live),
        can_a_device_come=any(each.task is Task.FETCH for each in live),
        ambulance_seconds=ambulance_seconds(incident.ambulance_at, at, settings.planning),
        planning=settings.planning,
    )
    return not enough.is_needless(as_it_stands(alert, at, settings).offer)
