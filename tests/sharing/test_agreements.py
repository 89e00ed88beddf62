"""Agreements of three parties: who sees a device at which hour, and what ends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditEntry, AuditSubject
from aed.accounts.permissions import ANYONE, Audience, Viewer
from aed.database.session import Database
from aed.errors import AedError, Conflict, InvalidInput
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.registry.changes import changes_of
from aed.registry.devices import actions as device_actions
from aed.registry.devices.models import Device
from aed.registry.devices.schemas import DeviceAmend
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.sharing.agreements import actions, queries
from aed.sharing.agreements.jobs import notify_of_endings
from aed.sharing.agreements.schemas import AgreementIn
from aed.sharing.decisions.actions import decide
from aed.sharing.decisions.schemas import PartyDecisionIn
from aed.sharing.models import Agreement, DeviceShare
from aed.sharing.rules import AgreementKind, DecisionKind, PartyRole, due_notice, start_of
from aed.sharing.shares.actions import record_by_register, refresh_due_devices
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of

NIGHT = datetime(2026, 9, 22, 15, 0, tzinfo=UTC)
"""23:00 in China."""
NOON = datetime(2026, 9, 22, 4, 0, tzinfo=UTC)


def estates(session: Session) -> tuple[Estate, Estate]:
    """Return an estate and its neighbour."""
    return (
        make.estate(session, neighbourhood="lane"),
        make.estate(session, neighbourhood="lane", around=east_of(PATIENT, metres=500)),
    )


def of_estate(session: Session, estate: Estate, **given: Any) -> Device:
    return make.device(session, of=estate, audience="estate", at=north_of(PATIENT, metres=50), **given)


def audience(session: Session, device: Device) -> Audience:
    session.expire_all()
    return session.get_one(Device, device.id).audience


def found(session: Session, settings: Settings, viewer: Viewer, *, at: datetime) -> set[int]:
    """Return the devices that a lookup at the patient names, usable or not."""
    answered = answer_lookup(
        session.connection(), viewer, LookupQuestion(here=PATIENT, at=at), settings=settings, network=None
    )
    return {near.row.id for near in (*answered.devices, *answered.unusable)}


# --- A step up ------------------------------------------------------------------------------------------


def test_a_device_is_shared_once_every_party_has_consented_and_the_region_confirmed(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    made = make.draft(session, estate, device)

    for role in PartyRole:
        with pytest.raises(Conflict, match="not consented"):
            actions.confirm_agreement(session, ADMINISTRATOR, made.id, text_hash=made.text_hash, at=NOW)
        make.consent(session, made, role)
    assert audience(session, device) is Audience.ESTATE
    made = queries.agreement(session, ADMINISTRATOR, made.id)
    assert queries.waits_for(made, queries.decisions_of(session, [made.id])[made.id]) == ["region"]
    actions.confirm_agreement(session, ADMINISTRATOR, made.id, text_hash=made.text_hash, at=NOW)

    assert audience(session, device) is Audience.NEIGHBOURS
    history = changes_of(session, subject="devices", subject_id=str(device.id))
    assert history[0].fields["audience"] == ["estate", "neighbours"]


def test_a_lookup_next_door_finds_the_device_at_23_and_not_at_12(
    session: Session, settings: Settings
) -> None:
    estate, next_door = estates(session)
    device = of_estate(session, estate)
    make.agreement(session, estate, device, share={"hours": "22:00-06:00"})

    neighbour, resident = make.member(next_door, estate), make.member(estate, next_door)
    assert found(session, settings, neighbour, at=NIGHT) == {device.id}
    assert found(session, settings, neighbour, at=NOON) == set()
    assert found(session, settings, ANYONE, at=NIGHT) == set()
    assert found(session, settings, resident, at=NOON) == {device.id}


def test_a_public_device_of_the_night_is_the_neighbours_by_day(session: Session, settings: Settings) -> None:
    estate, next_door = estates(session)
    device = of_estate(session, estate)
    night = {"step": "public", "hours": "22:00-06:00", "step_outside_hours": "neighbours"}
    make.agreement(session, estate, device, share=night)

    neighbour = make.member(next_door, estate)
    assert found(session, settings, ANYONE, at=NIGHT) == {device.id}
    assert found(session, settings, ANYONE, at=NOON) == set()
    assert found(session, settings, neighbour, at=NOON) == {device.id}


def test_a_change_of_the_text_voids_consents(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    made = make.draft(session, estate, device)
    make.consent(session, made)

    text = AgreementIn.model_validate(make.agreement_text(device, ends_on="2026-12-31"))
    changed = actions.amend_agreement(session, ADMINISTRATOR, made.id, text, version=made.version, at=NOW)

    assert queries.waits_for(changed, queries.decisions_of(session, [made.id])[made.id]) == sorted(
        PartyRole, key=list(PartyRole).index
    )
    with pytest.raises(Conflict):
        actions.confirm_agreement(session, ADMINISTRATOR, made.id, text_hash=changed.text_hash, at=NOW)


def test_a_step_up_waits_for_overdue_checks(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate, last_checked_on=date(2026, 7, 1))
    make.agreement(session, estate, device)

    assert audience(session, device) is Audience.ESTATE
    session.get_one(Device, device.id).last_checked_on = date(2026, 9, 22)
    session.flush()
    assert refresh_due_devices(session, at=NOW + timedelta(hours=1)) == 1
    assert audience(session, device) is Audience.NEIGHBOURS


def test_no_device_is_stepped_up_while_fewer_than_90_percent_are_ready(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    for _ in range(2):
        of_estate(session, estate, state="out_of_service", out_of_service_reason="Pads used")
    make.agreement(session, estate, device)

    assert audience(session, device) is Audience.ESTATE


# --- What ends it ---------------------------------------------------------------------------------------


def test_a_withdrawal_acts_at_once(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    made = make.agreement(session, estate, device, share={"step": "public"})
    assert audience(session, device) is Audience.PUBLIC

    made = queries.agreement(session, ADMINISTRATOR, made.id)
    actions.withdraw_agreement(session, made, by="link:1", reason="Vandalism", at=NOW)

    assert audience(session, device) is Audience.ESTATE


def test_a_device_that_is_out_on_a_call_stays_until_the_call_is_settled(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    made = make.agreement(session, estate, device, share={"step": "public"})
    incident = make.incident(session)
    responder = make.person(session)
    alert = make.alert(session, incident, responder)
    alert.out_device_id, alert.device_settled_at = device.id, None
    session.flush()

    made = queries.agreement(session, ADMINISTRATOR, made.id)
    actions.withdraw_agreement(session, made, by="link:1", reason="Vandalism", at=NOW)
    assert audience(session, device) is Audience.PUBLIC

    session.get_one(type(alert), alert.id).device_settled_at = NOW
    session.flush()
    refresh_due_devices(session, at=NOW + timedelta(minutes=1))
    assert audience(session, device) is Audience.ESTATE


@pytest.mark.parametrize(
    ("step", "after", "override"),
    [("public", Audience.DISPATCH, False), ("neighbours", Audience.ESTATE, True)],
)
def test_an_agreement_that_ends_leaves_the_device_to_dispatch(
    session: Session, step: str, after: Audience, override: bool
) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    make.agreement(session, estate, device, ends_on="2026-10-31", share={"step": step})
    end = datetime(2026, 10, 31, 16, 0, tzinfo=UTC)  # midnight in China

    refresh_due_devices(session, at=end - timedelta(seconds=1))
    assert audience(session, device) is Audience(step)
    refresh_due_devices(session, at=end)
    assert audience(session, device) is after
    assert session.get_one(Device, device.id).emergency_override is override


def test_a_lapsed_insurance_leaves_the_estate_with_an_override(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    insurance = {"type": "公众责任险", "insurer": "I", "policy": "P", "sum_insured": 1_000_000}
    cover = insurance | {"starts_on": "2026-01-01", "ends_on": "2026-12-31"}
    again = insurance | {"starts_on": "2027-02-01", "ends_on": "2027-12-31"}
    make.agreement(session, estate, device, share={"step": "public"}, terms={"insurances": [cover, again]})

    refresh_due_devices(session, at=datetime(2026, 12, 31, 16, 0, tzinfo=UTC))
    assert audience(session, device) is Audience.ESTATE
    device = session.get_one(Device, device.id)
    assert device.emergency_override
    device.last_checked_on = date(2027, 1, 31)
    session.flush()
    refresh_due_devices(session, at=datetime(2027, 1, 31, 16, 0, tzinfo=UTC))
    assert audience(session, device) is Audience.PUBLIC


def test_only_the_party_that_suspended_an_agreement_can_resume_it(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    made = make.agreement(session, estate, device, share={"step": "public"})
    made = queries.agreement(session, ADMINISTRATOR, made.id)
    actions.suspend_agreement(session, made, by="person:1", reason="Theft", at=NOW)
    assert audience(session, device) is Audience.ESTATE

    made = queries.agreement(session, ADMINISTRATOR, made.id)
    with pytest.raises(Conflict):
        actions.resume_agreement(session, made, by="person:2", is_region=False, at=NOW)
    actions.resume_agreement(session, made, by="person:1", is_region=False, at=NOW)
    assert audience(session, device) is Audience.PUBLIC


def test_a_party_lowers_the_step_at_once_and_nobody_raises_it(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    made = make.agreement(session, estate, device, share={"step": "public"})
    made = queries.agreement(session, ADMINISTRATOR, made.id)
    actions.step_down(session, made, device_id=device.id, step=Audience.NEIGHBOURS, by="link:1", at=NOW)
    assert audience(session, device) is Audience.NEIGHBOURS

    made = queries.agreement(session, ADMINISTRATOR, made.id)
    with pytest.raises(InvalidInput):
        actions.step_down(session, made, device_id=device.id, step=Audience.PUBLIC, by="link:1", at=NOW)


def test_an_agreement_withdrawn_before_it_starts_leaves_the_earlier_one(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    first = make.agreement(session, estate, device)
    later = make.agreement(
        session,
        estate,
        device,
        supersedes_id=first.id,
        starts_on="2026-11-01",
        share={"step": "public"},
    )
    later = queries.agreement(session, ADMINISTRATOR, later.id)
    actions.withdraw_agreement(session, later, by="link:1", reason="Second thoughts", at=NOW)

    refresh_due_devices(session, at=datetime(2026, 11, 1, 1, 0, tzinfo=UTC))
    assert audience(session, device) is Audience.NEIGHBOURS


def test_a_renewal_takes_over_at_its_start(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    other = of_estate(session, estate)
    first = make.agreement(session, estate, device, other, share={"step": "public"})
    make.agreement(session, estate, device, supersedes_id=first.id, starts_on="2026-11-01")
    start = start_of(date(2026, 11, 1), "Asia/Shanghai")

    refresh_due_devices(session, at=start)
    assert audience(session, device) is Audience.NEIGHBOURS
    assert audience(session, other) is Audience.DISPATCH


def test_the_moment_of_ending_follows_the_clocks_of_the_place() -> None:
    assert start_of(date(2026, 3, 29), "Europe/Vaduz") == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert start_of(date(2026, 3, 30), "Europe/Vaduz") == datetime(2026, 3, 29, 22, tzinfo=UTC)
    # Clocks skip midnight: the day begins at the change.
    assert start_of(date(2018, 11, 4), "America/Sao_Paulo") == datetime(2018, 11, 4, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last_day", "end"),
    [
        ("2027-03-28", datetime(2027, 3, 28, 22, tzinfo=UTC)),  # a day of 23 hours
        ("2027-10-31", datetime(2027, 10, 31, 23, tzinfo=UTC)),  # a day of 25 hours
    ],
)
def test_an_agreement_ends_at_midnight_also_where_clocks_change_that_day(
    session: Session, last_day: str, end: datetime
) -> None:
    make.region(session, "LI", time_zone="Europe/Vaduz", holiday_calendar=None)
    estate = make.estate(session, in_region="LI")
    device = of_estate(session, estate)
    make.agreement(session, estate, device, ends_on=last_day, share={"step": "public"})

    refresh_due_devices(session, at=end - timedelta(seconds=1))
    assert audience(session, device) is Audience.PUBLIC
    refresh_due_devices(session, at=end)
    assert audience(session, device) is Audience.DISPATCH


def test_the_parties_are_notified_once_for_each_threshold_before_the_end(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    parties = make.agreement_text(device)["parties"]
    for number, party in enumerate(parties):
        party["representative"] = {"name": f"Party {number}", "phone": f"+86 138 0013 700{number}"}
    make.agreement(session, estate, device, ends_on="2027-01-31", parties=parties)
    end = datetime(2027, 1, 31, 4, 0, tzinfo=UTC)

    sent = {}
    for days in range(100, -3, -1):
        if count := notify_of_endings(session, at=end - timedelta(days=days)):
            sent[days] = count
            assert notify_of_endings(session, at=end - timedelta(days=days)) == 0
    assert sent == {90: 3, 60: 3, 30: 3, 7: 3, 0: 3}


def test_a_missed_notice_is_not_sent_late() -> None:
    assert due_notice(25, notified=None) == 30
    assert due_notice(6, notified=30) == 7
    assert due_notice(6, notified=7) is None
    assert due_notice(-1, notified=7) is None


# --- The register ---------------------------------------------------------------------------------------


def test_a_change_of_one_person_becomes_an_agreement_by_the_register(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    device_actions.amend_device(
        session,
        ADMINISTRATOR,
        device.id,
        DeviceAmend(audience=Audience.PUBLIC),
        version=device.version,
        at=NOW,
    )

    made = session.scalars(select(Agreement)).one()
    assert (made.kind, made.estate_id) == (AgreementKind.REGISTER, estate.id)
    share = session.scalars(select(DeviceShare)).one()
    assert (share.device_id, share.step) == (device.id, Audience.PUBLIC)
    assert audience(session, device) is Audience.PUBLIC


def test_nobody_alone_changes_the_audience_of_a_device_under_an_agreement(session: Session) -> None:
    estate, _ = estates(session)
    device = make.device(session, of=estate, audience="public")
    made = make.agreement(session, estate, device)
    assert audience(session, device) is Audience.NEIGHBOURS

    device = session.get_one(Device, device.id)
    with pytest.raises(Conflict, match=f"agreement {made.id}"):
        device_actions.amend_device(
            session,
            ADMINISTRATOR,
            device.id,
            DeviceAmend(audience=Audience.PUBLIC),
            version=device.version,
            at=NOW,
        )


def test_the_register_is_recorded_once(session: Session) -> None:
    estate, _ = estates(session)
    make.device(session, of=estate, audience="public")
    make.device(session, audience="public")  # of no estate

    assert record_by_register(session, ADMINISTRATOR, at=NOW) == 0
    assert len(session.scalars(select(DeviceShare)).all()) == 1


# --- Bad input ------------------------------------------------------------------------------------------


def test_agreements_that_overlap_are_refused(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    make.agreement(session, estate, device)

    with pytest.raises(Conflict, match="at the same time"):
        make.agreement(session, estate, device)


@pytest.mark.parametrize(
    "given",
    [
        {"ends_on": "2026-09-21"},
        {"kind": "trial", "ends_on": None},
        {"kind": "trial", "ends_on": "2026-12-31"},
        {"kind": "register"},
        {"notice_from": "2026-09-01"},
        {"preview_id": 3},
        {"supersedes_id": 987},
        {"parties": [{"role": "party_committee", "legal_name": "Alone"}]},
        {"share": {"from_on": "2026-01-01"}},
        {"share": {"until_on": "2030-01-01"}},
    ],
)
def test_a_text_that_contradicts_itself_is_refused(session: Session, given: dict[str, Any]) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)

    with pytest.raises(InvalidInput):
        make.draft(session, estate, device, **given)


def test_hours_beyond_those_of_the_device_are_refused(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate, opening_hours="08:00-20:00")

    make.draft(session, estate, device, share={"hours": "Mo-Fr 09:00-17:00"})
    with pytest.raises(InvalidInput, match="go beyond"):
        make.draft(session, estate, device, share={"hours": "22:00-06:00"})


def test_a_device_of_another_estate_is_refused(session: Session) -> None:
    estate, next_door = estates(session)
    theirs = make.device(session, of=next_door, audience="estate", at=east_of(PATIENT, metres=500))

    with pytest.raises(InvalidInput, match="not a device of this estate"):
        make.draft(session, estate, theirs)


def _party(session: Session, made: Agreement) -> Any:
    return queries.agreement(session, ADMINISTRATOR, made.id).parties[0]


def test_a_party_decides_once_on_the_present_text(session: Session) -> None:
    estate, _ = estates(session)
    made = make.draft(session, estate, of_estate(session, estate))
    consent = PartyDecisionIn(kind=DecisionKind.CONSENT, text_hash=made.text_hash)

    decide(session, _party(session, made), consent, by="link:1", at=NOW)
    with pytest.raises(Conflict, match="already decided"):
        decide(session, _party(session, made), consent, by="link:1", at=NOW)
    other = PartyDecisionIn(kind=DecisionKind.CONSENT, text_hash="0" * 64)
    with pytest.raises(Conflict, match="changed after you read it"):
        decide(session, _party(session, made), other, by="link:1", at=NOW)
    refusal = PartyDecisionIn(kind=DecisionKind.REFUSAL, text_hash=made.text_hash)
    with pytest.raises(InvalidInput, match="reason"):
        decide(session, _party(session, made), refusal, by="link:1", at=NOW)


def test_nobody_decides_after_a_withdrawal(session: Session) -> None:
    estate, _ = estates(session)
    made = make.draft(session, estate, of_estate(session, estate))
    made = queries.agreement(session, ADMINISTRATOR, made.id)
    actions.withdraw_agreement(session, made, by="person:1", reason="No longer wanted", at=NOW)

    consent = PartyDecisionIn(kind=DecisionKind.CONSENT, text_hash=made.text_hash)
    with pytest.raises(Conflict, match="nothing to decide"):
        decide(session, _party(session, made), consent, by="link:1", at=NOW)


@pytest.mark.parametrize(
    ("method", "votes", "is_enough"),
    [
        ("committee_votes", None, False),
        ("committee_votes", {"entitled": 7, "in_favour": 3}, False),
        ("committee_votes", {"entitled": 7, "in_favour": 4, "against": 3}, True),
        ("owners_assembly", {"entitled": 300, "in_favour": 180}, False),
        ("owners_assembly", {"entitled": 300, "in_favour": 110, "against": 90}, True),
        ("owners_assembly", {"entitled": 300, "in_favour": 400}, False),
    ],
)
def test_a_consent_of_the_owners_has_its_votes(
    session: Session, method: str, votes: dict[str, int] | None, is_enough: bool
) -> None:
    estate, _ = estates(session)
    made = make.draft(session, estate, of_estate(session, estate), method=method)
    party = queries.agreement(session, ADMINISTRATOR, made.id).parties[1]
    given = PartyDecisionIn.model_validate({"kind": "consent", "text_hash": made.text_hash, "votes": votes})

    def consent() -> object:
        return decide(session, party, given, by="link:1", at=NOW)

    _passes(consent) if is_enough else _fails(consent)


def _passes(call: Callable[[], object]) -> None:
    call()


def _fails(call: Callable[[], object]) -> None:
    with pytest.raises(AedError):
        call()


def test_an_agreement_is_confirmed_after_its_public_notice(session: Session) -> None:
    estate, _ = estates(session)
    device = of_estate(session, estate)
    with pytest.raises(Conflict, match="public notice"):
        make.agreement(session, estate, device, notice_from="2026-09-20", notice_until="2026-09-26")


def test_every_step_is_an_entry_of_the_audit_log(session: Session, database: Database) -> None:
    estate, _ = estates(session)
    make.agreement(session, estate, of_estate(session, estate))

    entries = session.scalars(select(AuditEntry).where(AuditEntry.subject == AuditSubject.AGREEMENT)).all()
    assert [each.action for each in entries] == [
        "drafted",
        "proposed",
        "consent",
        "consent",
        "consent",
        "confirmed",
    ]
