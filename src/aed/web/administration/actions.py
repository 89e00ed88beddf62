"""What the forms of the administrator's pages do, by the actions that the API and the command line call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from aed.accounts.people.actions import add_person, amend_person
from aed.accounts.people.rules import Language
from aed.accounts.people.schemas import PersonAmend, PersonIn
from aed.accounts.permissions import TokenRole, TokenScope, Viewer, require_administrator
from aed.accounts.regions.queries import region_by_code
from aed.accounts.roles.actions import grant_role, revoke_role
from aed.accounts.roles.schemas import RoleIn
from aed.accounts.sessions import end_sessions
from aed.accounts.tokens import create_token, revoke_token
from aed.errors import InvalidInput
from aed.imports.feeds.actions import FeedIn, remove_feed, save_feed
from aed.imports.feeds.fetching import fetch_limits_in
from aed.issuers import queries as issuer_queries
from aed.issuers.actions import create_issuer, withdraw_issuer
from aed.issuers.schemas import IssuerIn
from aed.notifications.claims import cancel_waiting, send_now
from aed.notifications.endpoints import EndpointInput, new_secret, remove_endpoint, save_endpoint
from aed.notifications.outbox import send_test
from aed.notifications.rules import Channel
from aed.registry.holidays.actions import put_holiday_year
from aed.registry.holidays.queries import holiday_calendars
from aed.registry.holidays.schemas import HolidayYearIn
from aed.settings import Settings
from aed.web.administration.rules import Subject
from aed.web.words import noop

BAD_NUMBER: Final = noop("A number is missing or wrong. Numbers have digits alone.")
BAD_DAY: Final = noop("Write each day as 2027-10-01, or a period as 2027-10-01..2027-10-07.")
BAD_CHOICE: Final = noop("Choose one of the values that the page offers.")
BAD_NAME: Final = noop("A name has 1 to 100 characters that can be printed.")
MAX_DAYS: Final = 3_650


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that was sent: by whom, its fields, and the moment."""

    who: Viewer
    fields: Mapping[str, str]
    settings: Settings
    at: datetime

    def text(self, name: str) -> str:
        return self.fields.get(name, "").strip()

    def optional(self, name: str) -> str | None:
        return self.text(name) or None

    def number(self, name: str) -> int:
        """Return a whole number from 1 on. Raises InvalidInput."""
        given = self.text(name)
        if not (given.isascii() and given.isdecimal() and 0 < len(given) < 19 and int(given) > 0):
            raise InvalidInput(BAD_NUMBER, field=name)
        return int(given)

    def optional_number(self, name: str) -> int | None:
        return self.number(name) if self.text(name) else None


type Act = Callable[[Session, Sent], str | None]
"""Returns a secret that is shown once, if there is one."""


def _add_person(session: Session, sent: Sent) -> None:
    new = PersonIn(name=sent.text("name"), phone=sent.text("phone"), language=Language.ZH)
    add_person(session, sent.who, new, country=sent.settings.phone_country, at=sent.at)


def _edit_person(session: Session, sent: Sent) -> None:
    """Change a person; without a new number the number stays."""
    given: dict[str, Any] = {"name": sent.text("name"), "language": sent.text("language")}
    if phone := sent.optional("phone"):
        given["phone"] = phone
    change = PersonAmend.model_validate(given)
    amend_person(
        session,
        sent.who,
        sent.number("id"),
        change,
        version=sent.number("version"),
        country=sent.settings.phone_country,
        at=sent.at,
    )


def _sign_out(session: Session, sent: Sent) -> None:
    require_administrator(sent.who)
    end_sessions(session, sent.number("id"), at=sent.at)


def _grant_role(session: Session, sent: Sent) -> None:
    new = RoleIn.model_validate(
        {
            "role": sent.text("role"),
            "estate_id": sent.optional_number("estate_id"),
            "region": sent.optional("region"),
        }
    )
    grant_role(session, sent.who, sent.number("person"), new, at=sent.at)


def _revoke_role(session: Session, sent: Sent) -> None:
    revoke_role(session, sent.who, sent.number("id"), at=sent.at)


def _create_token(session: Session, sent: Sent) -> str:
    """Make a token, as `aed tokens create` does; return its key."""
    require_administrator(sent.who)
    name, role, scope = sent.text("name"), sent.text("role"), sent.text("scope")
    if not name or len(name) > 100 or not name.isprintable():
        raise InvalidInput(BAD_NAME, field="name")
    if role not in TokenRole or scope not in TokenScope:
        raise InvalidInput(BAD_CHOICE, field="role")
    days, region = sent.number("days"), sent.optional("region")
    if days > MAX_DAYS:
        raise InvalidInput(BAD_NUMBER, field="days")
    return create_token(
        session,
        name=name,
        role=TokenRole(role),
        scopes={TokenScope.READ, TokenScope(scope)},
        at=sent.at,
        estate_id=sent.optional_number("estate_id"),
        region_id=region_by_code(session, region).id if region is not None else None,
        expires_at=sent.at + timedelta(days=days),
        who=sent.who.name,
    )


def _revoke_token(session: Session, sent: Sent) -> None:
    require_administrator(sent.who)
    revoke_token(session, name=sent.text("id"), at=sent.at, who=sent.who.name)


def _add_endpoint(session: Session, sent: Sent) -> str | None:
    """Add an endpoint; return the new secret of a webhook, which its receiver needs."""
    channel = sent.text("channel")
    if channel not in Channel:
        raise InvalidInput(BAD_CHOICE, field="channel")
    is_webhook = channel == Channel.WEBHOOK
    secret = new_secret() if is_webhook else sent.optional("secret")
    given = EndpointInput(sent.text("name"), Channel(channel), sent.text("address"), secret)
    is_private_allowed = sent.settings.notify_allow_private
    save_endpoint(session, sent.who, given, at=sent.at, is_private_allowed=is_private_allowed)
    return secret if is_webhook else None


def _remove_endpoint(session: Session, sent: Sent) -> None:
    remove_endpoint(session, sent.who, sent.text("id"), at=sent.at)


def _test_endpoint(session: Session, sent: Sent) -> None:
    send_test(session, sent.who, sent.text("id"), at=sent.at)


def _cancel_message(session: Session, sent: Sent) -> None:
    cancel_waiting(session, sent.who, sent.number("id"), at=sent.at)


def _resend_message(session: Session, sent: Sent) -> None:
    send_now(session, sent.who, sent.number("id"), at=sent.at)


def _save_feed(session: Session, sent: Sent) -> None:
    given = FeedIn(
        name=sent.text("name"),
        url=sent.text("url"),
        every_hours=sent.number("every_hours"),
        region=sent.optional("region"),
    )
    save_feed(session, sent.who, given, by=fetch_limits_in(sent.settings), at=sent.at)


def _remove_feed(session: Session, sent: Sent) -> None:
    remove_feed(session, sent.who, sent.text("id"))


def _add_issuer(session: Session, sent: Sent) -> None:
    names = ("code", "name_en", "name_zh", "kind")
    given: dict[str, Any] = {name: sent.text(name) for name in names}
    new = IssuerIn.model_validate(given | {"region": sent.optional("region")})
    create_issuer(session, sent.who, new, at=sent.at)


def _withdraw_issuer(session: Session, sent: Sent) -> None:
    issuer = issuer_queries.issuer(session, sent.number("id"))
    withdraw_issuer(session, sent.who, issuer.id, version=issuer.version, at=sent.at)


def _put_year(session: Session, sent: Sent) -> None:
    name, year = sent.text("calendar"), sent.number("year")
    if not 1990 <= year <= 2100:
        raise InvalidInput(BAD_NUMBER, field="year")
    days = [{"day": day, "kind": "holiday"} for day in days_in(sent.text("holidays"))]
    days += [{"day": day, "kind": "workday"} for day in days_in(sent.text("workdays"))]
    versions = {calendar.name: calendar.version for calendar, _ in holiday_calendars(session)}
    given = HolidayYearIn.model_validate({"days": days})
    if not name or len(name) > 32:
        raise InvalidInput(BAD_NAME, field="calendar")
    put_holiday_year(session, sent.who, name, year, given, version=versions.get(name), at=sent.at)


def days_in(text: str) -> list[date]:
    """Return the days of a text: one or a period `FIRST..LAST` on each line. Raises InvalidInput."""
    found: list[date] = []
    for line in text.split():
        first_text, _, last_text = line.partition("..")
        try:
            first = date.fromisoformat(first_text)
            last = date.fromisoformat(last_text) if last_text else first
        except ValueError:
            raise InvalidInput(BAD_DAY, field="holidays") from None
        if not 0 <= (last - first).days < 60:
            raise InvalidInput(BAD_DAY, field="holidays")
        found += [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return found


ACTS: Final[Mapping[tuple[Subject, str], Act]] = {
    (Subject.PEOPLE, "add"): _add_person,
    (Subject.PEOPLE, "edit"): _edit_person,
    (Subject.PEOPLE, "sign-out"): _sign_out,
    (Subject.ROLES, "grant"): _grant_role,
    (Subject.ROLES, "revoke"): _revoke_role,
    (Subject.TOKENS, "create"): _create_token,
    (Subject.TOKENS, "revoke"): _revoke_token,
    (Subject.ENDPOINTS, "add"): _add_endpoint,
    (Subject.ENDPOINTS, "remove"): _remove_endpoint,
    (Subject.ENDPOINTS, "test"): _test_endpoint,
    (Subject.OUTBOX, "cancel"): _cancel_message,
    (Subject.OUTBOX, "resend"): _resend_message,
    (Subject.FEEDS, "save"): _save_feed,
    (Subject.FEEDS, "remove"): _remove_feed,
    (Subject.ISSUERS, "add"): _add_issuer,
    (Subject.ISSUERS, "withdraw"): _withdraw_issuer,
    (Subject.HOLIDAYS, "put"): _put_year,
}
"""What a form does, by its page and the value of `do`."""
