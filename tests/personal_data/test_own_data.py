"""A person's own data: exported completely, and erased so that no remaining row identifies them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, String, func, select
from sqlalchemy import Table as SqlTable
from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.people.models import Account, Person, PersonChange
from aed.accounts.people.queries import require_self_or_administrator
from aed.accounts.people.rules import Language, PersonMessage, PhoneChannel
from aed.accounts.people.schemas import PersonAmend
from aed.accounts.permissions import ANYONE, TokenRole, Viewer
from aed.accounts.sessions import SignIn
from aed.accounts.sign_in.models import SignInAttempts, SignInCode
from aed.certificates.awards import queries as award_queries
from aed.database.encryption.columns import Encrypted, EncryptedFields
from aed.database.types import Table
from aed.errors import Conflict, NotAllowed, NotFound, NotSignedIn
from aed.imports.devices.models import SourceRecord
from aed.notifications import outbox
from aed.notifications.models import OutboxMessage
from aed.personal_data import actions
from aed.personal_data.rules.erasure import Erasure, without_keeper
from aed.personal_data.rules.personal_tables import PERSONAL_TABLES
from aed.personal_data.rules.references import (
    ACTOR_COLUMNS,
    ALSO_PERSONAL,
    HOLDER_FIELDS,
    IMPERSONAL_TABLES,
    KEEPER_FIELDS,
    NAMES_NO_PERSON,
    OF_PATIENTS,
)
from aed.personal_data.schemas import OwnDataOut
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Device
from aed.responders.models import Consent, Responder, ResponderPlace
from aed.timebank.ledger.posting import find_person_account
from aed.timebank.ledger.verification import verify_ledger
from aed.timebank.models import LedgerAccount, LedgerEntry
from aed.timebank.rules import Currency, LedgerKind
from aed.training.enrolments import actions as enrolment_actions
from aed.training.models import Assessment, Attendance, Enrolment, TrainingSession
from tests import make
from tests.accounts.conftest import Browser
from tests.encryption.test_columns import everything
from tests.make import ADMINISTRATOR, NOW, PATIENT
from tests.personal_data import world
from tests.personal_data.world import NAME, NOTE, OLD_NAME, PHONE, TELLING, oneself, person_with_every_row
from tests.responders.test_offers import from_a_list

TABLES = Table.metadata.tables


# --- completeness of the rules --------------------------------------------------------------------------


def leads_to(column: Column[Any]) -> set[str]:
    return {key.column.table.name for key in column.foreign_keys}


def forgotten(tables: dict[str, SqlTable]) -> set[str]:
    """Return columns that identify a row's person but are unknown to `aed.personal_data.rules`."""
    known = {(held.table, by) for held in PERSONAL_TABLES for by in (held.by, *held.also_by)}
    known |= ALSO_PERSONAL | NAMES_NO_PERSON
    theirs = {held.table for held in PERSONAL_TABLES if held.shown is None}
    whole = {(name, column) for name, column in KEEPER_FIELDS} | {(HOLDER_FIELDS, "before")}
    found = set()
    for name, table in tables.items():
        for column in table.columns:
            where = f"{name}.{column.name}"
            if leads_to(column) & theirs and (name, column.name) not in known:
                found.add(where)
            says_who = column.name == "who" or column.name.endswith("_by")
            is_known = (name, column.name) in {*ACTOR_COLUMNS, *NAMES_NO_PERSON}
            if says_who and isinstance(column.type, String) and not is_known:
                found.add(where)
            is_nobodys_here = (name, column.name) in OF_PATIENTS | IMPERSONAL_TABLES
            if (
                isinstance(column.type, Encrypted)
                and name not in {*theirs, HOLDER_FIELDS}
                and not is_nobodys_here
            ):
                found.add(where)
            if isinstance(column.type, EncryptedFields) and (name, column.name) not in whole:
                found.add(where)
    return found


def test_every_table_that_references_people_is_listed() -> None:
    assert forgotten(dict(TABLES)) == set(), (
        "add to aed.personal_data.rules how its rows belong to a person, and how they are erased"
    )


def test_a_new_table_with_a_reference_to_people_is_found() -> None:
    new = SqlTable(
        "favourites",
        Person.metadata.__class__(),
        Column("person_id", ForeignKeyTo("people")),
        Column("given_by", String(200)),
        Column("email", Encrypted("favourites.email")),
    )
    assert forgotten({"favourites": new}) == {
        "favourites.person_id",
        "favourites.given_by",
        "favourites.email",
    }


def ForeignKeyTo(name: str) -> Any:  # noqa: N802 - reads as the class it replaces
    return ForeignKey(TABLES[name].c.id)


def test_every_listed_table_and_column_exists() -> None:
    for held in PERSONAL_TABLES:
        columns = TABLES[held.table].columns
        assert {held.by, *held.blank, *held.hidden, *(held.shown or ())} <= set(columns.keys()), held.table
        assert held.blank or held.erasure is not Erasure.BLANKED or held.table in ("people", "person_changes")
    for name, column in (*ALSO_PERSONAL, *ACTOR_COLUMNS, *NAMES_NO_PERSON, *KEEPER_FIELDS):
        assert column in TABLES[name].columns


# --- the file -------------------------------------------------------------------------------------------


def exported(session: Session, person: Person) -> dict[str, Any]:
    made = OwnDataOut.of(session, person, at=NOW)
    found: dict[str, Any] = json.loads(made.model_dump_json())
    return found


def test_only_the_person_and_an_administrator_export_the_data(session: Session) -> None:
    person, stranger = person_with_every_row(session), make.person(session)
    colleague = make.person(session)
    for who, refusal in (
        (ANYONE, NotSignedIn),
        (oneself(stranger), NotFound),
        (oneself(colleague), NotFound),
        (make.dispatcher(make.region(session)), NotFound),
        (Viewer(role=TokenRole.ADMINISTRATOR, name="reading"), NotAllowed),
    ):
        with pytest.raises(refusal):
            require_self_or_administrator(session, who, person.id)
        with pytest.raises(refusal):
            actions.erase(session, who, person.id, at=NOW)
    assert require_self_or_administrator(session, oneself(person), person.id) is person


def test_the_export_has_rows_of_every_table_and_nothing_of_others(session: Session) -> None:
    person = person_with_every_row(session)
    neighbour = make.person(session, name="Neighbour")
    make.offer(session, neighbour)

    found = exported(session, person)

    rows = {each["table"]: each["rows"] for each in found["held"]}
    assert {table for table, held in rows.items() if not held} == set(), (
        "the test data has rows of each table"
    )
    assert set(rows) == {held.table for held in PERSONAL_TABLES}
    (account,) = rows["accounts"]
    assert account["phone"] == PHONE
    assert "argon2" not in json.dumps(found)
    assert rows["assessments"][0]["note"] == NOTE
    assert rows["responder_places"][0]["position"]["lat"] == pytest.approx(30.29)
    assert {each["table"] for each in found["done"]} == {
        "check_approvals",
        "goods_orders",
        "ledger_entries",
        "loans",
        "patient_outcomes",
        "role_grants",
        "service_events",
        "service_exchanges",
    }
    listed = found["mentioned_in_lists"]
    assert [(each["source_id"], each["says"]["keeper_phone"]) for each in listed] == [
        ("1", "139 0013 9123"),
        ("2", None),
        ("1", PHONE),
    ]
    (vouched,) = found["mentioned_by_issuers"]
    assert (vouched["name"], vouched["phone"], vouched["holder_id"]) == (NAME, PHONE, world.HOLDER_ID)
    assert rows["certificates"][0]["holder_id"] == world.HOLDER_ID
    assert [each["name"] for each in rows["people"]] == [NAME, OLD_NAME], (
        "duplicate entries are exported as one person"
    )
    assert "Neighbour" not in json.dumps(found)
    assert all(each["kept_for"] and each["when_erased"] in list(Erasure) for each in found["held"])


# --- erasing --------------------------------------------------------------------------------------------


def erased(session: Session) -> Person:
    person = person_with_every_row(session)
    person_id = person.id
    session.commit()
    assert any(each in everything(session) for each in TELLING), "there is something to erase"
    assert actions.erase(session, oneself(person), person_id, at=NOW)
    session.commit()
    session.expire_all()
    return session.get_one(Person, person_id)


def test_after_erasure_nothing_in_the_database_identifies_the_person(session: Session) -> None:
    person = erased(session)

    same_name = session.scalars(select(SourceRecord).where(SourceRecord.source_id == "3")).one()
    assert same_name.fields["keeper_name"] == NAME, "a namesake with another number is another person"
    session.delete(same_name)
    session.commit()
    stored = everything(session)
    for each in TELLING:
        assert each not in stored, each
        assert json.dumps(each)[1:-1] not in stored, each
    assert (person.name, person.phone) == ("欧** O***", None)
    now = world.certificate_of(session)
    assert now.number is not None
    assert "***" in now.number
    record = session.scalars(select(SourceRecord).where(SourceRecord.source_id == "4")).one()
    assert record.fields == {
        "place_en": "Lobby",
        "lat": PATIENT.lat,
        "lon": PATIENT.lon,
        "keeper_name": "Another Person",
        "keeper_phone": PHONE,
    }


def test_erasure_keeps_the_encrypted_values_of_others_and_removes_those_of_the_person(
    session: Session,
) -> None:
    neighbour = make.person(session, name="Neighbour", phone="+86 138 0013 8000")
    neighbour_id = neighbour.id
    make.offer(session, neighbour)
    person = erased(session)

    for model in (Account, SignIn, OutboxMessage):
        assert session.scalar(select(func.count()).where(model.person_id == person.id)) == 0
    assert session.scalars(select(SignInCode)).all() == []
    assert [each.what for each in session.scalars(select(SignInAttempts))] == ["code:account:3600:another"]
    assert session.scalars(select(Account.phone)).all()[0] == "+8613800138000"
    places = select(ResponderPlace.id).join(Responder, Responder.id == ResponderPlace.responder_id)
    assert session.scalars(places.where(Responder.person_id == person.id)).all() == []
    assert len(session.scalars(places.where(Responder.person_id == neighbour_id)).all()) == 1
    assert session.get_one(Person, neighbour_id).name == "Neighbour"


def test_erasure_deletes_the_code_that_was_sent_before_the_account_was_opened(session: Session) -> None:
    new, other = "+8613800130001", "+8613800130002"
    for phone in (new, other):
        code = PersonMessage(None, PhoneChannel.SMS, phone, Language.ZH, "Code", "验证码", is_secret=True)
        outbox.enqueue(session, code, NOW)
    person = make.person(session, phone=new)
    session.flush()

    actions.erase(session, ADMINISTRATOR, person.id, at=NOW)

    assert [each.recipient for each in session.scalars(select(OutboxMessage))] == [other]


def test_erasure_keeps_history_and_statistics(session: Session) -> None:
    person = erased(session)

    fields = session.scalars(
        select(PersonChange.fields).where(PersonChange.person_id == person.id).order_by(PersonChange.id)
    ).all()
    assert fields[-1] == {"erased": [None, "all"]}
    assert all(value == [None, None] for each in fields[:-1] for value in each.values())
    assert set(fields[0]) == {"name", "phone", "language", "channel"}
    assert session.scalars(select(Attendance.state)).all() == ["attended"]
    assert [(each.passed, each.note) for each in session.scalars(select(Assessment))] == [(True, None)]
    assert all(each.withdrawn_at is not None for each in session.scalars(select(Consent)))
    assert all(each.revoked_at is not None for each in world.grants_of(session, person))
    assert list(session.scalars(select(Device.keeper_id))) == [None, None], "the device and its loaner"
    last = session.scalars(
        select(RegistryChange)
        .where(RegistryChange.subject == "devices")
        .order_by(RegistryChange.id.desc())
        .limit(1)
    ).one()
    assert last.fields == {"keeper_id": [person.id, None]}


def test_erasure_keeps_the_ledger_of_the_time_bank_under_a_number(session: Session) -> None:
    person = erased(session)

    account = find_person_account(session, person.id, Currency.POINTS)
    assert account is not None
    state = verify_ledger(session)
    assert (state.first_broken, state.wrong_accounts) == (None, [])
    earned = select(LedgerEntry.posted_by, LedgerEntry.reason).where(
        LedgerEntry.kind == LedgerKind.EARN, LedgerEntry.to_account_id == account.id
    )
    posted = session.execute(earned).all()
    assert posted
    assert all(re.fullmatch(r"test|person:\d+", row.posted_by) and row.reason is None for row in posted)
    assert session.scalar(select(func.sum(LedgerAccount.balance))) == 0


def test_erasure_offers_the_place_to_the_waiting_list(session: Session) -> None:
    person = person_with_every_row(session)
    to_come = session.scalars(select(TrainingSession).where(TrainingSession.capacity == 1)).one()
    waiting = make.enrolment(session, to_come)
    assert waiting.state == "waiting"

    actions.erase(session, oneself(person), person.id, at=NOW)

    assert waiting.state == "offered"
    states = session.scalars(select(Enrolment.state).where(Enrolment.session_id == to_come.id))
    assert sorted(states) == ["offered", "withdrawn"]
    assert enrolment_actions.expire_offers(session, NOW) == 0


def test_erasing_twice_changes_nothing_and_an_erased_person_cannot_be_amended(session: Session) -> None:
    person = erased(session)
    before = everything(session)

    assert not actions.erase(session, ADMINISTRATOR, person.id, at=NOW)
    session.commit()
    assert everything(session) == before
    with pytest.raises(Conflict):
        make.offer(session, person)
    with pytest.raises(Conflict):
        people_actions.amend_person(
            session,
            ADMINISTRATOR,
            person.id,
            PersonAmend(name="back"),
            version=person.version,
            country="CN",
            at=NOW,
        )
    assert make.person(session, name=NAME, phone=PHONE).id != person.id, "she may return as a new person"


def test_an_import_does_not_bring_an_erased_person_back(session: Session) -> None:
    from_a_list(session)
    person = session.scalars(select(Person)).one()
    actions.erase(session, ADMINISTRATOR, person.id, at=NOW)

    with pytest.raises(Conflict, match="from the list") as refused:
        from_a_list(session)

    assert refused.value.field == "source_id"
    assert [each.name for each in session.scalars(select(Person))] == ["W***"]


def test_the_public_page_of_a_certificate_names_nobody_after_erasure(session: Session) -> None:
    person = person_with_every_row(session)
    number = world.certificate_of(session).number
    assert number is not None
    assert award_queries.by_number(session, number).name == NAME

    actions.erase(session, ADMINISTRATOR, person.id, at=NOW)

    with pytest.raises(NotFound):
        award_queries.by_number(session, number)


def test_only_the_erased_keeper_is_removed_from_list_records() -> None:
    keepers = {
        "a": [{"keeper_name": "Wu", "keeper_phone": "1"}, {"keeper_name": "Wu", "keeper_phone": "2"}],
        "b": 1,
    }
    assert without_keeper(keepers, name="Wu", is_phone=lambda phone: phone == "1") == {
        "a": [{}, {"keeper_name": "Wu", "keeper_phone": "2"}],
        "b": 1,
    }
    assert without_keeper(keepers, name="Li", is_phone=lambda _phone: True) == keepers


# --- as the person sees it ------------------------------------------------------------------------------


def test_a_person_exports_and_erases_their_data_in_the_browser(
    browser: Callable[[], Browser], session: Session
) -> None:
    person = person_with_every_row(session)
    session.commit()
    own = browser()
    assert own.sign_in(PHONE, password="four words are enough").status_code == 200
    path = f"/v1/people/{person.id}"

    file = own.client.get(f"{path}/data")
    assert file.status_code == 200
    assert file.headers["Content-Disposition"] == f'attachment; filename="person-{person.id}.json"'
    assert file.headers["Cache-Control"] == "no-store"
    assert PHONE in file.text
    own.client.patch(path, json={"name": "Corrected"}, headers={**own.csrf, "If-Match": '"2"'})
    assert "Corrected" in own.client.get(f"{path}/data").text
    assert own.client.delete(path, headers=own.csrf).status_code == 204

    assert own.me()["role"] == "anyone"
    assert own.client.get(f"{path}/data").status_code == 401
    assert own.sign_in(PHONE, password="four words are enough").status_code == 401
