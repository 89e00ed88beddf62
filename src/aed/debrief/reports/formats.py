"""Render the after-action report as PDF, in Chinese and English; the layout is in report.typ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from aed.debrief.labels import (
    ITEM_LABELS,
    KIND_LABELS,
    MOMENT_LABELS,
    NOT_ASKED_LABELS,
    OUTCOME_LABELS,
    STATE_LABELS,
    TASK_LABELS,
    VALUE_LABELS,
    Label,
    plan_reason_label,
)
from aed.debrief.outcomes.rules import IDENTIFYING_ITEMS, ITEMS, is_recorded
from aed.debrief.reports.queries import AfterAction
from aed.files.typesetting import pdf_of
from aed.incidents.models import Alert
from aed.incidents.rules import IncidentKind, Task
from aed.upkeep.rules import OUTCOME_WORDS, short_number

_NOTHING: Final = "–"
_MARKED: Final[Mapping[IncidentKind, Label]] = {
    IncidentKind.EXERCISE: ("There was no real patient.", "无真实患者。"),
    IncidentKind.TEST: ("It was only planned; no one was alerted.", "仅生成方案，未通知任何人。"),
}
_NOT_ASKED_AFTER: Final = ("return not yet asked about", "尚未询问")
_ASKED_AFTER: Final = ("asked about its return, no answer yet", "已询问，待答复")

type _Row = dict[str, Any]  # what a template takes


def report_pdf(about: AfterAction) -> bytes:
    """Render what was planned and done, for dispatchers to learn from.

    People appear as numbers; names, telephone numbers, the patient's location and age are left out. The same
    record gives the same bytes. Raises PaperNotMade.
    """
    incident, zone = about.incident, ZoneInfo(about.incident.region.time_zone)
    estate, outcome = incident.estate, incident.outcome
    given = {
        "number": str(incident.id),
        "kind": _in_both_languages(KIND_LABELS[incident.kind]),
        "mark": "" if incident.kind is IncidentKind.REAL else " ".join(reversed(KIND_LABELS[incident.kind])),
        "marked": _in_both_languages(_MARKED[incident.kind]) if incident.kind in _MARKED else None,
        "is_open": outcome is None,
        "outcome": _in_both_languages(OUTCOME_LABELS[outcome]) if outcome is not None else None,
        "estate": {"zh": estate.name_zh, "en": estate.name_en} if estate is not None else None,
        "region": {"zh": incident.region.name_zh, "en": incident.region.name_en},
        "opened": f"{incident.opened_at.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        "time_zone": incident.region.time_zone,
        "as_of": f"{about.as_of.astimezone(zone):%Y-%m-%d %H:%M:%S}",
        "reports": str(about.reports),
        "plans": str(about.plans),
        "timings": list(_timings(about, zone)),
        "totals": _totals(about),
        "waves": [
            {
                "number": str(each.number),
                "after": _time_since_call(each.made_at, incident.opened_at),
                "reason": _in_both_languages(plan_reason_label(each.reason)),
                "asked": [str(each.asked.get(task, 0)) for task in Task],
                "left": [
                    {**_in_both_languages(NOT_ASKED_LABELS[reason]), "count": str(count)}
                    for reason, count in sorted(each.left.items())
                ],
            }
            for each in about.waves
        ],
        "calls": [_call(each, incident.opened_at) for each in about.alerts],
        "devices": _devices(about),
        "items": list(_items(about, zone)),
        "entries": str(about.entries),
        "broken": str(about.first_broken) if about.first_broken is not None else None,
        "hash": about.last_hash,
    }
    return pdf_of(__package__, "report.typ", given, made_at=about.as_of)


def _timings(about: AfterAction, zone: ZoneInfo) -> Iterator[_Row]:
    """Yield what happened in the order in which it should; what nobody reported is included, empty."""
    incident, measured, expected = about.incident, about.measured, about.expected
    fetched = [
        each.there_at for each in about.alerts if each.task is Task.FETCH and each.there_at is not None
    ]
    at: Mapping[str, datetime | None] = {
        "collapsed_at": measured.collapsed_at,
        "called_at": measured.called_at,
        "asked_at": min((each.asked_at for each in about.alerts), default=None),
        "accepted_at": min((each.accepted_at for each in about.alerts if each.accepted_at), default=None),
        "first_there_at": measured.first_there_at,
        "compressions_at": measured.compressions_at,
        "device_there_at": min(fetched, default=None),
        "attached_at": measured.attached_at,
        "shock_at": measured.shock_at,
        "first_shock_recorded": about.items.first_shock_at,
        "ambulance_there_at": measured.ambulance_there_at,
        "closed_at": incident.closed_at,
    }
    for name, moment in at.items():
        if name == "first_shock_recorded" and moment is None:
            continue
        planned: datetime | None = getattr(expected, name, None)
        yield {
            "name": _in_both_languages(MOMENT_LABELS[name]),
            "clock": f"{moment.astimezone(zone):%H:%M:%S}" if moment is not None else _NOTHING,
            "after": _time_since_call(moment, incident.opened_at),
            "planned": _time_since_call(planned, incident.opened_at),
            "late": _delay(moment, planned),
        }


def _totals(about: AfterAction) -> list[_Row]:
    found = [(task, about.measured.calls[task]) for task in Task if task in about.measured.calls]
    rows = [
        {"task": _in_both_languages(TASK_LABELS[task]), "counts": [str(each) for each in calls]}
        for task, calls in found
    ]
    if len(rows) > 1:
        rows.append(
            {
                "task": _in_both_languages(TASK_LABELS["all"]),
                "counts": [str(each) for each in about.measured.all_calls],
            }
        )
    return rows


def _call(alert: Alert, opened_at: datetime) -> _Row:
    return {
        "number": str(alert.id),
        "wave": str(alert.plan_number),
        "task": _in_both_languages(TASK_LABELS[alert.task]),
        "device": short_number(alert.device_id) if alert.device_id is not None else "",
        "moments": [
            _time_since_call(each, opened_at) for each in (alert.asked_at, alert.seen_at, alert.accepted_at)
        ],
        "due": _time_since_call(alert.shown_due_at, opened_at),
        "there": _time_since_call(alert.there_at, opened_at),
        "late": _delay(alert.there_at, alert.shown_due_at),
        "state": _in_both_languages(STATE_LABELS[alert.state]),
    }


def _devices(about: AfterAction) -> list[_Row]:
    """Return each device that somebody was asked to fetch: by how many, and what became of it."""
    fetches: dict[int, list[Alert]] = {}
    for alert in about.alerts:
        if alert.device_id is not None:
            fetches.setdefault(alert.device_id, []).append(alert)
    return [
        {
            "device": short_number(device_id),
            "asked": str(len(alerts)),
            "came": [
                {"call": str(each.id), **_in_both_languages(_arrival_outcome(about, each))}
                for each in alerts
                if each.accepted_at
            ],
        }
        for device_id, alerts in fetches.items()
    ]


def _arrival_outcome(about: AfterAction, alert: Alert) -> Label:
    if alert.id not in about.returned:
        return _NOT_ASKED_AFTER
    outcome = about.returned[alert.id]
    return OUTCOME_WORDS[outcome] if outcome is not None else _ASKED_AFTER


def _items(about: AfterAction, zone: ZoneInfo) -> Iterator[_Row]:
    """Yield what is known of the patient, except age and sex."""
    for item in ITEMS:
        if item in IDENTIFYING_ITEMS or not is_recorded(about.items, item):
            continue
        value = getattr(about.items, item)
        if isinstance(value, datetime):
            clock = f"{value.astimezone(zone):%H:%M:%S}"
            words = clock, clock
        else:
            words = VALUE_LABELS.get(str(value), (str(value), str(value)))
        yield {"name": _in_both_languages(ITEM_LABELS[item]), "value": _in_both_languages(words)}


def _in_both_languages(words: Label) -> dict[str, str]:
    return {"en": words[0], "zh": words[1]}


def _time_since_call(moment: datetime | None, opened_at: datetime) -> str:
    """Format minutes and seconds after the call; with a minus before it."""
    return _NOTHING if moment is None else _minutes_and_seconds((moment - opened_at).total_seconds(), plus="")


def _delay(moment: datetime | None, planned: datetime | None) -> str:
    """Format how much later than planned; with a minus if earlier."""
    if moment is None or planned is None:
        return ""
    return _minutes_and_seconds((moment - planned).total_seconds(), plus="+")


def _minutes_and_seconds(seconds: float, *, plus: str) -> str:
    whole = round(abs(seconds))
    sign = "" if not whole else "−" if seconds < 0 else plus
    return f"{sign}{whole // 60}:{whole % 60:02}"
