"""What my page shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aed.cells.table import CellTable
from aed.certificates.models import CertificateDeclaration
from aed.certificates.rules import DeclarationState
from aed.geo import Position
from aed.incidents.alerts.queries import OwnAlert
from aed.incidents.rules import IncidentKind
from aed.linked_accounts.models import LinkedAccount
from aed.linked_accounts.schemas import Invitation, sign_invitation
from aed.responders.models import Certificate, ResponderPlace
from aed.responders.queries import HelpOffer
from aed.responders.rules import ConsentKind, PlaceKind, ResponderState
from aed.training.enrolments.queries import OwnEnrolment
from aed.web.my_page.rules import CERTIFICATE_KINDS, HOURS, call_words, enrolment_words
from aed.web.words import noop

SOON: Final = timedelta(days=90)
BEIJING: Final = ZoneInfo("Asia/Shanghai")
"""The time zone of what belongs to no region."""
TABLES: Final[Mapping[str, str]] = {
    "people": noop("Name, number and language"),
    "accounts": noop("Account"),
    "sign_ins": noop("Where you are signed in"),
    "role_grants": noop("Roles"),
    "linked_accounts": noop("Accounts in other provinces"),
    "consents": noop("Consents"),
    "responders": noop("My offer to help"),
    "responder_places": noop("Places where you can be called"),
    "certificates": noop("Certificates"),
    "certificate_declarations": noop("Certificates that you declared"),
    "import_drafts": noop("Lists that you uploaded"),
    "enrolments": noop("Training sessions"),
    "attendances": noop("Attendance"),
    "assessments": noop("Results of training"),
    "outbox": noop("Messages to you"),
    "endpoints": noop("Browsers and mailboxes that get your messages"),
    "alerts": noop("Calls to you"),
    "checks": noop("Device checks"),
    "check_approvals": noop("Checks of others that you approved or refused"),
    "fault_reports": noop("Reports of problems"),
    "devices": noop("Devices in your care"),
    "security_events": noop("Sign-ins and attempts"),
    "person_changes": noop("Changes of your data"),
    "live_places": noop("Where you were while you could be called"),
    "alert_answers": noop("Your answers to calls"),
    "alert_places": noop("Where you were during calls"),
    "earlier_alert_links": noop("Earlier links of calls"),
    "presence_codes_used": noop("Attendance codes"),
    "training_sessions": noop("Sessions that you taught"),
    "training_reminders": noop("Reminders of training"),
    "reminder_messages": noop("Reminders to you"),
    "reminder_recipients": noop("What you were reminded of"),
    "confirmations": noop("Data of AEDs that you confirmed"),
    "retrievals": noop("AEDs that you fetched"),
    "drills": noop("Drills"),
    "wechat_consents": noop("Consents to messages in WeChat"),
    "agreement_parties": noop("Agreements that you decide"),
}
"""Titles of tables for the person."""
OTHER_TABLE: Final = noop("Other records")


@dataclass(frozen=True, slots=True)
class OfferView:
    """The person's offer to help. Texts are English, to be translated."""

    is_active: bool
    is_own: bool
    """False if a list states it: then the person takes it over first."""
    paused_until: str
    hours: str
    """An entry of HOURS, or the expression itself."""
    home: str
    """Coordinates of the home."""
    floor: int
    of_age: bool | None
    estate_id: int | None
    is_callable: bool
    """Whether a certificate is valid: without one nobody is called."""
    has_live_place: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a list: a title, a date, and what became of it in English."""

    title: dict[str, str]
    day: str
    words: str
    is_problem: bool = False
    link: str = ""


def offer_view(offer: HelpOffer, *, at: datetime) -> OfferView:
    """Return what the page shows of an offer."""
    entry = offer.entry
    home = home_of(offer)
    zone = ZoneInfo(offer.region.time_zone) if offer.region is not None else BEIJING
    paused = entry.paused_until if entry is not None else None
    hours = entry.availability or "" if entry is not None else ""
    return OfferView(
        is_active=entry is not None and entry.state is ResponderState.ACTIVE,
        is_own=any(
            each.kind is ConsentKind.BEING_CALLED and each.stated_by is None for each in offer.consents
        ),
        paused_until=minute(paused, str(zone)) if paused is not None and paused > at else "",
        hours=HOURS.get(hours, hours),
        home=f"{home[1].lat:.5f}, {home[1].lon:.5f}" if home is not None else "",
        floor=home[0].floor if home is not None else 0,
        of_age=entry.of_age if entry is not None else None,
        estate_id=entry.estate_id if entry is not None else None,
        is_callable=any(
            each.revoked_at is None and each.valid_until >= at.astimezone(zone).date()
            for each in offer.certificates
        ),
        has_live_place=any(each.kind is ConsentKind.LIVE_PLACE for each in offer.consents),
    )


def home_of(offer: HelpOffer) -> tuple[ResponderPlace, Position] | None:
    """Return the home among the places of an offer, with its position."""
    return next((each for each in offer.places if each[0].kind is PlaceKind.HOME), None)


def certificate_line(certificate: Certificate, *, today: date) -> Line:
    """Return a certificate with the day on which it runs out."""
    kind = CERTIFICATE_KINDS[certificate.kind]
    left = certificate.valid_until - today
    if certificate.revoked_at is not None:
        words = noop("Revoked")
    elif left < timedelta(0):
        words = noop("Expired")
    elif left <= SOON:
        words = noop("Runs out soon")
    else:
        words = noop("Valid")
    return Line(
        title={"en": kind, "zh": kind},
        day=certificate.valid_until.isoformat(),
        words=words,
        is_problem=words != "Valid",
    )


def declaration_line(declared: CertificateDeclaration) -> Line:
    """Return a declared certificate that waits to be confirmed, or was not confirmed."""
    kind = CERTIFICATE_KINDS[declared.kind]
    is_refused = declared.state is DeclarationState.REFUSED
    return Line(
        title={"en": kind, "zh": kind},
        day=declared.valid_until.isoformat(),
        words=noop("Not confirmed: ask the office") if is_refused else noop("Waits to be confirmed"),
        is_problem=is_refused,
        link="" if is_refused else f"/me/certificate/{declared.id}/photo",
    )


def enrolment_line(each: OwnEnrolment) -> Line:
    """Return an enrolment with its session."""
    return Line(
        title={"en": each.course_en, "zh": each.course_zh},
        day=minute(each.starts_at, each.time_zone),
        words=enrolment_words(each.state, each.attendance, each.passed),
        link=f"/learn/enrolments/{each.id}",
    )


def call_line(each: OwnAlert) -> Line:
    """Return a call and how it ended for the person."""
    kind = noop("Exercise") if each.kind is IncidentKind.EXERCISE else noop("Call to a patient")
    return Line(
        title={"en": kind, "zh": kind},
        day=minute(each.alert.asked_at, each.time_zone),
        words=call_words(each.alert),
    )


def minute(at: datetime, time_zone: str) -> str:
    """Return a moment as local date and time."""
    return f"{at.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M}"


@dataclass(frozen=True, slots=True)
class LinkedAccountView:
    """A link to the person's account in another province."""

    id: int
    code: str
    name: Mapping[str, str]
    is_home: bool
    is_confirmed: bool
    is_waiting: bool
    """Confirmed here, and not by the home cell yet."""
    day: date | None
    address: str | None
    """Where the person confirms the link; None once it has expired."""


def linked_account_view(link: LinkedAccount, table: CellTable, *, at: datetime) -> LinkedAccountView:
    """Return what the page shows of a link."""
    cell, address = table.other(link.cell), None
    if cell is not None and link.is_home and link.expires_at is not None and link.expires_at > at:
        token = sign_invitation(table, Invitation(link.cell, link.key, link.expires_at))
        address = f"{cell.address}/me/other-provinces/link/{token}"
    return LinkedAccountView(
        id=link.id,
        code=link.cell,
        name={"en": cell.name_en, "zh": cell.name_zh} if cell else {"en": link.cell, "zh": link.cell},
        is_home=link.is_home,
        is_confirmed=link.confirmed_at is not None,
        is_waiting=not link.is_home and link.confirmed_at is None,
        day=link.confirmed_at.astimezone(BEIJING).date() if link.confirmed_at is not None else None,
        address=address,
    )
