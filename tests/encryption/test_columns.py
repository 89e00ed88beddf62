"""Encrypted columns: the stored data is unreadable, and phone numbers are found by an index."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import inspect, select, text
from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Account, Person
from aed.accounts.people.rules import Language, PersonMessage, PhoneChannel
from aed.database.bulk import insert_many
from aed.database.encryption.columns import Encrypted, EncryptedFields, register_keyring
from aed.database.encryption.keyring import generate_key
from aed.database.session import Database
from aed.errors import Conflict
from aed.imports.devices.models import SourceRecord
from aed.notifications import outbox
from aed.notifications.models import OutboxMessage
from aed.personal_data.key_rotation import encrypted_columns
from tests import make
from tests.encryption.test_keyring import ring
from tests.make import ADMINISTRATOR, NOW

DIGITS = "13800138"


def everything(session: Session) -> str:
    """Return every value of every table, as stored."""
    connection = session.connection()
    names = [name for name in inspect(connection).get_table_names() if not name.startswith("spatial_ref")]
    quoted = connection.dialect.identifier_preparer.quote
    return "".join(
        str(row)
        for name in names
        for row in connection.exec_driver_sql(f"SELECT * FROM {quoted(name)}")  # noqa: S608 - its own names
    )


def test_no_phone_number_is_stored_in_plain_text(session: Session) -> None:
    person = make.person(session, phone="138 0013 8000")
    people_actions.find_or_add_person(session, name="of a list", phone="+86 138-0013-8001")
    insert_many(session, Person, [{"name": "many", "phone": "13800138002", "language": "zh"}])
    people_actions.open_accounts(session, ADMINISTRATOR, country="CN", at=NOW)
    message = PersonMessage(person.id, PhoneChannel.SMS, "+8613800138000", Language.ZH, "text", "文")
    outbox.enqueue(session, message, NOW)
    fields = {
        "keeper_name": "Wu",
        "keeper_phone": "+86 138 0013 8003",
        "nested": [{"keeper_phone": "13800138"}],
    }
    kept = {"source": "s", "fields": fields, "digest": "0" * 64, "first_seen_at": NOW, "changed_at": NOW}
    insert_many(session, SourceRecord, [{**kept, "source_id": "1", "device_id": None}])
    session.add(SourceRecord(**kept, source_id="2"))
    asked = make.review(session, of=make.device(session))
    asked.evidence = {"record": fields, "signs": []}
    session.flush()
    session.expire_all()

    stored = everything(session).translate(str.maketrans("", "", " -"))

    assert DIGITS not in stored
    assert "Wu" in stored, "it was looked at"
    assert sorted(each.phone or "" for each in session.scalars(select(Person))) == [
        "+86 138-0013-8001",
        "+8613800138000",
        "13800138002",
    ]
    assert [record.fields for record in session.scalars(select(SourceRecord))][:2] == [fields, fields]
    assert asked.evidence["record"] == fields
    assert session.scalars(select(OutboxMessage.recipient)).one() == "+8613800138000"


def test_each_column_is_encrypted_separately() -> None:
    columns = encrypted_columns()
    assert len(columns) >= 5
    for column in columns:
        assert isinstance(column.type, Encrypted | EncryptedFields)
        assert column.type.place == f"{column.table.name}.{column.name}"


def test_every_column_named_like_a_phone_number_is_encrypted() -> None:
    """A new table that stores phone numbers must encrypt them."""
    open_to_all = {"estates.guard_phone", "regions.emergency_number", "certificates.number"}
    open_to_all |= {"reminders.addressed_at", "proof_requests.includes_identity"}  # when, and whether
    like = re.compile("phone|recipient|mail|identity|id_number|id_card|mobile|address|holder_id")
    for table in Person.metadata.tables.values():
        for column in table.columns:
            name = f"{table.name}.{column.name}"
            if like.search(column.name) and name not in open_to_all:
                assert isinstance(column.type, Encrypted), (
                    f"{name}: seal it (aed.database.encryption), or say why not"
                )


def test_a_number_is_found_in_any_notation_and_under_any_key(session: Session, database: Database) -> None:
    old, new = generate_key(), generate_key()
    register_keyring(database.engine.dialect, ring(old))
    first = make.person(session, phone="138 0013 8000")
    register_keyring(database.engine.dialect, ring(new, old))
    second = make.person(session, phone="138 0013 8001")
    session.flush()
    session.expire_all()

    for person, phone in ((first, "+8613800138000"), (second, "+8613800138001")):
        found = people_queries.account_by_phone(session, phone)
        assert found is not None
        assert found[1].id == person.id
        assert (
            people_actions.find_or_add_person(session, name=person.name, phone=f"{phone[:3]} {phone[3:]}").id
            == person.id
        )
        assert (
            people_actions.find_or_add_people(session, [(person.name, phone)])[person.name, phone].id
            == person.id
        )
    assert people_queries.account_by_phone(session, "+8613800138002") is None


def test_one_number_has_one_account_during_a_key_rotation(session: Session, database: Database) -> None:
    old, new = generate_key(), generate_key()
    register_keyring(database.engine.dialect, ring(old))
    make.person(session, phone="138 0013 8000")
    register_keyring(database.engine.dialect, ring(new, old))

    with pytest.raises(Conflict, match="already"):
        make.person(session, phone="+86 138 0013 8000")


def test_a_number_in_another_notation_in_a_list_is_the_same_person(session: Session) -> None:
    wanted = [
        ("Wu", "13800138000"),
        ("Wu", "138-0013-8000"),
        ("Wu", "138 0013 8000"),
        ("Wu", None),
        ("Li", None),
    ]
    found = people_actions.find_or_add_people(session, wanted)

    assert len({person.id for person in found.values()}) == 3
    assert found["Wu", "13800138000"].phone == "13800138000", "as first entered"
    assert people_actions.find_or_add_people(session, wanted) == found


def test_an_encrypted_column_refuses_unsupported_comparisons() -> None:
    with pytest.raises(TypeError, match="through its index only"):
        _ = OutboxMessage.recipient == "+8613800138000"
    with pytest.raises(TypeError, match="cannot be ordered"):
        Person.phone.desc()


def test_a_number_is_looked_up_by_its_index_on_both_databases(session: Session) -> None:
    connection = session.connection()
    asked = select(Account.person_id).where(Account.phone == "+8613800138000")

    compiled = asked.compile(connection)
    prefix = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL enable_seqscan = off"))
    parameters = {
        name: process(value)
        if (process := compiled.binds[name].type.bind_processor(connection.dialect))
        else value
        for name, value in compiled.construct_params().items()
    }
    statement = str(compiled).replace("%%", "%") if connection.dialect.name == "sqlite" else str(compiled)
    given = tuple(parameters[name] for name in compiled.positiontup or ()) or parameters
    plan = [str(row) for row in connection.exec_driver_sql(prefix + statement, given)]

    assert "uq_accounts_phone" in "".join(plan), plan
