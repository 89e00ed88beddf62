"""The pages of feeds, issuers and holidays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import regions
from aed.hours.holiday_calendar import DayKind, notice_threshold
from aed.imports.feeds.models import FeedResult
from aed.imports.feeds.queries import feeds
from aed.issuers import queries as issuer_queries
from aed.issuers.models import Issuer
from aed.issuers.rules import IssuerKind, IssuerState, VerifiedBy
from aed.notifications.queries import require_can_see_outbox
from aed.registry.holidays.queries import calendar_ends, holiday_calendars, holiday_year
from aed.web.administration.rules import Asked, Button, Content, Form, Input, Listing, Row, Words
from aed.web.words import noop

SHOWN: Final = 50
NAME: Final = noop("Name")
REMOVE: Final = noop("Remove")
_FEED_RESULTS: Final[Mapping[FeedResult, str]] = {
    FeedResult.TAKEN: noop("imported"),
    FeedResult.UNCHANGED: noop("unchanged"),
    FeedResult.HELD_BACK: noop("too many AEDs are missing: decide"),
    FeedResult.FAILED: noop("failed"),
}
_ISSUER_KINDS: Final[Mapping[IssuerKind, str]] = {
    IssuerKind.RED_CROSS: noop("Red Cross"),
    IssuerKind.AMBULANCE_SERVICE: noop("Ambulance service"),
    IssuerKind.TRAINING_OFFICE: noop("Training office"),
    IssuerKind.OTHER: noop("Other"),
}
_VERIFIED_BY: Final[Mapping[VerifiedBy, str]] = {
    VerifiedBy.NOTHING: noop("nothing"),
    VerifiedBy.ROSTER: noop("its rosters"),
    VerifiedBy.QUERY: noop("asking its service"),
}


# --- Feeds and issuers ----------------------------------------------------------------------------------


def feeds_content(session: Session, viewer: Viewer) -> Content:
    """Feeds with their last run, and the form that adds or changes one."""
    require_can_see_outbox(viewer)
    rows = [
        Row(
            (
                each.name,
                each.every_hours,
                each.last_imported_at,
                each.next_due_at,
                Words(_FEED_RESULTS[each.last_result]) if each.last_result else Words(noop("not run yet")),
                each.last_message,
            ),
            buttons=[Button("remove", REMOVE, each.name, noop("It is no longer fetched. Its AEDs stay."))],
            is_wrong=each.last_result in (FeedResult.FAILED, FeedResult.HELD_BACK),
        )
        for each in feeds(session)
    ]
    columns = (NAME, noop("Every hours"), noop("Imported"), noop("Next"), noop("Result"), noop("Message"))
    return Content(
        listings=[Listing(noop("Feeds"), columns, rows, noop("There is no feed yet."))],
        forms=[
            Form(
                "save",
                noop("Add or change a feed"),
                [
                    Input("name", NAME, is_required=True),
                    Input(
                        "url",
                        noop("Address of the list"),
                        hint=noop("It begins with https://"),
                        is_required=True,
                    ),
                    Input("every_hours", noop("Every hours"), value="24", is_required=True),
                    Input("region", noop("Region of its AEDs"), "select", choices=_region_choices(session)),
                ],
                noop("Save the feed"),
            )
        ],
    )


def _region_choices(session: Session) -> list[tuple[str, str]]:
    return [("", noop("no region")), *((each.code, each.code) for each in regions(session))]


def issuers_content(session: Session, viewer: Viewer, asked: Asked) -> Content:
    """Issuers of certificates, and the form that adds one."""
    require_can_see_outbox(viewer)
    found = issuer_queries.issuers(session, limit=SHOWN + 1, after_id=asked.after)
    courses = issuer_queries.courses_of(session, [each.id for each in found])
    rows = [_issuer_row(each, len(courses[each.id])) for each in found[:SHOWN]]
    columns = (
        noop("Code"),
        noop("Name in Chinese"),
        noop("Name in English"),
        noop("Kind"),
        noop("Verified by"),
        noop("Courses"),
        noop("State"),
    )
    more = f"after={found[SHOWN - 1].id}" if len(found) > SHOWN else ""
    return Content(
        listings=[Listing(noop("Issuers"), columns, rows, noop("There is no issuer yet."), more)],
        forms=[
            Form(
                "add",
                noop("Add an issuer"),
                [
                    Input("code", noop("Code"), hint=noop("Such as lake-red-cross."), is_required=True),
                    Input("name_zh", noop("Name in Chinese"), is_required=True),
                    Input("name_en", noop("Name in English"), is_required=True),
                    Input(
                        "kind",
                        noop("Kind"),
                        "select",
                        choices=[(each.value, name) for each, name in _ISSUER_KINDS.items()],
                    ),
                    Input("region", noop("Region"), "select", choices=_region_choices(session)),
                ],
                noop("Add"),
            )
        ],
    )


def _issuer_row(issuer: Issuer, courses: int) -> Row:
    withdraw = Button(
        "withdraw",
        noop("Withdraw"),
        str(issuer.id),
        noop("No new certificate is linked to it. Certificates that it has issued stay."),
    )
    is_active = issuer.state is IssuerState.ACTIVE
    return Row(
        (
            issuer.code,
            issuer.name_zh,
            issuer.name_en,
            Words(_ISSUER_KINDS[issuer.kind]),
            Words(_VERIFIED_BY[issuer.verified_by]),
            courses,
            Words(noop("active") if is_active else noop("withdrawn")),
        ),
        buttons=[withdraw] if is_active else (),
    )


# --- Holidays -------------------------------------------------------------------------------------------


def holidays_content(session: Session, viewer: Viewer, asked: Asked, at: datetime) -> Content:
    """Calendars by year with the alarm, and the form of a year; `q` names one, such as `CN 2027`."""
    require_can_see_outbox(viewer)
    today = at.date()
    ends = {each.name: each for each in calendar_ends(session, today=today)}
    notices, rows = [], []
    for calendar, years in holiday_calendars(session):
        end = ends.get(calendar.name)
        is_ending = end is not None and notice_threshold(end.days_left) is not None
        if end is not None and is_ending:
            values = {"name": end.name, "year": end.ends_on.year + 1, "days": max(end.days_left, 0)}
            notices.append(
                Words(
                    noop(
                        "%(name)s has no holidays of %(year)s yet: in %(days)s days opening hours become "
                        "unknown around holidays. Enter them below once they are announced."
                    ),
                    values,
                )
            )
        for year in sorted(years, reverse=True):
            _, days = holiday_year(session, calendar.name, year)
            off = sum(each.kind is DayKind.HOLIDAY for each in days)
            rows.append(
                Row(
                    (f"{calendar.name} {year}", off, len(days) - off),
                    href=f"/administration/holidays?q={calendar.name}+{year}",
                    is_wrong=is_ending and year == max(years),
                )
            )
    name, year_text = [*asked.q.split(), "", ""][:2]
    form = _year_form(session, name or "CN", int(year_text) if year_text.isdecimal() else today.year + 1)
    columns = (noop("Calendar and year"), noop("Days off"), noop("Make-up workdays"))
    return Content(
        notices=notices,
        listings=[Listing(noop("Years"), columns, rows, noop("There is no calendar yet."))],
        forms=[form],
    )


def _year_form(session: Session, name: str, year: int) -> Form:
    """Return the form of a year, filled in if the calendar covers it."""
    calendars = {calendar.name: years for calendar, years in holiday_calendars(session)}
    days: dict[DayKind, list[date]] = {DayKind.HOLIDAY: [], DayKind.WORKDAY: []}
    if year in calendars.get(name, []):
        for each in holiday_year(session, name, year)[1]:
            days[each.kind].append(each.day)
    return Form(
        "put",
        noop("Enter the holidays of a year"),
        [
            Input("calendar", noop("Calendar"), value=name, is_required=True),
            Input("year", noop("Year"), value=str(year), is_required=True),
            Input(
                "holidays",
                noop("Days off"),
                "textarea",
                "\n".join(each.isoformat() for each in days[DayKind.HOLIDAY]),
                hint=noop("One day on each line, as 2027-10-01; or a period, as 2027-10-01..2027-10-07."),
                is_required=True,
            ),
            Input(
                "workdays",
                noop("Make-up workdays"),
                "textarea",
                "\n".join(each.isoformat() for each in days[DayKind.WORKDAY]),
            ),
        ],
        noop("Save the year"),
    )
