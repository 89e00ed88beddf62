"""What the pages show of a session and of an enrolment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from aed.database.geometry import position_of
from aed.geo import Position, distance_metres, in_mainland_china
from aed.http.map_links import map_links
from aed.training.models import TrainingSession
from aed.training.queries import SessionPlaces
from aed.training.rules import SessionAudience, SessionState
from aed.web.words import noop

WEEKDAYS: Final = (noop("Mon"), noop("Tue"), noop("Wed"), noop("Thu"), noop("Fri"), noop("Sat"), noop("Sun"))


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session in the list and at the head of its own page. Words are {"en", "zh"}."""

    id: int
    course: dict[str, str]
    course_code: str
    hours: str
    awards_certificate: bool
    estate: dict[str, str | None]
    place: dict[str, str]
    day: str
    weekday: str
    """To be translated."""
    time: str
    closes: str
    map_link: str
    km: str | None
    places_free: int
    waiting: int
    for_estate: bool
    is_open: bool
    """Whether people can enrol now."""
    has_begun: bool
    cancelled_why: str | None


def session_line(
    training: TrainingSession, places: SessionPlaces, *, at: datetime, here: Position | None = None
) -> SessionLine:
    """Return the session as it is shown at `at`, with its distance from `here`."""
    zone = ZoneInfo(training.time_zone)
    starts, ends = training.starts_at.astimezone(zone), training.ends_at.astimezone(zone)
    position = position_of(training.position)
    course, estate = training.course, training.estate
    waiting_first = places.waiting > 0  # free places are offered to those who wait
    return SessionLine(
        id=training.id,
        course={"en": course.name_en, "zh": course.name_zh},
        course_code=course.code,
        hours=f"{course.hours:g}",
        awards_certificate=course.certificate_kind is not None,
        estate={"en": estate.name_en, "zh": estate.name_zh} if estate is not None else {},
        place={"en": training.place_en, "zh": training.place_zh},
        day=f"{starts:%Y-%m-%d}",
        weekday=WEEKDAYS[starts.weekday()],
        time=f"{starts:%H:%M}–{ends:%H:%M}",
        closes=local_time(training.enrolment_closes_at, training.time_zone),
        map_link=map_links(position, label=training.place_zh)[
            "amap" if in_mainland_china(position) else "osm"
        ],
        km=f"{distance_metres(here, position) / 1000:.1f}" if here is not None else None,
        places_free=0 if waiting_first else max(0, training.capacity - places.held),
        waiting=places.waiting,
        for_estate=training.audience is SessionAudience.ESTATE,
        is_open=training.state is SessionState.PLANNED and at < training.enrolment_closes_at,
        has_begun=at >= training.starts_at,
        cancelled_why=training.cancelled_why,
    )


def local_time(moment: datetime, time_zone: str) -> str:
    """Format a moment in the time zone of its session."""
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M}"
