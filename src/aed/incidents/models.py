"""Tables of incidents, alerts, plans, records, drills and dispatch centres."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    Enum,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aed.accounts.people.models import Person
from aed.accounts.regions.models import Region
from aed.database.encryption.columns import Encrypted
from aed.database.types import BigIntId, Table, Versioned, enum_column
from aed.incidents.rules import (
    AgeGroup,
    AlertReply,
    AlertState,
    FetchFailure,
    Hazard,
    IncidentKind,
    IncidentOutcome,
    IncidentState,
    StopReason,
    Task,
    TimeOfDay,
)
from aed.lookup.arrival import Basis
from aed.notifications.models import EndpointRow
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate

_OPEN = text("state = 'open'")
_IS_OUT = text("out_device_id IS NOT NULL AND device_settled_at IS NULL")
_NOT_DEBRIEFED = text("closed_at IS NOT NULL AND (debriefed_at IS NULL OR followed_up_at IS NULL)")


def _unchecked_enum(enumeration: type[StrEnum]) -> Enum:
    """Return an enumeration's column without a CHECK: SQLite cannot add one to an existing table."""
    return Enum(
        enumeration,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        create_constraint=False,
        length=32,
    )


class Incident(Versioned, Table):
    """A patient at a place and a time."""

    __tablename__ = "incidents"
    __table_args__ = (
        CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed_at_some_time"),
        CheckConstraint("(closed_at IS NULL) = (outcome IS NULL)", name="closed_somehow"),
        Index("ix_incidents_open", "id", postgresql_where=_OPEN, sqlite_where=_OPEN),
        Index(
            "ix_incidents_debriefed",
            "closed_at",
            postgresql_where=_NOT_DEBRIEFED,
            sqlite_where=_NOT_DEBRIEFED,
        ),
        Index("ix_incidents_replan", "replan_at", postgresql_where=_OPEN, sqlite_where=_OPEN),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    kind: Mapped[IncidentKind] = mapped_column(enum_column(IncidentKind, name="kind"))
    state: Mapped[IncidentState] = mapped_column(
        enum_column(IncidentState, name="state"), default=IncidentState.OPEN
    )
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    estate_id: Mapped[int | None] = mapped_column(ForeignKey("estates.id"), index=True)
    """The estate whose boundary contains the patient."""
    lat: Mapped[float] = mapped_column(Double)
    """Degrees, WGS-84, as is `lon`."""
    lon: Mapped[float] = mapped_column(Double)
    floor: Mapped[int] = mapped_column(default=0)
    address: Mapped[str | None] = mapped_column(Encrypted("incidents.address"))
    """Beyond the gate: building, stairs, flat. Shown to people who accepted, and to dispatchers."""
    door_code: Mapped[str | None] = mapped_column(Encrypted("incidents.door_code"))
    has_cpr: Mapped[bool] = mapped_column(default=False)
    """Somebody at the scene is doing compressions."""
    collapsed_at: Mapped[datetime]
    """As far as is known; otherwise when it was reported."""
    opened_at: Mapped[datetime]
    opened_by: Mapped[str] = mapped_column(String(200))
    ambulance_at: Mapped[datetime]
    """When the ambulance is expected at the patient's side."""
    ambulance_there_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    """When a dispatcher first reported or updated it; None: only other people have reported it."""
    reminded_at: Mapped[datetime | None]
    """When its dispatchers were reminded that it is still open; cleared when the ambulance's arrival
    changes.
    """
    place_corrected_at: Mapped[datetime | None]
    """When a dispatcher last corrected the location."""
    calling_held_at: Mapped[datetime | None]
    """Since when alerting has been on hold; None: it is not."""
    radius_metres: Mapped[float | None] = mapped_column(Double)
    """Radius within which people are searched; None: the setting."""
    age_group: Mapped[AgeGroup] = mapped_column(
        _unchecked_enum(AgeGroup), default=AgeGroup.UNKNOWN, server_default=text("'unknown'")
    )
    hazard: Mapped[Hazard] = mapped_column(
        _unchecked_enum(Hazard), default=Hazard.NONE, server_default=text("'none'")
    )
    hazard_note: Mapped[str | None] = mapped_column(Encrypted("incidents.hazard_note"))
    replan_at: Mapped[datetime | None]
    """When it is due to be planned again if nothing happens before."""
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(200))
    outcome: Mapped[IncidentOutcome | None] = mapped_column(enum_column(IncidentOutcome, name="outcome"))
    debriefed_at: Mapped[datetime | None]
    """When those who came were thanked, and questions about their devices were opened."""
    followed_up_at: Mapped[datetime | None]
    """When those who were at the patient's side were asked how they are."""
    version: Mapped[int] = mapped_column(server_default=text("1"))

    region: Mapped[Region] = relationship(lazy="raise")
    estate: Mapped[Estate | None] = relationship(lazy="raise")


class IncidentReport(Table):
    """A report of a patient. Reports of the same patient belong to the same incident."""

    __tablename__ = "incident_reports"
    __table_args__ = (
        UniqueConstraint("key"),
        UniqueConstraint("reported_by", "case_number"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"), index=True)
    key: Mapped[str] = mapped_column(String(36))
    """Chosen by the reporter: a report sent again under the same key is the same report."""
    digest: Mapped[str] = mapped_column(String(64))
    case_number: Mapped[str | None] = mapped_column(String(64))
    """The dispatch centre's own number."""
    reported_by: Mapped[str] = mapped_column(String(200))
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    reported_at: Mapped[datetime]
    lat: Mapped[float] = mapped_column(Double)
    lon: Mapped[float] = mapped_column(Double)
    note: Mapped[str | None] = mapped_column(Encrypted("incident_reports.note"))
    floor: Mapped[int | None]
    """As this report says, as are `address` and `door_code`: needed if two patients were taken for one."""
    address: Mapped[str | None] = mapped_column(Encrypted("incident_reports.address"))
    door_code: Mapped[str | None] = mapped_column(Encrypted("incident_reports.door_code"))
    split_from_id: Mapped[int | None] = mapped_column(BigInteger)
    """The incident that the report was joined to before a dispatcher split it off."""


class IncidentExclusion(Table):
    """A person or a device that a dispatcher excluded from an incident's plan, until it is lifted."""

    __tablename__ = "incident_exclusions"
    __table_args__ = (
        CheckConstraint("(person_id IS NULL) <> (device_id IS NULL)", name="a_person_or_a_device"),
        CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted_by_somebody"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    device_id: Mapped[int | None] = mapped_column(ForeignKey("devices.id"), index=True)
    excluded_at: Mapped[datetime]
    excluded_by: Mapped[str] = mapped_column(String(200))
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(String(200))


class Alert(Table):
    """The alert of one person to one incident; a person has at most one per incident."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("incident_id", "person_id"),
        UniqueConstraint("key_hash"),
        CheckConstraint("(task = 'fetch') = (device_id IS NOT NULL)", name="a_device_to_fetch"),
        Index("ix_alerts_out", "out_device_id", postgresql_where=_IS_OUT, sqlite_where=_IS_OUT),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    task: Mapped[Task] = mapped_column(enum_column(Task))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("devices.id"), index=True)
    p_device_works: Mapped[float] = mapped_column(Double)
    """Probability that the device is in place and works, as planned."""
    seconds_saved: Mapped[float] = mapped_column(Double, server_default=text("0"))
    """Seconds that a guide saves the person, as planned."""
    plan_number: Mapped[int]
    """Number of the incident's plan that sent the alert."""
    due_at: Mapped[datetime]
    """When the person would be at the patient's side. Exact: show `shown_due_at` instead."""
    coarse_due_at: Mapped[datetime | None]
    """The same computed from the centre of the person's cell. None: an alert of an earlier release."""
    state: Mapped[AlertState] = mapped_column(enum_column(AlertState), default=AlertState.ASKED)
    key_hash: Mapped[str] = mapped_column(String(64))
    """Hash of the secret in the alert's latest link; see `EarlierAlertLink`."""
    asked_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    there_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    """When the person declined, or the alert was stopped."""
    stop_reason: Mapped[StopReason | None] = mapped_column(_unchecked_enum(StopReason))
    """None for alerts of releases that did not store it."""
    device_taken_at: Mapped[datetime | None]
    """When the person reported having the device; `device_used_at` and `device_returned_at` likewise."""
    device_used_at: Mapped[datetime | None]
    device_returned_at: Mapped[datetime | None]
    fetch_failure: Mapped[FetchFailure | None] = mapped_column(enum_column(FetchFailure))
    """Why the person came away without the device; their task is direct from then on."""
    out_device_id: Mapped[int | None] = mapped_column(ForeignKey("devices.id"))
    """The device that is not offered to others because of this alert (`alerts.rules.is_device_unavailable`);
    kept in step by `alerts.answers`.
    """
    device_settled_at: Mapped[datetime | None]
    """When upkeep took over: from then on it decides whether the device is offered."""

    person: Mapped[Person] = relationship(lazy="raise")
    device: Mapped[Device | None] = relationship(lazy="raise", foreign_keys=[device_id])

    @property
    def shown_due_at(self) -> datetime | None:
        """Arrival time as dispatchers see it: exact only once the person has accepted."""
        return self.coarse_due_at if self.accepted_at is None else self.due_at


class EarlierAlertLink(Table):
    """A link that an alert was sent under before its person was alerted again; it opens the same alert.

    Text messages may arrive late or out of order: whichever the person taps must work.
    """

    __tablename__ = "earlier_alert_links"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"), index=True)


class StoredReply(Table):
    """A reply that was received, by its key: the same reply sent again is ignored."""

    __tablename__ = "alert_answers"

    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"), primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(36), primary_key=True)
    """Chosen by the phone, once per tap."""
    reply: Mapped[AlertReply] = mapped_column(enum_column(AlertReply, name="reply"))
    at: Mapped[datetime]


class AlertLocation(Table):
    """Location of a person on the way to a patient, reported by their phone."""

    __tablename__ = "alert_places"
    __table_args__ = (
        UniqueConstraint("alert_id", "at"),
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="exact_or_not"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"))
    cell: Mapped[int] = mapped_column(BigInteger)
    """H3 index."""
    lat: Mapped[float | None] = mapped_column(Double)
    """Degrees, WGS-84, as is `lon`. Deleted after a day."""
    lon: Mapped[float | None] = mapped_column(Double)
    at: Mapped[datetime] = mapped_column(index=True)


class IncidentPlan(Table):
    """A plan with all its inputs: planned again from them, it is the same."""

    __tablename__ = "incident_plans"

    incident_id: Mapped[int] = mapped_column(
        ForeignKey("incidents.id"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(100))
    inputs: Mapped[str] = mapped_column(Text)
    """JSON of PlanInputs: the case and the settings."""
    outcome: Mapped[str] = mapped_column(Text)
    """JSON of Plan: who is asked, what each adds, who is not asked and why."""


class IncidentEvent(Table):
    """An entry of an incident's record. Entries are never changed; each holds the hash of the one before."""

    __tablename__ = "incident_events"

    incident_id: Mapped[int] = mapped_column(
        ForeignKey("incidents.id"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(32))
    who: Mapped[str] = mapped_column(String(200))
    payload: Mapped[str] = mapped_column(Text)
    """JSON object."""
    hash: Mapped[str] = mapped_column(String(64))
    """HMAC-SHA256 over the previous entry's hash and this entry."""
    key_id: Mapped[str | None] = mapped_column(String(8))
    """Id of the key that signed it; None: an entry of an earlier release, hashed with plain SHA-256."""


class DispatchCentre(Table):
    """A dispatch centre of a region: it sends signed messages, and is notified of incidents there.

    Name, address and secrets are those of its endpoint. It is connected while the endpoint is open.
    """

    __tablename__ = "centres"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id"), unique=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)

    endpoint: Mapped[EndpointRow] = relationship(lazy="raise")
    region: Mapped[Region] = relationship(lazy="raise")

    @property
    def teller(self) -> str:
        """The name under which records mention it."""
        return f"centre:{self.endpoint.name}"


class IncidentMessage(Table):
    """A message that a program sent under an id of its own: sent again, it gets the same answer."""

    __tablename__ = "incident_messages"
    __table_args__ = (UniqueConstraint("reported_by", "key"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"), index=True)
    reported_by: Mapped[str] = mapped_column(String(200))
    key: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the program's id."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the message."""
    answer: Mapped[str] = mapped_column(Text)
    """JSON: the incident after the message was processed."""
    reported_at: Mapped[datetime]


class Drill(Table):
    """A timed fetch, from a start to the device and back, with the walk that the lookup computed for it."""

    __tablename__ = "drills"
    __table_args__ = (
        CheckConstraint("seconds > 0", name="seconds"),
        CheckConstraint("walk_metres >= 0", name="walk_metres"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn_by_somebody"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key: Mapped[str] = mapped_column(String(36), unique=True)
    """Chosen by the reporter, once per drill."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the report: the same report again is the same drill."""
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), index=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    """The device's estate at the time."""
    start_lat: Mapped[float] = mapped_column(Double)
    """Degrees, WGS-84, as is `start_lon`."""
    start_lon: Mapped[float] = mapped_column(Double)
    start_floor: Mapped[int]
    device_floor: Mapped[int]
    seconds: Mapped[float] = mapped_column(Double)
    """From leaving the start to being back with the device."""
    walk_metres: Mapped[float] = mapped_column(Double)
    """One way; in an exercise, half of the way by the device to the patient."""
    basis: Mapped[Basis] = mapped_column(enum_column(Basis))
    floor_seconds: Mapped[float] = mapped_column(Double)
    """Seconds on stairs and in lifts, there and back, as the lookup computes them."""
    ran_at: Mapped[datetime]
    reported_at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    by_name: Mapped[str] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(String(500))
    withdrawn_at: Mapped[datetime | None]
    """Since when it does not count."""
    withdrawn_by: Mapped[str | None] = mapped_column(String(200))


class ShowUpCount(Table):
    """How many people of a region's real calls saw, accepted and came, by time of day; recounted each
    night.
    """

    __tablename__ = "show_up_counts"
    __table_args__ = (CheckConstraint("there <= due AND due <= accepted AND seen <= asked", name="in_order"),)

    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), primary_key=True, autoincrement=False)
    time_of_day: Mapped[TimeOfDay] = mapped_column(enum_column(TimeOfDay), primary_key=True)
    asked: Mapped[int]
    seen: Mapped[int]
    accepted: Mapped[int]
    due: Mapped[int]
    there: Mapped[int]
