"""A person with rows in every table that can refer to a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.demo_people import DemoPerson, DemoRole
from aed.accounts.people import actions as people_actions
from aed.accounts.people.models import Account, Identity, Person
from aed.accounts.people.rules import Language, PersonMessage, PhoneChannel
from aed.accounts.people.schemas import PersonAmend
from aed.accounts.permissions import Role, TokenRole, TokenScope, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.security_log import SecurityEventKind, log_event
from aed.accounts.sessions import SignIn
from aed.accounts.sign_in.models import RecoveryCode, SecondFactor, SignInAttempts, SignInCode
from aed.accounts.sign_in.rules import FactorKind
from aed.accounts.sign_in.throttling import account_keys
from aed.accounts.tokens import hash_key
from aed.accounts.viewers import viewer_of_person
from aed.calendars.models import CalendarKind
from aed.certificates.models import CertificateCheck, IssuerEntry, PersonPair
from aed.certificates.rules import CheckState
from aed.database.encryption.columns import keyring_of
from aed.debrief.outcomes.actions import record_outcome
from aed.debrief.outcomes.rules import CoreItems
from aed.imports.devices.models import Review, SourceRecord
from aed.imports.devices.rules import ReviewKind
from aed.imports.models import ImportDraft
from aed.incidents.models import (
    AlertLocation,
    Drill,
    EarlierAlertLink,
    IncidentExclusion,
    IncidentReport,
    StoredReply,
)
from aed.incidents.rules import AlertReply
from aed.linked_accounts.models import LinkedAccount
from aed.lookup.arrival import Basis
from aed.notifications import outbox
from aed.notifications.models import EndpointRow, WechatConsent
from aed.notifications.rules import Channel
from aed.registry.devices.models import Device, Loan
from aed.registry.estates.models import Estate, ResidenceRequest, SavedFilter
from aed.responders.live import live_places_of
from aed.responders.models import Certificate
from aed.responders.rules import live_location
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.rules import PartyRole
from aed.timebank.models import ExpiryNotice, FamilyMember, Inheritance, NamedHeir, PriorityMember, Relative
from aed.timebank.rules import OfferKind, PriorityGroup, Relation
from aed.timebank.services.models import ServiceOffer
from aed.training.models import (
    Assessment,
    AssessmentAttempt,
    Enrolment,
    IssuerBatchRow,
    LearnerIdentity,
    PresenceCodeUsed,
    TrainingReminder,
)
from aed.training.rosters import actions as roster_actions
from aed.training.rules import AttendanceState, BatchRowState, MarkedBy
from aed.upkeep.models import CheckApproval, Confirmation, ConfirmationRequest, Retrieval
from aed.upkeep.reminders.models import ReminderPreference
from aed.upkeep.rules import ApprovalState, Fact
from aed.volunteering.appeals.actions import open_appeal, set_panel_member, vote_on_appeal
from aed.volunteering.models import PlatformBatch, PlatformRow, ProofRequest, ServiceCertificate
from aed.volunteering.records.actions import confirm_record, void_record
from aed.volunteering.rules import BatchState, IdType, RowState, ServiceIssuerKind, VolunteerPlatform
from aed.volunteering.volunteers.actions import assign_buildings
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT

NAME: Final = "欧阳娜 Ouyangnana"
OLD_NAME: Final = "Ouyangbefore"
PHONE: Final = "+8613900139123"
OLD_PHONE: Final = "+8613900139124"
NOTE: Final = "Her left arm hurts"
MAIL: Final = "ouyangnana@example.org"
HOLDER_ID: Final = "330102********9123"
WHOLE_ID: Final = "330102196001019123"
TELLING: Final = ("欧阳娜", "Ouyangnana", OLD_NAME, "13900139123", "13900139124", NOTE, MAIL, "330102")
"""Values that identify the person."""


def person_with_every_row(session: Session) -> Person:
    """Add a person with every kind of row.

    She has an account, a former name and number, an offer to respond, a device she keeps, training as a
    participant and a trainer, a waiting-list place, a decision, list entries as a keeper, messages and a
    session.
    """
    person = make.person(session, name=OLD_NAME, phone=OLD_PHONE, password="four words are enough")
    make.declaration(session, estate=make.estate(session), of=person)
    people_actions.amend_person(
        session,
        ADMINISTRATOR,
        person.id,
        PersonAmend(name=NAME, phone=PHONE, language=Language.EN),
        version=person.version,
        country="CN",
        at=NOW,
    )
    estate = make.estate(session)
    make.role(session, person, Role.ESTATE_MANAGER, estate=estate)
    offered = make.offer(session, person)
    assert offered.entry is not None
    make.shares_live_place(session, offered.entry.id)
    here = live_location(offered.entry.id, make.PATIENT, at=NOW, resolution=9)
    live_places_of(session).put(session.connection(), [here], at=NOW)
    kept = make.device(session, of=estate, keeper={"name": NAME, "phone": PHONE})
    _mentioned_in_lists(session, kept)
    agreement = make.draft(session, estate, kept)
    for party in agreement_queries.agreement(session, ADMINISTRATOR, agreement.id).parties:
        party.representative_id = person.id
    session.flush()
    account = make.credited(session, person, estate)
    assert account.active_at is not None
    session.add_all(
        [
            FamilyMember(account_id=account.id, person_id=person.id, joined_at=NOW),
            Inheritance(person_id=person.id, died_on=NOW.date(), recorded_at=NOW, recorded_by="test"),
            NamedHeir(person_id=person.id, heir_id=make.person(session).id, named_at=NOW),
            Relative(
                person_id=make.person(session).id,
                relative_id=person.id,
                relation=Relation.SPOUSE,
                declared_at=NOW,
            ),
        ]
    )
    make.inspection_round(session, estate, person, kept)
    spares = make.spare_stock(session, estate, maker=f"Maker {person.id}")
    make.spare_movement(
        session, spares, "received", 2, who=viewer_of_person(session, person.id), expires_on="2029-01-31"
    )
    session.add_all(
        [
            ResidenceRequest(person_id=person.id, estate_id=estate.id, asked_at=NOW),
            SavedFilter(person_id=person.id, estate_id=estate.id, name=NAME, query="shown=due", saved_at=NOW),
        ]
    )
    session.add(
        ImportDraft(
            person_id=person.id,
            file_name="list.csv",
            content=NAME.encode(),
            mapping="",
            fixes=[],
            created_at=NOW,
        )
    )
    make.goods_order(session, make.goods(session, estate), person)
    make.service_exchange(session, estate, person)
    session.add_all(
        [
            ServiceOffer(
                person_id=person.id,
                region_id=estate.region_id,
                kind=OfferKind.OTHER,
                title=NAME,
                price=1,
                offered_at=NOW,
            ),
            PriorityMember(
                person_id=person.id,
                priority_group=PriorityGroup.OVER_80,
                confirmed_at=NOW,
                confirmed_by="test",
            ),
        ]
    )
    make.mandate(session, person, make.person(session))
    make.app_link(session, person, estate)
    session.add(ExpiryNotice(account_id=account.id, active_at=account.active_at, days=90, sent_at=NOW))
    _service_of(session, person, estate)
    held = make.training(session, trainer={"name": NAME, "phone": PHONE})
    learnt = make.enrolment(session, held, NAME, phone=PHONE, language="en")
    assert learnt.person_id == person.id == kept.keeper_id == held.trainer_id
    for result in (
        roster_actions.Result(learnt.id, attendance=AttendanceState.ATTENDED),
        roster_actions.Result(learnt.id, passed=True, note=NOTE),
    ):
        training = roster_actions.open_for_results(session, ADMINISTRATOR, held.id, at=held.ends_at)
        roster_actions.save_results(
            session, ADMINISTRATOR, training, [result], how=MarkedBy.HAND, at=held.ends_at
        )
    session.add(
        AssessmentAttempt(
            enrolment_id=learnt.id, number=1, marks={"theory": 90}, assessed_at=NOW, assessed_by="test"
        )
    )
    to_come = make.training(session, starts_at=NOW + timedelta(days=60), capacity=1, minimum=1)
    make.enrolment(session, to_come, NAME, phone=PHONE)
    for texts in (("Come, Ouyangnana", "来"), ("Your code is 123456", "码")):
        message = PersonMessage(person.id, PhoneChannel.SMS, PHONE, Language.EN, *texts)
        outbox.enqueue(session, message, NOW)
    session.add(
        SignIn(person_id=person.id, key_hash=hash_key("k"), created_at=NOW, expires_at=NOW.replace(year=2099))
    )
    key = account_keys(keyring_of(session.get_bind().dialect), PHONE)[0]
    session.add(
        SignInCode(account_key=key, browser_hash="b", code_hash="h", expires_at=NOW, tries=0, others_tries=0)
    )
    session.add(
        SecondFactor(person_id=person.id, kind=FactorKind.TOTP, name=NAME, secret="ABC", added_at=NOW)
    )
    session.add(RecoveryCode(person_id=person.id, code_hash="r"))
    session.add(DemoPerson(role=DemoRole.RESIDENT, person_id=person.id))
    log_event(session, SecurityEventKind.SIGN_IN_FAILED, at=NOW, account_key=key, address="203.0.113.7")
    log_event(session, SecurityEventKind.SIGN_IN, at=NOW, person_id=person.id, address="203.0.113.7")
    session.add(SignInAttempts(what=f"code:account:3600:{key}", since=NOW, count=1))
    session.add(SignInAttempts(what="code:account:3600:another", since=NOW, count=1))
    _looks_after_devices(session, person, kept)
    _certified(session, person, learnt)
    _reachable(session, person)
    made = make.role(session, make.person(session), Role.RESIDENT, estate=estate)
    made.granted_by = f"person:{person.id}"
    session.flush()
    return person


def _looks_after_devices(session: Session, person: Person, device: Device) -> None:
    """Add a check, a confirmation, a report, a retrieval and a reminder by her for the device."""
    name = f"person:{person.id}"
    checked = make.check(session, device).check
    checked.by_id, checked.by_name = person.id, name
    other = make.check(session, device).check
    session.add(
        CheckApproval(
            check_id=other.id,
            device_id=device.id,
            due_at=NOW,
            lifts=[],
            state=ApprovalState.APPROVED,
            decided_at=NOW,
            decided_by_id=person.id,
            decided_by=name,
        )
    )
    spare = make.device(session)
    session.add(
        Loan(
            device_id=device.id,
            loaner_id=spare.id,
            reason="repair",
            lent_at=NOW,
            lent_by=name,
            due_back_on=NOW.date(),
            loaner_before={},
            loaner_keeper_id=person.id,
            returned_at=NOW,
            returned_by=name,
        )
    )
    session.merge(Confirmation(device_id=device.id, fact=Fact.HOURS, at=NOW, by_id=person.id, by_name=name))
    ran = make.drill(session, device)
    ran.by_id, ran.by_name = person.id, name
    fault = make.report(session, device)
    fault.by_id, fault.by_name = person.id, name
    sent = {"key": "a" * 36, "device_id": device.id, "sent_at": NOW, "ask_at": NOW}
    session.add(Retrieval(**sent, person_id=person.id, reported_by="token:centre"))
    asked = {"asked_at": NOW, "lapses_at": NOW + timedelta(days=1)}
    session.add(
        ConfirmationRequest(
            key_hash="e" * 64, device_id=device.id, person_id=person.id, fact=Fact.POSITION, **asked
        )
    )
    incident = make.incident(session)
    alert = make.alert(session, incident, person)
    session.add(
        IncidentExclusion(
            incident_id=incident.id, person_id=person.id, excluded_at=NOW, excluded_by="token:centre"
        )
    )
    session.add(AlertLocation(alert_id=alert.id, cell=617700169958293503, lat=30.29, lon=120.1, at=NOW))
    session.add(StoredReply(alert_id=alert.id, key="e" * 36, reply=AlertReply.SEEN, at=NOW))
    session.add(EarlierAlertLink(key_hash=f"earlier link of alert {alert.id}", alert_id=alert.id))
    recorded = record_outcome(
        session, make.ADMINISTRATOR, incident.id, CoreItems(age_years=67), version=0, at=NOW
    )
    recorded.reported_by = name
    reported = IncidentReport(
        incident_id=incident.id, key="d" * 36, digest="0" * 64, reported_by="token:desk", reported_at=NOW
    )
    reported.by_id, reported.lat, reported.lon, reported.note = person.id, PATIENT.lat, PATIENT.lon, "He fell"
    session.add(reported)
    session.add(
        Drill(
            key="b" * 36,
            digest="0" * 64,
            device_id=device.id,
            estate_id=device.estate_id,
            start_lat=30.29,
            start_lon=120.1,
            start_floor=0,
            device_floor=0,
            seconds=180.0,
            walk_metres=100.0,
            basis=Basis.STRAIGHT_LINE,
            floor_seconds=0.0,
            ran_at=NOW,
            reported_at=NOW,
            by_id=person.id,
            by_name=name,
        )
    )
    session.add(ReminderPreference(person_id=person.id, from_hour=0, until_hour=24))
    make.reminded(session, person, device, at=NOW)


def _certified(session: Session, person: Person, learnt: Enrolment) -> None:
    """Add her entry on an issuer's roster, and a merge of two entries of her."""
    card = certificate_of(session)
    issuer = make.issuer(session)
    make.trainer_grade(session, person, issuer)
    session.add(
        LearnerIdentity(
            enrolment_id=learnt.id, holder_id=WHOLE_ID, jpeg=b"photo", given_at=NOW, given_by="test"
        )
    )
    batch = make.issuer_batch(session, issuer)
    assessment = session.scalars(select(Assessment).where(Assessment.enrolment_id == learnt.id)).one()
    assessment.issuer_number = f"RC-{PHONE}"
    session.add(
        IssuerBatchRow(
            batch_id=batch.id,
            number=1,
            assessment_id=assessment.id,
            state=BatchRowState.REJECTED,
            reason=f"{NAME} has no photo",
        )
    )
    card.issuer_id, card.holder_id = issuer.id, HOLDER_ID
    session.add(
        CertificateCheck(
            certificate_id=card.id,
            issuer_id=issuer.id,
            state=CheckState.DISPUTED,
            said=f"The issuer says that it is {NAME}'s.",
            changed_at=NOW,
        )
    )
    entry = {"course": "CPR", "kind": card.kind, "valid_until": card.valid_until, "is_revoked": False}
    moments = {"first_read_at": NOW, "read_at": NOW, "changed_at": NOW}
    session.add(
        IssuerEntry(
            issuer_id=issuer.id,
            number=card.number,
            name=NAME,
            holder_id=HOLDER_ID,
            holder_id_hash="330102-hash",
            phone=PHONE,
            before=[{"phone": [OLD_PHONE, PHONE], "at": NOW.isoformat()}],
            **entry,
            **moments,
        )
    )
    session.add(PresenceCodeUsed(nonce="n", enrolment_id=learnt.id, used_at=NOW))
    session.add(TrainingReminder(key=f"enrolment:{learnt.id}:day", person_id=learnt.person_id, sent_at=NOW))
    twice = Person(name=OLD_NAME, phone=OLD_PHONE, language="zh", joined_into_id=person.id)
    session.add(twice)
    session.flush()
    reasons = [f"both are called {OLD_NAME}"]
    session.add(PersonPair(first_id=person.id, second_id=twice.id, score=0.9, reasons=reasons, found_at=NOW))


def _reachable(session: Session, person: Person) -> None:
    """Add her sign-in by a provider, her calendars and her e-mail."""
    account = session.get_one(Account, person.id)
    account.email = MAIL
    session.add(
        Identity(
            provider="https://id", subject=OLD_NAME, person_id=person.id, linked_at=NOW, linked_by="email"
        )
    )
    session.add(
        LinkedAccount(
            person_id=person.id, cell="34", key="0" * 24, is_home=True, created_at=NOW, is_erasure=False
        )
    )
    make.calendar(session, of=person)
    make.calendar(session, of=person, kind=CalendarKind.DUE, is_mine=True)
    endpoint = EndpointRow(
        name="own",
        channel=Channel.EMAIL,
        person_id=person.id,
        language=Language.EN,
        address=MAIL,
        created_at=NOW,
    )
    session.add(endpoint)
    session.flush()
    session.add(WechatConsent(endpoint_id=endpoint.id, template_id="t", key="tap-0001", given_at=NOW))
    outbox.enqueue_to_endpoint(session, endpoint, outbox.Notice(text_en="Come", text_zh="来"), NOW)


def _service_of(session: Session, person: Person, estate: Estate) -> None:
    """Register her as a volunteer and a lead, with an hour that others confirmed."""
    who = viewer_of_person(session, person.id)
    here = make.building(session, estate, at=PATIENT)
    make.registered(
        session, who, estate, building_id=here.id, id_type="id_card", id_number="330102199001019123"
    )
    make.role(session, person, Role.LEAD, estate=estate)
    assign_buildings(session, ADMINISTRATOR, estate.id, person.id, [here.id])
    elsewhere = {"lat": PATIENT.lat + 1, "lon": PATIENT.lon}
    one, other = (make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate) for _ in range(2))
    record = make.service(session, who, estate, who=one, place=f"With {NAME}", proof=elsewhere)
    confirm_record(session, other, record.id, rating=5, at=NOW)
    void_record(session, other, record.id, reason=NOTE, at=NOW)
    open_appeal(session, who, record.id, reason=NOTE, at=NOW)
    neighbour = make.volunteer(session, estate)
    theirs = make.service(session, neighbour, estate)
    void_record(session, other, theirs.id, reason="Nobody saw it", at=NOW)
    appeal = open_appeal(session, neighbour, theirs.id, reason="I was there", at=NOW)
    set_panel_member(session, ADMINISTRATOR, estate.id, PartyRole.OWNERS_COMMITTEE, person.id)
    vote_on_appeal(session, who, appeal.id, is_granted=False, reason=NOTE, at=NOW)
    batch = PlatformBatch(
        platform=VolunteerPlatform.ZHIYUANHUI,
        reference="2026-09",
        estate_id=estate.id,
        region_id=estate.region_id,
        from_on=NOW.date(),
        until_on=NOW.date(),
        state=BatchState.ANSWERED,
        made_at=NOW,
        made_by="test",
    )
    session.add(batch)
    session.flush()
    session.add(
        PlatformRow(
            batch_id=batch.id,
            record_id=record.id,
            platform=batch.platform,
            state=RowState.REJECTED,
            reason=f"{NAME} is unknown",
        )
    )
    session.add(
        ProofRequest(
            key="1",
            person_id=person.id,
            estate_id=estate.id,
            region_id=estate.region_id,
            purpose=f"School of {NAME}",
            recipient="A school",
            from_on=NOW.date(),
            until_on=NOW.date(),
            includes_identity=True,
            asked_at=NOW,
        )
    )
    session.add(
        ServiceCertificate(
            number="SC-1",
            key="1",
            person_id=person.id,
            estate_id=estate.id,
            region_id=estate.region_id,
            from_on=NOW.date(),
            until_on=NOW.date(),
            minutes=60,
            content=[],
            name=NAME,
            id_type=IdType.ID_CARD,
            id_number="330102199001019123",
            issuer_kind=ServiceIssuerKind.REGISTERED_TEAM,
            issuer="A team",
            responsible="Wu",
            handler="Li",
            contact="+86 571 0555 0001",
            issued_on=NOW.date(),
            issued_at=NOW,
            issued_by="test",
        )
    )
    session.flush()


def _mentioned_in_lists(session: Session, kept: Device) -> None:
    for number, (name, phone) in enumerate(
        [(NAME, "139 0013 9123"), (NAME, None), (NAME, "+86 10 0000 0000"), ("Another Person", PHONE)], 1
    ):
        fields: dict[str, Any] = {
            "lat": PATIENT.lat,
            "lon": PATIENT.lon,
            "place_en": "Lobby",
            "keeper_name": name,
        }
        fields |= {"keeper_phone": phone} if phone else {}
        session.add(
            SourceRecord(
                source="town",
                source_id=str(number),
                device_id=kept.id,
                fields=fields,
                digest=f"{number:064}",
                first_seen_at=NOW,
                changed_at=NOW,
            )
        )
    session.add(
        Review(
            kind=ReviewKind.DUPLICATE,
            source="town",
            source_id="1",
            device_id=kept.id,
            attribute="",
            evidence={
                "record": {"keeper_name": NAME, "keeper_phone": PHONE, "place_en": "Lobby"},
                "signs": [],
            },
            opened_at=NOW,
        )
    )
    session.flush()


def oneself(person: Person) -> Viewer:
    return Viewer(
        name=f"person:{person.id}",
        person_id=person.id,
        role=TokenRole.MEMBER,
        scopes=frozenset(TokenScope),
    )


def certificate_of(session: Session) -> Certificate:
    return session.scalars(select(Certificate)).one()


def grants_of(session: Session, person: Person) -> list[RoleGrant]:
    return list(session.scalars(select(RoleGrant).where(RoleGrant.person_id == person.id)))
