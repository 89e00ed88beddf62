"""One caller of each kind: people with roles on or around an estate, its neighbour and another one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, TokenRole
from aed.accounts.regions.models import Region
from aed.accounts.sessions import CSRF_HEADER, SESSION_COOKIE, SignIn, csrf_token
from aed.accounts.tokens import hash_key
from aed.accounts.viewers import viewer_of_person
from aed.certificates.models import PersonPair
from aed.notifications.endpoints import EndpointInput, save_endpoint
from aed.notifications.outbox import Notice, enqueue_to_endpoint
from aed.notifications.rules import Channel
from aed.notifications.short_links import short_link
from aed.registry.estates.models import Estate
from aed.responders.models import Certificate, Responder
from aed.sharing.decisions.actions import create_link
from aed.sharing.decisions.queries import party as party_of
from aed.sharing.decisions.schemas import LinkIn
from aed.sharing.rules import PartyRole
from aed.training.models import LearnerIdentity, TrainingSession
from aed.training.rosters import actions as roster_actions
from aed.training.rules import AttendanceState, MarkedBy
from aed.upkeep.rules import short_number
from aed.volunteering.appeals.actions import open_appeal
from aed.volunteering.records import actions as service_actions
from tests import make
from tests.make import NOW, PATIENT, east_of

FAR_FUTURE = NOW.replace(year=2099)
PHONE, PASSWORD = "+86 138 0013 8000", "a long pass phrase"


@dataclass
class Everyone:
    """The headers of each caller, and values for path parameters."""

    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    known: dict[str, int | str] = field(default_factory=dict)


def signed_in(session: Session, person: Person) -> dict[str, str]:
    """Sign the person in; return the headers of the browser."""
    key = f"key of {person.id}"
    session.add(
        SignIn(
            person_id=person.id,
            key_hash=hash_key(key),
            created_at=NOW,
            expires_at=FAR_FUTURE,
            last_seen_at=FAR_FUTURE,
        )
    )
    session.flush()
    return {"Cookie": f"{SESSION_COOKIE}={key}", CSRF_HEADER: csrf_token(key)}


def account_with(
    session: Session, held: Role | None, *, estate: Estate | None = None, region: Region | None = None
) -> dict[str, str]:
    """Return the headers of a new person with that role."""
    person = make.person(session)
    if held is not None:
        make.role(session, person, held, estate=estate, region=region)
    return signed_in(session, person)


def awarded(session: Session, training: TrainingSession) -> str:
    """Pass a participant of the session; return the certificate number."""
    enrolment, at = make.enrolment(session, training), training.ends_at
    for result in (
        roster_actions.Result(enrolment.id, attendance=AttendanceState.ATTENDED),
        roster_actions.Result(enrolment.id, passed=True),
    ):
        open_ = roster_actions.open_for_results(session, make.ADMINISTRATOR, training.id, at=at)
        roster_actions.save_results(session, make.ADMINISTRATOR, open_, [result], how=MarkedBy.HAND, at=at)
    return session.scalars(select(Certificate.number).where(Certificate.is_awarded)).one() or ""


def pair(session: Session) -> int:
    """Add two responders of the region who may be the same person; return the id of the pair."""
    people = [
        session.scalars(
            select(Responder.person_id).where(Responder.id == make.responder(session, name="王小明"))
        ).one()
        for _ in range(2)
    ]
    made = PersonPair(
        first_id=people[0], second_id=people[1], score=0.9, reasons=["the same name"], found_at=NOW
    )
    session.add(made)
    session.flush()
    return made.id


def build(session: Session) -> Everyone:
    """Build region CN-33 in CN with an estate that shares with a neighbour; another estate is in CN-44.

    Paths name a device that only its estate sees, so that strangers may not read it.
    """
    country = make.region(session, "CN")
    region = make.region(session, "CN-33", parent="CN")
    elsewhere = make.region(session, "CN-44", parent="CN")
    estate = make.estate(session, in_region="CN-33", neighbourhood="lane")
    neighbour = make.estate(
        session, in_region="CN-33", neighbourhood="lane", around=east_of(PATIENT, metres=500)
    )
    other = make.estate(session, in_region="CN-44", around=east_of(PATIENT, metres=3_000))
    device = make.device(session, of=estate, audience="estate", pads_expire_on=date(2027, 1, 1))
    resident = make.person(session, phone=PHONE, password=PASSWORD)
    offered = make.offer(session, resident)
    assert offered.entry is not None
    make.shares_live_place(session, offered.entry.id)
    grant = make.role(session, resident, Role.RESIDENT, estate=estate)
    session.flush()
    session.expire(device, ["consumables"])
    session.refresh(device, ["consumables"])
    everyone = Everyone()
    issuer = make.issuer(session, region="CN-33", batch_format=make.BATCH_FORMAT)
    make.trainer_grade(session, resident, issuer)
    course = make.course(session, "FIRST-AID")
    training = make.training(session, course, estate=estate)
    enrolment = make.enrolment(session, training)
    number = awarded(session, make.training(session, course, estate=estate))
    policy = make.policy(session, of=estate)
    check = make.check(session, device).check
    make.confirmation_request(session, device, resident)
    message_key, reminder_id = make.reminded(session, resident, device, at=clock.now())
    group = EndpointInput(
        "gate-group", Channel.WECOM, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x"
    )
    gate_group = save_endpoint(session, make.ADMINISTRATOR, group, at=NOW)
    incident = make.incident(session)
    make.centre(session)
    agreement = make.draft(session, estate, device)
    party = party_of(session, agreement.id, PartyRole.OWNERS_COMMITTEE)
    _, party_key = create_link(session, party, LinkIn(), by="test", at=clock.now())
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    make.registered(session, viewer_of_person(session, resident.id), estate, number="330106000123")
    patrol = make.service(session, viewer_of_person(session, resident.id), estate)
    confirmed = service_actions.confirm_record(session, manager, patrol.id, rating=None, at=clock.now())
    refused = make.service(session, viewer_of_person(session, resident.id), estate, minutes=30, ended_at=NOW)
    service_actions.void_record(session, manager, refused.id, reason="Nobody saw it", at=clock.now())
    appeal = open_appeal(
        session, viewer_of_person(session, resident.id), refused.id, reason="I was there", at=clock.now()
    )
    account = make.credited(session, resident, estate)
    goods = make.goods(session, estate)
    exchange = make.service_exchange(session, estate, resident)
    inspector = make.person(session)
    make.role(session, inspector, Role.KEEPER, estate=estate)
    everyone.known = {
        "appeal_id": appeal.id,
        "batch_id": make.service_batch(session, estate).id,
        "service_number": make.service_certificate(session, of=resident, on=estate).number,
        "record_id": confirmed.id,
        "link_key": short_link(session, "/", FAR_FUTURE).removeprefix("/l/"),
        "manager_id": resident.id,
        "incident_id": incident.id,
        "exercise_id": incident.id,
        "alert_id": make.alert(session, incident, resident).id,
        "alert_key": "call_key",
        "subject": "tokens",
        "platform": "wecom",
        "exclusion_id": make.exclusion(session, device, incident).id,
        "patient_report_id": make.patient_report_id(session, incident),
        "centre": "lake-120",
        "message_key": message_key,
        "reminder_id": reminder_id,
        "policy_id": policy.id,
        "check_id": check.id,
        "drill_id": make.drill(session, device).id,
        "check_key": check.key,
        "photo_id": make.photo(session, of=check).id,
        "report_id": make.report(session, device).id,
        "draft_id": 10**6,
        "mapping_id": 10**6,
        "declaration_id": make.declaration(session, estate=estate).id,
        "preview_id": make.coverage_preview(session, estate).id,
        "region_preview_id": make.region_preview(session, estate.region.code).id,
        "sighting_id": make.sighting(session).id,
        "recall_id": make.recall(session).id,
        "round_id": make.inspection_round(session, estate, inspector, device, at=clock.now()).id,
        "stock_id": make.spare_stock(session, estate).id,
        "retrieval_id": make.retrieval(session, device).id,
        "confirmation_request": f"ask_{resident.id}",
        "course_id": course.id,
        "session_id": training.id,
        "sign_in_id": 10**6,
        "factor_id": 10**6,
        "linked_account_id": 10**6,
        "invitation": "made-up",
        "enrolment_id": enrolment.id,
        "calendar_id": make.calendar(session, of=resident)[0],
        "token": "nonsense",
        "number": number,
        "code": short_number(device.id),
        "key": "made-up",
        "device_id": device.id,
        "other_device_id": make.device(session, of=estate).id,
        "estate_id": estate.id,
        "gate_id": make.gate(session, estate, at=PATIENT).id,
        "consumable_id": device.consumables[0].id,
        "review_id": make.review(session, of=device).id,
        "calendar": "CN",
        "year": 2026,
        "format": "csv",
        "form": "csv",
        "ending": "csv",
        "collection_id": "devices",
        "feature_id": device.id,
        "z": 14,
        "x": 13657,
        "y": 6744,
        "person_id": resident.id,
        "grant_id": grant.id,
        "issuer_id": issuer.id,
        "issuer_batch_id": make.issuer_batch(session, issuer).id,
        "pair_id": pair(session),
        "name": gate_group.name,
        "message_id": enqueue_to_endpoint(session, gate_group, Notice("Due", "到期"), NOW).id,
        "job": "feeds",
        "agreement_id": agreement.id,
        "party_role": "owners_committee",
        "rules_version": "2026-1",
        "cost_case_id": make.cost_case(session, estate).id,
        "party_key": party_key,
        "text_hash": agreement.text_hash,
        "region": "CN-33",
        "account_id": account.id,
        "relative_declaration_id": make.relative(session, resident).id,
        "other_person_id": make.person(session).id,
        "goods_id": goods.id,
        "sponsor_id": goods.sponsor_id,
        "order_id": make.goods_order(session, goods, resident).id,
        "exchange_id": exchange.id,
        "offer_id": exchange.offer_id,
        "invitation_kind": "spouse",
        "inviter_id": resident.id,
        "proof_request_id": make.proof_request(session, resident, estate).id,
        "mandate_id": make.mandate(session, resident, make.person(session)).id,
        "client_id": make.client_app(session, estate)[0].client_id,
        "view_key": "aedv_made_up",
        "webhook_id": make.webhook(session, of=estate)[0],
        "signal_source": "guardbox",
        "inheritance_id": make.inheritance(session, estate).id,
    }

    def token(role: TokenRole, *, writes: bool = True, **place: Estate | Region) -> dict[str, str]:
        return make.key(session, role, writes=writes, **place)  # type: ignore[arg-type] # estate=…, region=…

    session.add(LearnerIdentity(enrolment_id=enrolment.id, jpeg=make.jpeg(), given_at=NOW, given_by="test"))
    everyone.headers = {
        "anonymous": {},
        "resident": signed_in(session, resident),
        "neighbour": account_with(session, Role.RESIDENT, estate=neighbour),
        "resident elsewhere": account_with(session, Role.RESIDENT, estate=other),
        "without a role": account_with(session, None),
        "responder": account_with(session, Role.RESPONDER, region=region),
        "keeper": account_with(session, Role.KEEPER, estate=estate),
        "keeper elsewhere": account_with(session, Role.KEEPER, estate=other),
        "lead": account_with(session, Role.LEAD, estate=estate),
        "manager": account_with(session, Role.ESTATE_MANAGER, estate=estate),
        "manager elsewhere": account_with(session, Role.ESTATE_MANAGER, estate=other),
        "manager of the region": account_with(session, Role.ESTATE_MANAGER, region=region),
        "training officer": account_with(session, Role.TRAINING_OFFICER, region=region),
        "dispatcher": account_with(session, Role.DISPATCHER, region=region),
        "dispatcher elsewhere": account_with(session, Role.DISPATCHER, region=elsewhere),
        "administrator of the region": account_with(session, Role.ADMINISTRATOR, region=region),
        "administrator above": account_with(session, Role.ADMINISTRATOR, region=country),
        "administrator elsewhere": account_with(session, Role.ADMINISTRATOR, region=elsewhere),
        "administrator": account_with(session, Role.ADMINISTRATOR),
        "member token": token(TokenRole.MEMBER, estate=estate),
        "reading member token": token(TokenRole.MEMBER, writes=False, estate=estate),
        "dispatcher token": token(TokenRole.DISPATCHER, region=region),
        "administrator token": token(TokenRole.ADMINISTRATOR),
        "reading administrator token": token(TokenRole.ADMINISTRATOR, writes=False),
    }
    revoked = make.person(session)
    was = make.role(session, revoked, Role.ADMINISTRATOR)
    was.revoked_at, was.revoked_by = NOW, "test"
    everyone.headers["administrator no longer"] = signed_in(session, revoked)
    return everyone
