"""Key rotation during reads, and errors about missing keys."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Person
from aed.database.encryption.columns import register_keyring
from aed.database.encryption.keyring import EncryptionKey, generate_key
from aed.database.session import Database, open_database, read_session, transaction
from aed.errors import KeysUnusable
from aed.imports.devices.models import SourceRecord
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.personal_data import key_rotation
from aed.settings import Settings
from tests import make
from tests.commands import KEY
from tests.make import NOW, PATIENT

FIELDS = {"keeper_name": "Wu", "keeper_phone": "+86 138 0013 8003"}


def with_keys(settings: Settings, *keys: str) -> Database:
    return open_database(settings.model_validate(settings.model_dump() | {"encryption_keys": ",".join(keys)}))


def some(session: Session, count: int) -> None:
    """Add people with accounts, and keepers from a list."""
    for number in range(count):
        make.person(session, phone=f"+86 138 0013 {8000 + number}")
    session.add(
        SourceRecord(
            source="s", source_id="1", fields=FIELDS, digest="0" * 64, first_seen_at=NOW, changed_at=NOW
        )
    )
    session.commit()


def test_keys_are_rotated_while_others_sign_in_and_read(session: Session, settings: Settings) -> None:
    some(session, 60)
    new = generate_key()
    database = with_keys(settings, new, KEY)
    before = with_keys(settings, KEY, new)  # a process not restarted since: it has both keys
    missed: list[str] = []
    stop = threading.Event()

    def ask() -> None:
        number = 0
        while not stop.is_set():
            phone = f"+861380013{8000 + number % 60}"
            for one in (database, before):
                with read_session(one) as reading:
                    found = people_queries.account_by_phone(reading, phone)
                    if found is None or found[0].phone != phone:
                        missed.append(phone)
            number += 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        done = key_rotation.rotate(database, progress=lambda _count: None)
    finally:
        stop.set()
        asking.join()

    assert missed == []
    assert done.reencrypted == 60 * 2 + 1 + 1, "and the key of the audit log"
    for counts in done.counts_by_key.values():
        assert set(counts) <= {EncryptionKey.of(new).id}
    for each in (database, before):
        each.close()
    alone = with_keys(settings, new)
    with read_session(alone) as reading:
        assert people_queries.account_by_phone(reading, "+8613800138059") is not None
        assert reading.scalars(select(SourceRecord.fields)).one() == FIELDS
    alone.close()


def test_an_interrupted_rotation_resumes_where_it_stopped(
    session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    some(session, 25)
    monkeypatch.setattr(key_rotation, "BATCH", 10)  # several batches of few rows
    database = with_keys(settings, generate_key(), KEY)

    def break_off(looked_at: int) -> None:
        if looked_at >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        key_rotation.rotate(database, progress=break_off)
    first = database.keys.ids[0]
    half = {name: counts.get(first, 0) for name, counts in key_rotation.count_by_key(database).items()}
    assert sum(half.values()) == 20
    done = key_rotation.rotate(database, progress=lambda _count: None)

    assert done.reencrypted == 25 * 2 + 1 + 1 - 20
    assert key_rotation.rotate(database, progress=lambda _count: None).reencrypted == 0
    database.close()


def test_a_concurrent_change_is_not_overwritten_by_the_rotation(
    session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    some(session, 1)
    database = with_keys(settings, generate_key(), KEY)
    person_id = session.scalars(select(Person.id)).one()
    session.commit()
    with read_session(database) as reading:
        old = reading.scalar(text("SELECT phone FROM people"))
    with transaction(database) as writing:
        writing.execute(update(Person).where(Person.id == person_id).values(phone="+86 1"))

    column = next(each for each in key_rotation.encrypted_columns() if str(each) == "people.phone")
    with transaction(database) as writing:
        key_rotation._reencrypt(writing.connection(), column, database.keys, [(person_id, str(old))])

    with read_session(database) as reading:
        assert reading.scalars(select(Person.phone)).one() == "+86 1"
    database.close()


def test_plain_values_of_the_previous_release_are_encrypted_by_the_next_rotation(
    session: Session, database: Database
) -> None:
    session.execute(
        text("INSERT INTO people (name, phone, language) VALUES ('Old', '+86 138 0013 8000', 'zh')")
    )
    session.commit()
    assert key_rotation.count_by_key(database)["people.phone"] == {key_rotation.UNENCRYPTED: 1}

    assert key_rotation.rotate(database, progress=lambda _count: None).reencrypted == 1

    assert session.scalar(select(Person.name).where(Person.phone == "+86 138 0013 8000")) == "Old"


def test_a_wrong_key_is_detected_at_startup(session: Session, database: Database) -> None:
    some(session, 1)
    key_rotation.check_keys(database)
    register_keyring(database.engine.dialect, database.keys)
    stranger = with_keys(
        Settings(database_url=database.engine.url.render_as_string(hide_password=False)), generate_key()
    )
    with pytest.raises(KeysUnusable, match=EncryptionKey.of(KEY).id):
        key_rotation.check_keys(stranger)
    stranger.close()


def test_the_lookup_works_even_if_the_keepers_number_cannot_be_decrypted(
    session: Session, settings: Settings
) -> None:
    keeper = {"name": "Wang", "phone": "+86 138 0013 8000"}
    device = make.device(session, at=PATIENT, keeper=keeper)
    dispatcher = make.dispatcher(make.region(session))
    session.commit()

    def nearest_keeper(database: Database) -> tuple[int, str | None, str | None]:
        with database.autocommit_engine.connect() as connection:
            question = LookupQuestion(here=PATIENT, at=NOW, limit=1)
            (near,) = answer_lookup(connection, dispatcher, question, network=None, settings=settings).devices
        return near.row.id, near.row.keeper_name, near.row.keeper_phone

    stranger, known = with_keys(settings, generate_key()), with_keys(settings, KEY)
    assert nearest_keeper(known) == (device.id, "Wang", "+86 138 0013 8000")
    assert nearest_keeper(stranger) == (device.id, "Wang", None)
    stranger.close()
    known.close()
