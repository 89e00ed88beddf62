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
from aed.accounts.regions import Region
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


def _one_of(enumeration: type[StrEnum]) -> Enum:
    """Return a column of values without a CHECK: SQLite adds none to a table that is there."""
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
    """Within whose boundary the patient is."""
    lat: Mapped[float] = mapped_column(Double)
    """Degrees, WGS-84; so the next."""
    lon: Mapped[float] = mapped_column(Double)
    floor: Mapped[int] = mapped_column(default=0)
    address: Mapped[str | None] = mapped_column(Encrypted("incidents.address"))
    """Beyond the gate: building, stairs, flat. For those who come, and the dispatchers."""
    door_code: Mapped[str | None] = mapped_column(Encrypted("incidents.door_code"))
    has_cpr: Mapped[bool] = mapped_column(default=False)
    """Somebody there is doing compressions."""
    collapsed_at: Mapped[datetime]
    """As far as anybody knows; else when it was reported."""
    opened_at: Mapped[datetime]
    opened_by: Mapped[str] = mapped_column(String(200))
    ambulance_at: Mapped[datetime]
    """When it is expected at the patient's side."""
    ambulance_there_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    """When a dispatcher first reported it or said how it goes on; None: only other people's word."""
    reminded_at: Mapped[datetime | None]
    """When its dispatchers were reminded that it is still open; None again once they say anything new."""
    place_corrected_at: Mapped[datetime | None]
    """When a dispatcher last said that the patient is elsewhere."""
    calling_held_at: Mapped[datetime | None]
    """Since when nobody more is asked unless a dispatcher says so."""
    radius_metres: Mapped[float | None] = mapped_column(Double)
    """How far people are looked for; None: as it is set for all."""
    age_group: Mapped[AgeGroup] = mapped_column(
        _one_of(AgeGroup), default=AgeGroup.UNKNOWN, server_default=text("'unknown'")
    )
    hazard: Mapped[Hazard] = mapped_column(
        _one_of(Hazard), default=Hazard.NONE, server_default=text("'none'")
    )
    hazard_note: Mapped[str | None] = mapped_column(Encrypted("incidents.hazard_note"))
    replan_at: Mapped[datetime | None]
    """When it is planned again without anybody saying anything."""
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(200))
    outcome: Mapped[IncidentOutcome | None] = mapped_column(enum_column(IncidentOutcome, name="outcome"))
    debriefed_at: Mapped[datetime | None]
    """When those who came were thanked, and devices asked after."""
    followed_up_at: Mapped[datetime | None]
    """When those who were at the patient's side were asked how they are."""
    version: Mapped[int] = mapped_column(server_default=text("1"))

    region: Mapped[Region] = relationship(lazy="raise")
    estate: Mapped[Estate | None] = relationship(lazy="raise")


class IncidentReport(Table):
    """What somebody said of a patient. Two of one patient belong to one incident."""

    __tablename__ = "incident_reports"
    __table_args__ = (
        UniqueConstraint("key"),
        UniqueConstraint("reported_by", "case_number"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"), index=True)
    key: Mapped[str] = mapped_column(String(36))
    """Made up by whoever tells of it: the same again is the same report."""
    digest: Mapped[str] = mapped_column(String(64))
    case_number: Mapped[str | None] = mapped_column(String(64))
    """Of the dispatch centre."""
    reported_by: Mapped[str] = mapped_column(String(200))
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    reported_at: Mapped[datetime]
    lat: Mapped[float] = mapped_column(Double)
    lon: Mapped[float] = mapped_column(Double)
    note: Mapped[str | None] = mapped_column(Encrypted("incident_reports.note"))
    floor: Mapped[int | None]
    """As this report has it; so the next two. For taking two patients apart who were taken for one."""
    address: Mapped[str | None] = mapped_column(Encrypted("incident_reports.address"))
    door_code: Mapped[str | None] = mapped_column(Encrypted("incident_reports.door_code"))
    split_from_id: Mapped[int | None] = mapped_column(BigInteger)
    """The incident that it was joined to, until a dispatcher said that it is another patient."""


class IncidentExclusion(Table):
    """A person or a device that a dispatcher took out of an incident's plan, until it is lifted."""

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
    """One person who is called to one incident: once, whatever happens."""

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
    """The chance that the device is there and works, as it was planned."""
    seconds_saved: Mapped[float] = mapped_column(Double, server_default=text("0"))
    """Seconds that a guide saves on the way, as it was planned."""
    plan_number: Mapped[int]
    """By which plan of the incident."""
    due_at: Mapped[datetime]
    """When the person is at the patient's side, if the person comes. Exact: see `shown_due_at`."""
    coarse_due_at: Mapped[datetime | None]
    """The same reckoned from the centre of the cell that the person was in. None: of an older alert."""
    state: Mapped[AlertState] = mapped_column(enum_column(AlertState), default=AlertState.ASKED)
    key_hash: Mapped[str] = mapped_column(String(64))
    """Of the link by which it is answered."""
    asked_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    there_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    """Declined or stopped."""
    stop_reason: Mapped[StopReason | None] = mapped_column(_one_of(StopReason))
    """None for alerts that were stopped before these were kept."""
    device_taken_at: Mapped[datetime | None]
    """When the person said that they have the device; so the next two."""
    device_used_at: Mapped[datetime | None]
    device_returned_at: Mapped[datetime | None]
    fetch_failure: Mapped[FetchFailure | None] = mapped_column(enum_column(FetchFailure))
    """Why the person came away without the device; the task is direct then."""
    out_device_id: Mapped[int | None] = mapped_column(ForeignKey("devices.id"))
    """The device that is not offered because of this alert, as `rules.answering.is_out` says; kept in step by
    `actions.fetched_devices`."""
    device_settled_at: Mapped[datetime | None]
    """Since when upkeep knows what became of that device: it says from then on whether it is offered."""

    person: Mapped[Person] = relationship(lazy="raise")
    device: Mapped[Device | None] = relationship(lazy="raise", foreign_keys=[device_id])

    @property
    def shown_due_at(self) -> datetime | None:
        """When the person is there, as dispatchers see it: exact once the person has accepted."""
        return self.coarse_due_at if self.accepted_at is None else self.due_at


class StoredReply(Table):
    """A tap on the page of a call, known by its key: sent again, it changes nothing."""

    __tablename__ = "alert_answers"

    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"), primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(36), primary_key=True)
    """Made up by the phone, once for each tap."""
    reply: Mapped[AlertReply] = mapped_column(enum_column(AlertReply, name="reply"))
    at: Mapped[datetime]


class AlertLocation(Table):
    """Where somebody was on the way to a patient, by the phone."""

    __tablename__ = "alert_places"
    __table_args__ = (
        UniqueConstraint("alert_id", "at"),
        CheckConstraint("(lat IS NULL) = (lon IS NULL)", name="exact_or_not"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    alert_id: Mapped[int] = mapped_column(ForeignKey("alerts.id"))
    cell: Mapped[int] = mapped_column(BigInteger)
    """Of H3."""
    lat: Mapped[float | None] = mapped_column(Double)
    """Degrees, WGS-84; so the next. For a day."""
    lon: Mapped[float | None] = mapped_column(Double)
    at: Mapped[datetime] = mapped_column(index=True)


class IncidentPlan(Table):
    """A plan with all that it follows from: made again from that, it is the same."""

    __tablename__ = "incident_plans"

    incident_id: Mapped[int] = mapped_column(
        ForeignKey("incidents.id"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(String(100))
    inputs: Mapped[str] = mapped_column(Text)
    """JSON: the case and the numbers."""
    outcome: Mapped[str] = mapped_column(Text)
    """JSON: who is asked, what each adds, who is left and why."""


class IncidentEvent(Table):
    """One thing that happened. Never amended: each holds the hash of the one before."""

    __tablename__ = "incident_events"

    incident_id: Mapped[int] = mapped_column(
        ForeignKey("incidents.id"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str] = mapped_column(String(32))
    who: Mapped[str] = mapped_column(String(200))
    payload: Mapped[str] = mapped_column(Text)
    """JSON."""
    hash: Mapped[str] = mapped_column(String(64))
    """HMAC-SHA256 over the hash of the one before and all of this one."""
    key_id: Mapped[str | None] = mapped_column(String(8))
    """Of the key that signed it; None: of the old form, a plain SHA-256."""


class DispatchCentre(Table):
    """A dispatch centre of a region: its signed messages are believed, and it is told what happens there.

    Its name, address and secrets are its endpoint's; it is one as long as that is open.
    """

    __tablename__ = "centres"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("endpoints.id"), unique=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)

    endpoint: Mapped[EndpointRow] = relationship(lazy="raise")
    region: Mapped[Region] = relationship(lazy="raise")

    @property
    def teller(self) -> str:
        """Who it is in records."""
        return f"centre:{self.endpoint.name}"


class IncidentMessage(Table):
    """What a program has told of an incident under an id of its own. The same again is answered the same."""

    __tablename__ = "incident_messages"
    __table_args__ = (UniqueConstraint("reported_by", "key"),)

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(ForeignKey("incidents.id"), index=True)
    reported_by: Mapped[str] = mapped_column(String(200))
    key: Mapped[str] = mapped_column(String(64))
    """SHA-256 of what the program calls it."""
    digest: Mapped[str] = mapped_column(String(64))
    """Of what it said."""
    answer: Mapped[str] = mapped_column(Text)
    """JSON: the incident as it stood afterwards."""
    reported_at: Mapped[datetime]


class Drill(Table):
    """One timed fetch, from a start to the device and back; with the walk as the lookup had it then."""

    __tablename__ = "drills"
    __table_args__ = (
        CheckConstraint("seconds > 0", name="seconds"),
        CheckConstraint("walk_metres >= 0", name="walk_metres"),
        CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn_by_somebody"),
    )

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    key: Mapped[str] = mapped_column(String(36), unique=True)
    """Made up by whoever tells of it, once for each."""
    digest: Mapped[str] = mapped_column(String(64))
    """Of what was said: the same again is the same drill."""
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id"), index=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    """The device's at the time."""
    start_lat: Mapped[float] = mapped_column(Double)
    """Degrees, WGS-84; so the next."""
    start_lon: Mapped[float] = mapped_column(Double)
    start_floor: Mapped[int]
    device_floor: Mapped[int]
    seconds: Mapped[float] = mapped_column(Double)
    """From the start to the device and back at the start, as timed."""
    walk_metres: Mapped[float] = mapped_column(Double)
    """One way; in an exercise half of the way by the device to the patient."""
    basis: Mapped[Basis] = mapped_column(enum_column(Basis))
    floor_seconds: Mapped[float] = mapped_column(Double)
    """There and back on stairs and in lifts, as the lookup reckons."""
    ran_at: Mapped[datetime]
    reported_at: Mapped[datetime]
    by_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    by_name: Mapped[str] = mapped_column(String(200))
    note: Mapped[str | None] = mapped_column(String(500))
    withdrawn_at: Mapped[datetime | None]
    """It was no such fetch after all: it does not count."""
    withdrawn_by: Mapped[str | None] = mapped_column(String(200))


class ShowUpCount(Table):
    """People of a region's real calls at a time of day; counted anew each night from the alerts."""

    __tablename__ = "show_up_counts"
    __table_args__ = (CheckConstraint("there <= due AND due <= accepted AND seen <= asked", name="in_order"),)

    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), primary_key=True, autoincrement=False)
    time_of_day: Mapped[TimeOfDay] = mapped_column(enum_column(TimeOfDay), primary_key=True)
    asked: Mapped[int]
    seen: Mapped[int]
    accepted: Mapped[int]
    due: Mapped[int]
    there: Mapped[int]
