"""Factories of domain objects for tests; every value that a test doesn't give has a default."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyotp
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people import actions as people_actions
from aed.accounts.people.models import Person
from aed.accounts.people.schemas import PersonIn
from aed.accounts.permissions import ANYONE, Audience, Role, TokenRole, TokenScope, Viewer
from aed.accounts.regions.actions import put_region
from aed.accounts.regions.models import Region
from aed.accounts.regions.schemas import RegionIn
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles import actions as role_actions
from aed.accounts.roles.schemas import RoleIn
from aed.accounts.sessions import SESSION_KEY_PREFIX, SignIn
from aed.accounts.sign_in import passwords
from aed.accounts.sign_in.models import SecondFactor
from aed.accounts.sign_in.rules import FactorKind
from aed.accounts.tokens import create_token, hash_key
from aed.accounts.viewers import viewer_of_person
from aed.calendars.actions import create_address
from aed.calendars.models import CalendarKind
from aed.certificates.models import CertificateDeclaration
from aed.database.geometry import position_of
from aed.geo import Position
from aed.imports.devices.models import Review, SourceRecord
from aed.imports.devices.rules import ReviewKind, digest_of
from aed.imports.models import SavedMapping
from aed.incidents.calls.actions import report_patient
from aed.incidents.centres.actions import add_centre
from aed.incidents.drills.actions import report_drill
from aed.incidents.drills.schemas import DrillIn
from aed.incidents.models import Alert, Drill, Incident, IncidentExclusion, IncidentReport
from aed.incidents.rules import Task
from aed.incidents.schemas import PatientReportIn
from aed.issuers import actions as issuer_actions
from aed.issuers.models import Issuer
from aed.issuers.schemas import IssuerIn
from aed.notifications.models import OutboxMessage
from aed.notifications.short_links import find_link
from aed.planning.coverage.actions import ask_region_preview, make_preview
from aed.planning.coverage.models import CoveragePreview, RegionPreview
from aed.planning.coverage.schemas import RegionStepIn, StepIn
from aed.registry.changes import RegistryChange
from aed.registry.devices import actions as device_actions
from aed.registry.devices.models import Device
from aed.registry.devices.rules import ConsumableKind
from aed.registry.devices.schemas import ConsumableIn, DeviceIn
from aed.registry.estates import actions as estate_actions
from aed.registry.estates.actions import ImportedBuilding, put_buildings
from aed.registry.estates.models import Building, Estate, Gate
from aed.registry.estates.schemas import EstateIn, GateIn
from aed.responders.actions import (
    CertificateGiven,
    PlaceGiven,
    ResponderGiven,
    consents,
    offering,
    save_responder,
)
from aed.responders.models import Responder
from aed.responders.queries import HelpOffer
from aed.responders.rules import CertificateKind, CertificateTrust, ConsentKind, PlaceKind, current_wording
from aed.responders.schemas import OfferIn
from aed.settings import Settings
from aed.settings.upkeep import Reminding, Returns
from aed.sharing.agreements import actions as agreement_actions
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.agreements.schemas import AgreementDraft
from aed.sharing.costs.actions import open_cost_cases
from aed.sharing.decisions import actions as decision_actions
from aed.sharing.decisions.schemas import PartyDecisionIn
from aed.sharing.models import Agreement, CostCase
from aed.sharing.rules import DecisionKind, PartyRole
from aed.timebank.apps import actions as app_actions
from aed.timebank.goods import actions as goods_actions
from aed.timebank.goods.models import Goods, GoodsOrder
from aed.timebank.ledger.actions import credit_service
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.models import ClientApp, Inheritance, LedgerAccount, Mandate, Relative, WebhookEventType
from aed.timebank.rules import (
    UNITS_PER_POINT,
    Currency,
    ExchangeState,
    OfferKind,
    Relation,
    ServiceKind,
)
from aed.timebank.services.models import ServiceExchange, ServiceOffer
from aed.timebank.webhooks import actions as webhook_actions
from aed.training.courses import actions as course_actions
from aed.training.courses.schemas import CourseIn
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments.schemas import EnrolmentIn
from aed.training.models import Course, Enrolment, IssuerBatch, TrainerGrade, TrainingSession
from aed.training.rosters import actions as roster_actions
from aed.training.rules import AttendanceState, MarkedBy
from aed.training.sessions import actions as session_actions
from aed.training.sessions.schemas import SessionIn
from aed.upkeep.checks import actions as check_actions
from aed.upkeep.checks.actions import RecordedCheck
from aed.upkeep.checks.photo import picture_without_traces
from aed.upkeep.checks.schemas import CheckIn, PolicyIn
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.models import (
    Check,
    ConfirmationRequest,
    FaultReport,
    Photo,
    Policy,
    Recall,
    Retrieval,
    Sighting,
)
from aed.upkeep.recalls import actions as recall_actions
from aed.upkeep.recalls.schemas import RecallIn
from aed.upkeep.reminders import actions as reminder_actions
from aed.upkeep.reminders.models import Reminder, ReminderRecipient
from aed.upkeep.retrievals import actions as retrieval_actions
from aed.upkeep.retrievals.schemas import RetrievalIn
from aed.upkeep.rounds.actions import assign_rounds
from aed.upkeep.rounds.models import InspectionRound
from aed.upkeep.rounds.planning import RoundQuestion, plan_rounds
from aed.upkeep.rules import DueKind, Fact, FaultKind, ReminderLevel
from aed.upkeep.spares import actions as spare_actions
from aed.upkeep.spares.models import SpareMovement, SpareStock
from aed.upkeep.spares.schemas import SpareMovementIn, SpareStockIn
from aed.volunteering.certificates import actions as proof_actions
from aed.volunteering.certificates.schemas import ServiceCertificateIn, ServiceIssuerIn
from aed.volunteering.models import (
    PlatformBatch,
    ProofRequest,
    ServiceCertificate,
    ServiceIssuer,
    ServiceRecord,
    Volunteer,
)
from aed.volunteering.platforms import actions as batch_actions
from aed.volunteering.platforms.schemas import BatchIn
from aed.volunteering.records import actions as service_actions
from aed.volunteering.records.schemas import ServiceIn
from aed.volunteering.volunteers import actions as volunteer_actions
from aed.volunteering.volunteers.schemas import VolunteerIn
from aed.walking.network import WalkingNetwork

NOW = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
"""Tuesday, 10:00 in China; not a holiday."""
PATIENT = Position(30.29, 120.10)
ADMINISTRATOR = Viewer(role=TokenRole.ADMINISTRATOR, name="test", scopes=frozenset(TokenScope))
METRES_PER_DEGREE = 111_195.0

_numbers = itertools.count(1)

__all__ = ["ANYONE"]


def north_of(place: Position, *, metres: float) -> Position:
    return Position(place.lat + metres / METRES_PER_DEGREE, place.lon)


def east_of(place: Position, *, metres: float) -> Position:
    return Position(place.lat, place.lon + metres / METRES_PER_DEGREE / math.cos(math.radians(place.lat)))


def region(session: Session, code: str = "CN-33", **given: Any) -> Region:
    """Return the region with that code; add it (in China by default) if it doesn't exist."""
    found = session.scalar(select(Region).where(Region.code == code))
    if found is not None:
        return found
    fields = {
        "code": code,
        "name_en": f"Region {code}",
        "name_zh": f"区域{code}",
        "country": "CN",
        "time_zone": "Asia/Shanghai",
        "emergency_number": "120",
        "holiday_calendar": "CN",
    }
    return put_region(session, RegionIn.model_validate(fields | given))[0]


def square(centre: Position, *, metres: float = 200.0) -> dict[str, Any]:
    """Return a GeoJSON square around `centre` whose sides are twice `metres` long."""
    north, south = north_of(centre, metres=metres), north_of(centre, metres=-metres)
    east, west = east_of(centre, metres=metres), east_of(centre, metres=-metres)
    ring = [
        [west.lon, south.lat],
        [east.lon, south.lat],
        [east.lon, north.lat],
        [west.lon, north.lat],
        [west.lon, south.lat],
    ]
    return {"type": "Polygon", "coordinates": [ring]}


def estate(session: Session, *, around: Position = PATIENT, in_region: str = "CN-33", **given: Any) -> Estate:
    number = next(_numbers)
    region(session, in_region)
    fields = {
        "region": in_region,
        "name_en": f"Estate {number}",
        "name_zh": f"园区{number}",
        "guard_phone": f"+86 571 0555 {number % 10000:04d}",
        "boundary": square(around),
    }
    return estate_actions.create_estate(
        session, ADMINISTRATOR, EstateIn.model_validate(fields | given), at=NOW
    )


def gate(session: Session, estate: Estate, *, at: Position, **given: Any) -> Gate:
    number = next(_numbers)
    fields = {
        "name_en": f"Gate {number}",
        "name_zh": f"{number}号门",
        "position": {"lat": at.lat, "lon": at.lon},
        "passage": "open",
    }
    return estate_actions.create_gate(
        session, ADMINISTRATOR, estate.id, GateIn.model_validate(fields | given), at=NOW
    )


def building(session: Session, of: Estate, *, at: Position, **given: Any) -> Building:
    number = next(_numbers)
    fields: dict[str, Any] = {"name_en": f"Building {number}", "name_zh": f"{number}幢", "floors": 6}
    made = ImportedBuilding("test", str(number), of.id, position=at, **fields | given)
    put_buildings(session, ADMINISTRATOR, [made])
    return session.scalars(select(Building).where(Building.source_id == str(number))).one()


def device(
    session: Session,
    *,
    at: Position = PATIENT,
    of: Estate | None = None,
    in_region: str = "CN-33",
    pads_expire_on: date | None = None,
    **given: Any,
) -> Device:
    """Register a device; by default public, always open and checked yesterday."""
    fields: dict[str, Any] = {
        "position": {"lat": at.lat, "lon": at.lon},
        "audience": "public",
        "opening_hours": "24/7",
        "last_checked_on": date(2026, 9, 21),
    }
    if of is not None:
        fields["estate_id"] = of.id
    else:
        fields["region"] = region(session, in_region).code
    made = device_actions.create_device(
        session, ADMINISTRATOR, DeviceIn.model_validate(fields | given), at=NOW
    )
    if pads_expire_on is not None:
        pads = ConsumableIn(kind=ConsumableKind.PADS, expires_on=pads_expire_on)
        device_actions.fit_consumable(session, ADMINISTRATOR, made.id, pads, at=NOW)
    return made


def saved_mapping(session: Session, *, of: Estate | None = None, name: str = "Lists") -> SavedMapping:
    """Save a mapping of lists for an estate, or for the whole network."""
    saved = SavedMapping(
        name=name,
        estate_id=of.id if of is not None else None,
        mapping="name: lake\ntitle: Lake\nsource: list-lake\nkept_by_hand: true\n"
        "position: {lat: 纬度, lon: 经度}\nid: {content: [安装位置]}\nfields: {place_zh: 安装位置}\n",
        saved_at=NOW,
    )
    session.add(saved)
    session.flush()
    return saved


def responder(
    session: Session,
    *,
    at: Position = PATIENT,
    in_region: str = "CN-33",
    valid_until: date = date(2028, 1, 1),
    availability: str | None = "24/7",
    place_hours: str | None = "24/7",
    paused_until: datetime | None = None,
    also_at: Iterable[Position] = (),
    estate_id: int | None = None,
    trust: CertificateTrust | None = CertificateTrust.VERIFIED,
    issuer: str = "Test issuer",
    name: str | None = None,
    phone: str | None = None,
    number_on_card: str | None = None,
) -> int:
    """Register a responder, by default available at any hour; return the id."""
    number = next(_numbers)
    places = [at, *also_at]
    given = ResponderGiven(
        source="test",
        source_id=str(number),
        name=name or f"Responder {number}",
        phone=phone or f"+86 100 0000 {number % 10000:04d}",
        language="zh",
        region_id=region(session, in_region).id,
        estate_id=estate_id,
        availability=availability,
        paused_until=paused_until,
        certificate=CertificateGiven(
            CertificateKind.CPR_AED, issuer, number_on_card or str(number), None, valid_until, trust
        ),
        places=tuple(PlaceGiven(PlaceKind.HOME, place, 0, place_hours) for place in places),
    )
    save_responder(session, ADMINISTRATOR, given, at=NOW)
    found = session.scalar(select(Responder.id).where(Responder.source_id == str(number)))
    assert found is not None
    return found


def issuer(session: Session, code: str = "lake-rc", *, who: Viewer = ADMINISTRATOR, **given: Any) -> Issuer:
    """Add a Red Cross chapter that sends rosters and has two courses, valid for three and for two years."""
    fields: dict[str, Any] = {
        "code": code,
        "name_en": f"Red Cross {code}",
        "name_zh": f"红十字会{code}",
        "kind": "red_cross",
        "verified_by": "roster",
        "courses": [
            {
                "code": "救护员",
                "name_en": "First-aider",
                "name_zh": "救护员",
                "kind": "first_aid",
                "validity_months": 36,
            },
            {
                "code": "CPR",
                "name_en": "CPR and AED",
                "name_zh": "心肺复苏",
                "kind": "cpr_aed",
                "validity_months": 24,
            },
        ],
    }
    return issuer_actions.create_issuer(session, who, IssuerIn.model_validate(fields | given), at=NOW)


def review(session: Session, *, of: Device) -> Review:
    """Add a review that asks whether an imported entry a few metres away is this device."""
    number = next(_numbers)
    here = position_of(of.position)
    fields = {"lat": north_of(here, metres=8).lat, "lon": here.lon}
    record = SourceRecord(
        source="another",
        source_id=str(number),
        fields=fields,
        digest=digest_of(fields),
        first_seen_at=NOW,
        changed_at=NOW,
    )
    asked = Review(
        kind=ReviewKind.DUPLICATE,
        source=record.source,
        source_id=record.source_id,
        device_id=of.id,
        attribute="",
        evidence={"score": 0.7, "signs": [], "record": fields},
        opened_at=NOW,
    )
    session.add_all([record, asked])
    session.flush()
    return asked


def course(session: Session, code: str | None = None, **given: Any) -> Course:
    """Add a four-hour course: a CPR and AED certificate valid for two years, refreshed after six months."""
    code = code or f"COURSE-{next(_numbers)}"
    fields: dict[str, Any] = {
        "code": code,
        "name_en": f"Course {code}",
        "name_zh": f"课程{code}",
        "hours": 4,
        "certificate_kind": "cpr_aed",
        "issuer": "Test issuer",
        "validity_months": 24,
        "refresher_months": 6,
    }
    return course_actions.create_course(
        session, ADMINISTRATOR, CourseIn.model_validate(fields | given), at=NOW
    )


def trainer_grade(session: Session, of: Person, issuer: Issuer, **given: Any) -> TrainerGrade:
    """Record the grade of a trainer, valid for a year."""
    grade = TrainerGrade(
        issuer_id=issuer.id, person_id=of.id, grade="一级师资", valid_until=NOW.date() + timedelta(days=365)
    )
    for name, value in given.items():
        setattr(grade, name, value)
    session.add(grade)
    session.flush()
    return grade


def issuer_batch(session: Session, of: Issuer) -> IssuerBatch:
    """Add a batch without rows."""
    batch = IssuerBatch(issuer_id=of.id, reference="2030-04", made_at=NOW, made_by="test")
    session.add(batch)
    session.flush()
    return batch


BATCH_FORMAT: dict[str, Any] = {
    "columns": [
        {"field": "row", "heading": "序号"},
        {"field": "name", "heading": "姓名"},
        {"field": "holder_id", "heading": "身份证号"},
        {"field": "passed_on", "heading": "考核日期"},
        {"field": "certificate_number", "heading": "证书编号"},
        {"field": "reason", "heading": "退回原因"},
    ],
    "date_format": "2027年05月31日",
    "holder_ids": "whole",
    "wants_photo": False,
}


def passed_results(
    session: Session, of: Course, *names: str, **given: Any
) -> tuple[TrainingSession, list[Enrolment]]:
    """Add a session of a course that people of these names passed."""
    made = training(session, of, **given)
    people = [enrolment(session, made, name, at=made.starts_at - timedelta(days=20)) for name in names]
    found = roster_actions.open_for_results(session, ADMINISTRATOR, made.id, at=made.ends_at)
    results = [roster_actions.Result(each.id, AttendanceState.ATTENDED, passed=True) for each in people]
    roster_actions.save_results(session, ADMINISTRATOR, found, results, how=MarkedBy.HAND, at=made.ends_at)
    return made, people


def training(
    session: Session,
    of: Course | None = None,
    *,
    estate: Estate | None = None,
    at: Position = PATIENT,
    starts_at: datetime = NOW + timedelta(days=10),
    planned_at: datetime | None = None,
    **given: Any,
) -> TrainingSession:
    """Add a four-hour session for twenty people in ten days; public unless `estate` is given.

    Enrolment is open until one day before.
    """
    region(session)
    fields: dict[str, Any] = {
        "course": (of or course(session)).code,
        "position": {"lat": at.lat, "lon": at.lon},
        "place_en": "Community hall",
        "place_zh": "社区活动室",
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=4),
        "enrolment_closes_at": starts_at - timedelta(days=1),
        "capacity": 20,
    }
    if estate is None:
        fields |= {"region": "CN-33", "audience": "public"}
    else:
        fields |= {"estate_id": estate.id, "audience": "estate"}
    return session_actions.create_session(
        session,
        ADMINISTRATOR,
        SessionIn.model_validate(fields | given),
        at=planned_at or min(NOW, starts_at - timedelta(days=30)),
    )


def enrolment(
    session: Session,
    of: TrainingSession,
    name: str | None = None,
    *,
    who: Viewer = ADMINISTRATOR,
    at: datetime = NOW,
    **given: Any,
) -> Enrolment:
    """Enrol a new person of that name, from the session's estate if it has one."""
    number = next(_numbers)
    fields: dict[str, Any] = {
        "name": name or f"Learner {number}",
        "phone": f"+86 100 1000 {number % 10000:04d}" if name is None else "+86 100 1000 0000",
    }
    if of.estate_id is not None and who is ADMINISTRATOR:
        fields["estate_id"] = of.estate_id
    return enrolment_actions.enrol(session, who, of.id, EnrolmentIn.model_validate(fields | given), at=at)


def calendar(
    session: Session, *, of: Person, kind: CalendarKind = CalendarKind.PERSON, **given: Any
) -> tuple[int, str]:
    """Add a private calendar address for the person; return its id and its key."""
    made, key = create_address(session, ADMINISTRATOR, kind, person_id=of.id, at=NOW, **given)
    return made.id, key


def policy(session: Session, *, of: Estate | None = None, **given: Any) -> Policy:
    """Add an upkeep policy that applies from now: to the estate, the maker and model, or all devices."""
    number = next(_numbers)
    fields: dict[str, Any] = {"name_en": f"Policy {number}", "name_zh": f"方案{number}"}
    if of is not None:
        fields["estate_id"] = of.id
    return check_actions.create_policy(
        session, ADMINISTRATOR, PolicyIn.model_validate(fields | given), at=NOW
    )


def spare_stock(session: Session, estate: Estate, *, received: int = 0, **given: Any) -> SpareStock:
    """Keep spare pads in an estate, of which `received` came in with lot L1 until 31 January 2029."""
    new = SpareStockIn.model_validate({"kind": "pads"} | given)
    found = spare_actions.create_stock(session, ADMINISTRATOR, estate.id, new, at=NOW)
    if received:
        spare_movement(session, found, "received", received, lot="L1", expires_on="2029-01-31")
    return found


def spare_movement(
    session: Session,
    stock: SpareStock,
    reason: str,
    quantity: int,
    *,
    who: Viewer = ADMINISTRATOR,
    at: datetime = NOW,
    **given: Any,
) -> SpareMovement:
    """Record that spares came in, went out or were counted."""
    fields = {"key": str(UUID(int=next(_numbers))), "reason": reason, "quantity": quantity} | given
    new = SpareMovementIn.model_validate(fields)
    return spare_actions.record_movement(session, who, stock.id, new, at=at)


def check(
    session: Session,
    of: Device,
    *,
    who: Viewer = ADMINISTRATOR,
    at: datetime = NOW,
    answers: Mapping[str, bool] | None = None,
    only: Mapping[str, bool] | None = None,
    **given: Any,
) -> RecordedCheck:
    """Record a check, by default passed and answered now. `only`: the check had no other questions."""
    is_there = given.get("is_there", True)
    well = {"status_light": True, "pads_in_date": True, "battery_in_date": True, "access_as_described": True}
    fields: dict[str, Any] = {
        "key": str(UUID(int=next(_numbers))),
        "answers": only or (well | dict(answers or {}) if is_there else {}),
    }
    session.flush()
    session.expire(of, ["consumables"])  # as a separate request would see them
    return check_actions.record_check(session, who, of.id, CheckIn.model_validate(fields | given), at=at)


def drill(
    session: Session,
    of: Device,
    *,
    who: Viewer = ADMINISTRATOR,
    start: Position = PATIENT,
    seconds: float = 200.0,
    settings: Settings | None = None,
    network: WalkingNetwork | None = None,
    **given: Any,
) -> Drill:
    """Record a timed fetch of the device, starting at the patient's location."""
    session.flush()
    fields = {
        "key": str(UUID(int=next(_numbers))),
        "start": {"lat": start.lat, "lon": start.lon},
        "seconds": seconds,
    } | given
    return report_drill(
        session,
        who,
        of.id,
        DrillIn.model_validate(fields),
        network=network,
        settings=settings or Settings(),
        at=NOW,
    )


def incident(
    session: Session,
    *,
    at: datetime = NOW,
    where: Position = PATIENT,
    who: Viewer | None = None,
    **given: Any,
) -> Incident:
    """Open an incident that an administrator reported just now; plan it with straight-line distances."""
    here = region(session)
    fields = {
        "key": str(UUID(int=next(_numbers))),
        "position": {"lat": where.lat, "lon": where.lon},
        "region": here.code,
    }
    new = PatientReportIn.model_validate(fields | given)
    return report_patient(session, who or ADMINISTRATOR, new, at=at, network=None, settings=Settings())


HOOK = "http://127.0.0.1:9/hook"


def centre(session: Session, name: str = "lake-120", *, in_region: str = "CN-33", to: str = HOOK) -> str:
    """Connect a dispatch centre whose messages go to the URL `to`; return its secret."""
    region(session, in_region)
    _, secret = add_centre(
        session, ADMINISTRATOR, name, region=in_region, address=to, at=NOW, is_private_allowed=True
    )
    return secret


def patient_report_id(session: Session, of: Incident) -> int:
    """Return the id of the incident's first report."""
    found = select(IncidentReport.id).where(IncidentReport.incident_id == of.id).order_by(IncidentReport.id)
    return session.scalars(found.limit(1)).one()


def exclusion(session: Session, of: Device, to: Incident) -> IncidentExclusion:
    """Exclude the device from the incident's plan, as a dispatcher would."""
    made = IncidentExclusion(
        incident_id=to.id, device_id=of.id, excluded_at=NOW, excluded_by=ADMINISTRATOR.name
    )
    session.add(made)
    session.flush()
    return made


def alert(session: Session, to: Incident, person: Person, *, key: str = "call_key") -> Alert:
    """Alert the person, as planned or else to go direct; `key` is the key of the answer link."""
    known = session.scalar(select(Alert).where(Alert.incident_id == to.id, Alert.person_id == person.id))
    made = known or Alert(
        incident_id=to.id,
        person_id=person.id,
        task=Task.DIRECT,
        p_device_works=1.0,
        plan_number=1,
        due_at=NOW + timedelta(minutes=3),
        asked_at=NOW,
    )
    made.key_hash = hash_key(key)
    session.add(made)
    session.flush()
    return made


def jpeg(*, width: int = 40, height: int = 30, **given: Any) -> bytes:
    """Return a JPEG of one colour; `given` (such as `exif`) is passed to Pillow's `save`."""
    into = io.BytesIO()
    Image.new("RGB", (width, height), (200, 30, 30)).save(into, "JPEG", **given)
    return into.getvalue()


def photo(session: Session, *, of: Check, who: Viewer = ADMINISTRATOR, sent: bytes | None = None) -> Photo:
    """Add a photo to a check."""
    sent = sent or jpeg()
    return check_actions.add_photo(session, who, of.key, sent, picture_without_traces(sent), at=NOW)


def declaration(session: Session, *, estate: Estate, of: Person | None = None) -> CertificateDeclaration:
    """Add a certificate that a person declares, to be confirmed by the estate."""
    made = CertificateDeclaration(
        person_id=(of or person(session)).id,
        estate_id=estate.id,
        region_id=estate.region_id,
        kind=CertificateKind.FIRST_AID,
        issuer="City Red Cross",
        valid_until=date(2029, 3, 1),
        jpeg=b"\xff\xd8",
        declared_at=NOW,
    )
    session.add(made)
    session.flush()
    return made


def region_preview(session: Session, code: str = "CN-33") -> RegionPreview:
    """Ask for a preview of opening every estate of a region to everyone."""
    step = RegionStepIn(region=code, audience=Audience.PUBLIC)
    return ask_region_preview(session, ADMINISTRATOR, step, at=NOW)[0]


def coverage_preview(session: Session, of: Estate) -> CoveragePreview:
    """Keep a preview of opening the estate's devices to everyone."""
    building(session, of, at=PATIENT)
    return make_preview(
        session,
        ADMINISTRATOR,
        of.id,
        StepIn(audience=Audience.PUBLIC),
        network=None,
        settings=Settings(),
        at=NOW,
    )


def sighting(session: Session, *, at: Position = PATIENT) -> Sighting:
    """Add a draft of a device that a passer-by reports, with a photo."""
    made = Sighting(key_hash=f"hash {next(_numbers)}", at=NOW, lat=at.lat, lon=at.lon, jpeg=b"\xff\xd8")
    session.add(made)
    session.flush()
    return made


def report(session: Session, of: Device, kind: FaultKind = FaultKind.BEEPING) -> FaultReport:
    """Add a fault report about the device."""
    new = ReportIn(kind=kind)
    return fault_actions.report_device(session, ADMINISTRATOR, of.id, new, from_key=None, at=NOW)


def recall(session: Session, *, at: datetime = NOW, **given: Any) -> Recall:
    """Start a recall of the maker Heartline, by default of all its devices."""
    fields: dict[str, Any] = {
        "maker": "Heartline",
        "reference": f"HL-{next(_numbers)}",
        "text_en": "The capacitor may fail.",
        "text_zh": "电容可能失效。",
        "announced_on": "2026-09-20",
    }
    return recall_actions.announce_recall(
        session, ADMINISTRATOR, RecallIn.model_validate(fields | given), at=at
    )


def retrieval(session: Session, of: Device, *, at: datetime = NOW, **given: Any) -> Retrieval:
    """Record that a person was sent to fetch the device, by default now."""
    new = RetrievalIn.model_validate({"key": str(UUID(int=next(_numbers))), "device_id": of.id} | given)
    return retrieval_actions.create_retrieval(session, ADMINISTRATOR, new, numbers=Returns(), at=at)


def confirmation_request(
    session: Session, of: Device, person: Person, *, fact: Fact = Fact.POSITION
) -> ConfirmationRequest:
    """Ask the person to confirm a fact about the device; the key is `ask_` followed by the person's id."""
    made = ConfirmationRequest(
        key_hash=hash_key(f"ask_{person.id}"),
        device_id=of.id,
        person_id=person.id,
        fact=fact,
        asked_at=NOW,
        lapses_at=NOW.replace(year=2099),
    )
    session.add(made)
    session.flush()
    return made


def clock_today() -> date:
    """Return today's date in China."""
    return clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date()


def reminded(session: Session, person: Person, of: Device, *, at: datetime) -> tuple[str, int]:
    """Remind the person at `at` that the device's pads are due; return the message key and reminder id."""
    reminder = Reminder(
        device_id=of.id,
        due_kind=DueKind.PADS,
        due_on=at.date(),
        threshold_days=0,
        found_at=at,
        addressed_at=at,
    )
    session.add(reminder)
    session.flush()
    session.add(ReminderRecipient(reminder_id=reminder.id, person_id=person.id, level=ReminderLevel.KEEPER))
    session.flush()
    always = Reminding(from_hour=0, until_hour=24)
    reminder_actions.send_messages(
        session, after_id=person.id - 1, at=at, by=always, public_url="https://aed.example", most=1
    )
    text = session.scalars(
        select(OutboxMessage.text_en)
        .where(OutboxMessage.person_id == person.id)
        .order_by(OutboxMessage.id.desc())
    ).first()
    assert text is not None
    return key_in(text), reminder.id


def key_in(text: str) -> str:
    """Return the key in the link of a reminder message."""
    return text.rpartition("/")[2].rstrip(".。")


def key_behind(session: Session, text: str) -> str:
    """Return the key at the end of the path that the short link of a message leads to."""
    link = re.search(r"/l/(\w+)", text)
    assert link is not None, text
    found = find_link(session, link[1], at=NOW)
    assert found is not None
    return found.path.rpartition("/")[2]


def member(of: Estate, *neighbours: Estate, writes: bool = False) -> Viewer:
    """Return a viewer who is a member of an estate whose neighbourhood includes `neighbours`."""
    scopes = frozenset(TokenScope) if writes else frozenset({TokenScope.READ})
    ids = tuple(sorted({of.id, *(each.id for each in neighbours)}))
    return Viewer(role=TokenRole.MEMBER, name="member", scopes=scopes, estate_id=of.id, estate_ids=ids)


def dispatcher(*regions: Region) -> Viewer:
    return Viewer(role=TokenRole.DISPATCHER, name="dispatcher", region_ids=tuple(each.id for each in regions))


def person(
    session: Session, *, phone: str | None = None, password: str | None = None, **given: Any
) -> Person:
    """Add a person with an account, who signs in with codes unless a password is given."""
    number = next(_numbers)
    fields = {"name": f"Person {number}", "phone": phone or f"+86 138 0014 {number % 10000:04d}"}
    made = people_actions.add_person(
        session, ADMINISTRATOR, PersonIn.model_validate(fields | given), country="CN", at=NOW
    )
    if password is not None:
        passwords.set_password(session, ADMINISTRATOR, made.id, password, at=NOW)
    return made


def offer(session: Session, of: Person, *, at: Position = PATIENT, **given: Any) -> HelpOffer:
    """Record the person's offer to respond at that position, by default at any hour."""
    region(session)
    fields = {
        "consents": {kind: current_wording(kind).version for kind in (ConsentKind.BEING_CALLED,)},
        "region": "CN-33",
        "availability": "24/7",
        "places": [{"kind": "home", "position": {"lat": at.lat, "lon": at.lon}, "hours": "24/7"}],
    }
    new = OfferIn.model_validate(fields | given)
    return offering.make_offer(session, ADMINISTRATOR, of.id, new, at=NOW)


def agrees_to_be_called(session: Session, person_id: int | None, *, at: datetime = NOW) -> None:
    """Record the person's consent to be alerted, without availability hours."""
    assert person_id is not None
    kind = ConsentKind.BEING_CALLED
    consents.give_consent(
        session, ADMINISTRATOR, person_id, kind, wording=current_wording(kind).version, at=at
    )


def shares_live_place(session: Session, responder_id: int, *, at: datetime = NOW) -> int:
    """Record the responder's consent to share the phone's location; return the person's id."""
    person_id = session.get_one(Responder, responder_id).person_id
    kind = ConsentKind.LIVE_PLACE
    consents.give_consent(
        session, ADMINISTRATOR, person_id, kind, wording=current_wording(kind).version, at=at
    )
    return person_id


def sign_in(session: Session, person_id: int, *, bearer: bool = False) -> str:
    """Sign the person in; return the key of the session: for its cookie, or as a bearer token."""
    key = f"{SESSION_KEY_PREFIX if bearer else ''}key {next(_numbers)} of {person_id}"
    expires_at = NOW.replace(year=2099)
    session.add(
        SignIn(
            person_id=person_id,
            key_hash=hash_key(key),
            created_at=NOW,
            expires_at=expires_at,
            last_seen_at=expires_at,
        )
    )
    session.flush()
    return key


def authenticator_app(session: Session, person_id: int) -> pyotp.TOTP:
    """Add an authenticator app as the person's second factor; return what shows its codes."""
    secret = pyotp.random_base32()
    session.add(
        SecondFactor(
            person_id=person_id,
            kind=FactorKind.TOTP,
            name="Phone",
            secret=secret,
            added_at=NOW,
            confirmed_at=NOW,
        )
    )
    session.flush()
    return pyotp.TOTP(secret)


def role(
    session: Session,
    of: Person,
    held: Role,
    *,
    estate: Estate | None = None,
    region: Region | None = None,
) -> RoleGrant:
    """Grant the person a role on an estate, on a region, or on the whole network."""
    given = RoleIn(
        role=held,
        estate_id=estate.id if estate is not None else None,
        region=region.code if region is not None else None,
    )
    return role_actions.grant_role(session, ADMINISTRATOR, of.id, given, at=NOW)


def person_with_role(
    session: Session, held: Role, *, estate: Estate | None = None, region: Region | None = None
) -> Viewer:
    """Add a person with that role; return their viewer."""
    someone = person(session)
    role(session, someone, held, estate=estate, region=region)
    session.flush()
    return viewer_of_person(session, someone.id)


def changes(session: Session, subject: str) -> list[RegistryChange]:
    """Return the recorded changes of that table, oldest first; clear the session."""
    session.rollback()
    found = list(
        session.scalars(
            select(RegistryChange).where(RegistryChange.subject == subject).order_by(RegistryChange.id)
        )
    )
    session.expunge_all()
    session.rollback()
    return found


def key(
    session: Session,
    role: TokenRole,
    *,
    estate: Estate | None = None,
    region: Region | None = None,
    writes: bool = False,
) -> dict[str, str]:
    """Return the Authorization header of a new token."""
    made = create_token(
        session,
        name=f"token {next(_numbers)}",
        role=role,
        scopes=list(TokenScope) if writes else [TokenScope.READ],
        at=NOW,
        estate_id=estate.id if estate is not None else None,
        region_id=region.id if region is not None else None,
    )
    return {"Authorization": f"Bearer {made}"}


def credited(
    session: Session, person: Person, estate: Estate, *, minutes: int = 60, at: datetime = NOW, **given: Any
) -> LedgerAccount:
    """Credit a patrol to the person's accounts; return the account of their points."""
    fields: dict[str, Any] = {
        "record_id": 10**9 + next(_numbers),  # apart from those of service records
        "estate_id": estate.id,
        "minutes": minutes,
        "kind": ServiceKind.PATROL,
        "at": at,
        "by": "test",
    }
    credit_service(session, person_id=person.id, **(fields | given))
    found = find_person_account(session, person.id, Currency.POINTS)
    assert found is not None
    session.refresh(found)
    return found


def relative(session: Session, of: Person) -> Relative:
    """Declare a spouse of the person, who has not confirmed it."""
    made = Relative(
        person_id=of.id, relative_id=person(session).id, relation=Relation.SPOUSE, declared_at=NOW
    )
    session.add(made)
    session.flush()
    return made


def inheritance(session: Session, estate: Estate) -> Inheritance:
    """Record that a person of the estate died yesterday."""
    died = person(session)
    credited(session, died, estate)
    made = Inheritance(
        person_id=died.id,
        died_on=clock_today() - timedelta(days=1),
        recorded_at=clock.now(),
        recorded_by="test",
    )
    session.add(made)
    session.flush()
    return made


def goods(session: Session, estate: Estate) -> Goods:
    """Add ten bags of rice of a sponsor, for one point each."""
    sponsor = goods_actions.add_sponsor(
        session, ADMINISTRATOR, region=region(session).code, name="Shop", budget=10**6, at=NOW
    )
    made = Goods(
        region_id=estate.region_id,
        estate_id=estate.id,
        sponsor_id=sponsor.id,
        name_en="Rice",
        name_zh="大米",
        price=UNITS_PER_POINT,
        stock=10,
        first_for=[],
        is_open=True,
    )
    session.add(made)
    session.flush()
    return made


def webhook(
    session: Session,
    *,
    of: Estate | None = None,
    to: str = HOOK,
    events: Collection[str] = tuple(WebhookEventType),
) -> tuple[int, str]:
    """Notify a program at the URL `to` of the estate, or of region CN-33; return its id and secret."""
    made, secret = webhook_actions.add_subscription(
        session,
        ADMINISTRATOR,
        estate_id=of.id if of is not None else None,
        region=None if of is not None else region(session).code,
        address=to,
        events=[WebhookEventType(each) for each in events],
        at=NOW,
        is_private_allowed=True,
    )
    return made.id, secret


def client_app(session: Session, of: Estate, **given: Any) -> tuple[ClientApp, str]:
    """Register an app of the estate; return it with its secret."""
    fields: dict[str, Any] = {"name": "Lake Life", "region": None, "origins": [], "at": NOW}
    return app_actions.register_app(session, ADMINISTRATOR, estate_id=of.id, **(fields | given))


def app_link(session: Session, person: Person, estate: Estate) -> str:
    """Return the key of a link that opens the person's time bank in an app of the estate."""
    made, secret = client_app(session, estate)
    who = Viewer(role=TokenRole.MEMBER, name=f"person:{person.id}", person_id=person.id)
    return app_actions.create_link(
        session, who, client_id=made.client_id, client_secret=secret, at=clock.now()
    )


def goods_order(session: Session, of: Goods, person: Person) -> GoodsOrder:
    """Order one for a person, who has served long enough."""
    assert of.estate_id is not None
    credited(session, person, session.get_one(Estate, of.estate_id), minutes=6000)
    who = Viewer(role=TokenRole.MEMBER, name=f"person:{person.id}", person_id=person.id)
    return goods_actions.place_order(
        session, who, goods_id=of.id, quantity=1, key=str(next(_numbers)), at=NOW
    )


def service_exchange(session: Session, estate: Estate, person: Person) -> ServiceExchange:
    """Offer a lesson, and ask for it for a person who has points."""
    teacher = person_at(session, estate)
    offer = ServiceOffer(
        person_id=teacher.id,
        region_id=estate.region_id,
        kind=OfferKind.LESSON,
        title="Lesson",
        price=UNITS_PER_POINT,
        offered_at=NOW,
    )
    account = find_person_account(session, person.id, Currency.POINTS)
    assert account is not None
    session.add(offer)
    session.flush()
    made = ServiceExchange(
        offer_id=offer.id,
        person_id=person.id,
        payer_account_id=account.id,
        key=str(next(_numbers)),
        starts_at=NOW,
        minutes=60,
        amount=UNITS_PER_POINT,
        state=ExchangeState.ASKED,
        asked_at=NOW,
        asked_by=f"person:{person.id}",
    )
    session.add(made)
    session.flush()
    return made


def person_at(session: Session, estate: Estate) -> Person:
    """Add a person who has served an hour at the estate."""
    made = person(session)
    credited(session, made, estate)
    return made


def mandate(session: Session, of: Person, agent: Person) -> Mandate:
    made = Mandate(
        principal_id=of.id,
        agent_id=agent.id,
        starts_at=NOW,
        ends_at=NOW + timedelta(days=3650),
        recorded_by="test",
    )
    session.add(made)
    session.flush()
    return made


def agreement_text(*devices: Device, **given: Any) -> dict[str, Any]:
    """Return the text of an agreement from today on; `given` replaces fields, `share` those of each share."""
    share = given.pop("share", {})
    return {
        "owner": "owners_in_common",
        "legal_basis": "minutes",
        "starts_on": "2026-09-22",
        "ends_on": "2027-09-21",
        "parties": [
            {"role": "party_committee", "legal_name": "Party committee"},
            {"role": "owners_committee", "legal_name": "Owners' committee"},
            {"role": "service_centre", "legal_name": "Service centre", "credit_code": "91350100M000100Y43"},
        ],
        "shares": [{"device_id": each.id, "step": "neighbours", **share} for each in devices],
    } | given


def draft(session: Session, of: Estate, *devices: Device, at: datetime = NOW, **given: Any) -> Agreement:
    """Draft an agreement about devices of the estate and put it before its parties."""
    text = AgreementDraft.model_validate({"estate_id": of.id, **agreement_text(*devices, **given)})
    made = agreement_actions.draft_agreement(session, ADMINISTRATOR, text, at=at)
    return agreement_actions.propose_agreement(session, ADMINISTRATOR, made.id, at=at)


def consent(session: Session, to: Agreement, *roles: PartyRole, at: datetime = NOW) -> None:
    """Let parties consent to the present text; by default all that have not."""
    found = agreement_queries.agreement(session, ADMINISTRATOR, to.id)
    decisions = agreement_queries.decisions_of(session, [found.id])[found.id]
    waiting = agreement_queries.waits_for(found, decisions)
    for party in found.parties:
        if party.role in (roles or waiting):
            given = PartyDecisionIn(kind=DecisionKind.CONSENT, text_hash=found.text_hash)
            decision_actions.decide(session, party, given, by=f"link:{party.id}", at=at)


def cost_case(session: Session, of: Estate, *, at: datetime = NOW, **given: Any) -> CostCase:
    """Use a device that the estate shares, and open the case of its cost; `given` replaces terms."""
    shared = device(session, of=of, audience="estate", at=north_of(PATIENT, metres=70))
    agreement(session, of, shared, at=at, terms={"cost_per_use": 600} | given)
    used = ReportIn(kind=FaultKind.USED)
    fault_actions.report_device(session, ADMINISTRATOR, shared.id, used, from_key=None, at=at)
    open_cost_cases(session, at=at)
    return session.scalars(select(CostCase).where(CostCase.device_id == shared.id)).one()


def agreement(session: Session, of: Estate, *devices: Device, at: datetime = NOW, **given: Any) -> Agreement:
    """Bring an agreement about devices of the estate into force."""
    made = draft(session, of, *devices, at=at, **given)
    consent(session, made, at=at)
    return agreement_actions.confirm_agreement(
        session, ADMINISTRATOR, made.id, text_hash=made.text_hash, at=at
    )


def volunteer(
    session: Session, of: Estate, *, at: datetime = NOW - timedelta(days=30), **given: Any
) -> Viewer:
    """Add a resident of the estate who is a registered volunteer; return their viewer."""
    someone = person_with_role(session, Role.RESIDENT, estate=of)
    registered(session, someone, of, at=at, **given)
    return someone


def registered(
    session: Session, someone: Viewer, of: Estate, *, at: datetime = NOW - timedelta(days=30), **given: Any
) -> Volunteer:
    """Register a person as a volunteer of the estate."""
    assert someone.person_id is not None
    new = VolunteerIn.model_validate({"estate_id": of.id} | given)
    return volunteer_actions.register_volunteer(session, ADMINISTRATOR, someone.person_id, new, at=at)


def service(
    session: Session,
    of: Viewer,
    on: Estate,
    *,
    who: Viewer | None = None,
    ended_at: datetime = NOW - timedelta(hours=1),
    minutes: int = 60,
    at: datetime = NOW,
    **given: Any,
) -> ServiceRecord:
    """Record a patrol of an hour that ended an hour ago, by default by the volunteer."""
    fields = {
        "key": str(UUID(int=next(_numbers))),
        "source": "patrol",
        "person_id": of.person_id,
        "estate_id": on.id,
        "activity": "夜间巡逻",
        "started_at": ended_at - timedelta(minutes=minutes),
        "ended_at": ended_at,
    }
    new = ServiceIn.model_validate(fields | given)
    return service_actions.record_service(session, who or of, new, at=at)


def service_issuer(session: Session, of: Estate, **given: Any) -> None:
    """Name the residents' committee as the issuer of proofs of service for the estate."""
    fields = {
        "kind": "residents_committee",
        "name": "幸福社区居民委员会",
        "responsible": "吴敏",
        "contact": "+86 571 0555 0101",
    }
    new = ServiceIssuerIn.model_validate(fields | given)
    proof_actions.set_issuer(session, ADMINISTRATOR, of.id, new, at=NOW)


def service_certificate(
    session: Session, *, of: Person, on: Estate, who: Viewer = ADMINISTRATOR, **given: Any
) -> ServiceCertificate:
    """Issue a proof of the volunteer's service of 2026, with one more hour that was posted for seven days."""
    if session.get(ServiceIssuer, on.id) is None:
        service_issuer(session, on)
    volunteer = viewer_of_person(session, of.id)
    manager = person_with_role(session, Role.ESTATE_MANAGER, estate=on)
    record = service(session, volunteer, on, ended_at=NOW - timedelta(hours=20))
    service_actions.confirm_record(session, manager, record.id, rating=None, at=NOW)
    fields = {
        "key": str(UUID(int=next(_numbers))),
        "person_id": of.id,
        "estate_id": on.id,
        "from_on": "2026-01-01",
        "until_on": "2026-12-31",
        "handler": "李明",
    }
    new = ServiceCertificateIn.model_validate(fields | given)
    return proof_actions.issue_certificate(session, who, new, at=NOW + timedelta(days=8))


def proof_request(session: Session, of: Person, on: Estate) -> ProofRequest:
    """Add the volunteer's request for a proof of their service of 2026."""
    made = ProofRequest(
        key=str(UUID(int=next(_numbers))),
        person_id=of.id,
        estate_id=on.id,
        region_id=on.region_id,
        purpose="入学",
        recipient="西湖小学",
        from_on=date(2026, 1, 1),
        until_on=date(2026, 12, 31),
        includes_identity=False,
        asked_at=NOW,
    )
    session.add(made)
    session.flush()
    return made


def service_batch(session: Session, of: Estate, **given: Any) -> PlatformBatch:
    """Put the estate's confirmed service of 2026 into a batch for 志愿汇."""
    if session.get(ServiceIssuer, of.id) is None:
        service_issuer(session, of)
    fields = {
        "platform": "zhiyuanhui",
        "reference": f"batch-{next(_numbers)}",
        "estate_id": of.id,
        "from_on": "2026-01-01",
        "until_on": "2026-12-31",
    }
    new = BatchIn.model_validate(fields | given)
    return batch_actions.prepare_batch(session, ADMINISTRATOR, new, at=NOW)


def inspection_round(
    session: Session, estate: Estate, inspector: Person, *devices: Device, at: datetime = NOW, **given: Any
) -> InspectionRound:
    """Assign a round from PATIENT through the devices, by default today at the estate."""
    fields: dict[str, Any] = {
        "estate_id": estate.id,
        "region_id": estate.region_id,
        "inspector_ids": (inspector.id,),
        "day": at.astimezone(ZoneInfo("Asia/Shanghai")).date(),
        "starts": time(8),
        "ends_by": time(18),
        "start": PATIENT,
        "end": None,
        "device_ids": tuple(device.id for device in devices),
        "due_within_days": 7,
        "check_minutes": 5,
        "every_days": None,
    }
    question = RoundQuestion(**fields | given)
    plan = plan_rounds(session, ADMINISTRATOR, question, at=at, network=None, settings=Settings())
    return assign_rounds(session, ADMINISTRATOR, plan, at=at)[0]
