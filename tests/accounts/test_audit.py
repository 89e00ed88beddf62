"""The audit log and records of incidents: tampering without the key is detected."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.audit_log import (
    NOTHING_BEFORE,
    AuditEntry,
    AuditKey,
    AuditReplay,
    audit_keys,
    hash_of_entry,
    keyed_hash,
    replay_audit_log,
)
from aed.accounts.audit_verification import unrecorded_changes
from aed.accounts.permissions import Role, TokenRole, TokenScope
from aed.accounts.roles import actions as role_actions
from aed.accounts.tokens import create_token, revoke_token
from aed.database.encryption.keyring import generate_key
from aed.database.session import Database, open_database
from aed.incidents import queries as incident_queries
from aed.incidents.models import IncidentEvent
from aed.incidents.record.actions import anchor_heads, first_broken_entry, legacy_hash
from aed.incidents.record.queries import audit_head, find_differences
from aed.notifications.models import OutboxMessage
from aed.personal_data import actions as personal_data_actions
from aed.personal_data import key_rotation
from aed.settings import Settings
from tests import make
from tests.cli.conftest import Aed, aed, run  # noqa: F401 - fixtures
from tests.commands import KEY
from tests.encryption.test_columns import everything
from tests.make import ADMINISTRATOR, NOW

PHONE = "+86 138 0013 8000"


def make_audited_changes(session: Session) -> int:
    """Add a person with two roles, one revoked, a revoked token, and a real patient."""
    estate = make.estate(session)
    person = make.person(session, phone=PHONE, name="Ouyang Na")
    make.role(session, person, Role.RESIDENT, estate=estate)
    grant = make.role(session, person, Role.KEEPER, estate=estate)
    role_actions.revoke_role(session, ADMINISTRATOR, grant.id, at=NOW)
    create_token(
        session, name="old", role=TokenRole.ADMINISTRATOR, scopes=[TokenScope.READ], at=NOW, who="cli:me"
    )
    revoke_token(session, name="old", at=NOW, who="cli:me")
    incident = make.incident(session)
    session.commit()
    return incident.id


def verified(session: Session) -> AuditReplay:
    key_of = audit_keys(session)
    return replay_audit_log(session, lambda before, each: hash_of_entry(key_of(each.key_id), before, each))


def test_changes_of_roles_people_and_tokens_are_chained_with_actor_and_time(session: Session) -> None:
    make_audited_changes(session)

    replay = verified(session)
    assert replay.first_broken is None
    assert unrecorded_changes(session, replay) == []
    entries = session.scalars(select(AuditEntry).order_by(AuditEntry.number)).all()
    logged = [(each.subject.value, each.action, each.who) for each in entries]
    assert logged[0] == ("log", "begun", "program")
    assert ("person", "amended", "test") in logged
    assert logged.count(("role", "granted", "test")) == 2
    assert ("role", "revoked", "test") in logged
    assert logged[-2:] == [("token", "made", "cli:me"), ("token", "revoked", "cli:me")]
    assert [each.number for each in entries] == list(range(1, len(entries) + 1))
    stored = str([each.details for each in entries])
    assert "Ouyang" not in stored
    assert "13800138" not in stored


@pytest.mark.parametrize(
    "done",
    [
        "UPDATE audit_log SET who = 'person:1' WHERE number = 3",
        "UPDATE audit_log SET details = '{}' WHERE number = 3",
        "UPDATE audit_log SET hash = (SELECT hash FROM audit_log WHERE number = 2) WHERE number = 3",
        "DELETE FROM audit_log WHERE number = 3",
        "UPDATE audit_log SET number = number + 100 WHERE number > 3",
    ],
)
def test_a_changed_or_deleted_entry_is_found(session: Session, done: str) -> None:
    make_audited_changes(session)
    session.execute(text(done))
    session.commit()
    broken = verified(session).first_broken
    assert broken is not None
    assert 3 <= broken <= 4


@pytest.mark.parametrize(
    ("done", "found"),
    [
        ("UPDATE role_grants SET revoked_at = NULL, revoked_by = NULL", "is active again"),
        ("UPDATE role_grants SET role = 'estate_manager' WHERE role = 'resident'", "differs from the entry"),
        ("UPDATE tokens SET revoked_at = NULL", "is active again"),
        ("DELETE FROM role_grants WHERE role = 'keeper'", "not in the database"),
    ],
)
def test_a_role_or_token_changed_without_the_log_is_found(session: Session, done: str, found: str) -> None:
    make_audited_changes(session)
    session.execute(text(done))
    session.commit()
    wrong = unrecorded_changes(session, verified(session))
    assert any(found in each for each in wrong), wrong


def test_a_role_or_token_inserted_without_the_log_is_found(session: Session) -> None:
    make_audited_changes(session)
    columns = "person_id, role, granted_at, granted_by"
    session.execute(
        text(
            f"INSERT INTO role_grants ({columns}) SELECT person_id, 'administrator', granted_at, granted_by "  # noqa: S608 - a constant
            "FROM role_grants LIMIT 1"
        )
    )
    session.execute(
        text(
            "INSERT INTO tokens (name, key_hash, role, scopes, created_at) "
            "SELECT 'planted', 'x', role, scopes, created_at FROM tokens LIMIT 1"
        )
    )
    session.commit()
    wrong = unrecorded_changes(session, verified(session))
    assert sum("without an entry in the audit log" in each for each in wrong) == 2


def test_erasing_a_person_keeps_the_log_intact_and_free_of_their_name(session: Session) -> None:
    make_audited_changes(session)
    person = make.person(session, phone="+86 138 0013 8001", name="Wang Fang")
    make.role(session, person, Role.RESIDENT, estate=make.estate(session))
    session.commit()
    personal_data_actions.erase(session, ADMINISTRATOR, person.id, at=NOW)
    session.commit()

    replay = verified(session)
    assert replay.first_broken is None
    assert unrecorded_changes(session, replay) == []
    assert "Wang Fang" not in everything(session)


# --- records of incidents -------------------------------------------------------------------------------


def rechained(session: Session, incident_id: int, *, keyed: bool) -> None:
    """Rewrite the whole record with another story, as an attacker without the key can."""
    before = NOTHING_BEFORE
    for each in incident_queries.events(session, incident_id):
        each.who = "person:666"
        if keyed:
            each.hash = keyed_hash(b"a guess", before, str(each.number), each.payload)
        else:
            each.key_id = None
            each.hash = legacy_hash(
                before, each.incident_id, each.number, each.at, each.kind, each.who, each.payload
            )
        before = each.hash
    session.commit()


def test_a_log_rewritten_without_the_key_is_found(session: Session, aed: Aed) -> None:  # noqa: F811 - the fixture imported above
    incident_id = make_audited_changes(session)
    assert first_broken_entry(incident_queries.events(session, incident_id)) is None
    assert "whole" in aed("audit", "verify").out

    rechained(session, incident_id, keyed=True)
    assert first_broken_entry(incident_queries.events(session, incident_id)) == 1
    rechained(session, incident_id, keyed=False)
    assert first_broken_entry(incident_queries.events(session, incident_id)) is None, (
        "on its own it looks like an old record"
    )
    session.rollback()
    assert "without a signing key" in aed("audit", "verify", fails=True).err


def test_unkeyed_records_stay_verifiable_and_none_may_follow_a_keyed_one(
    session: Session,
    aed: Aed,  # noqa: F811 - the fixture imported above
) -> None:
    incident = make.incident(session)
    before = NOTHING_BEFORE
    for each in incident_queries.events(session, incident.id):
        each.key_id = None
        each.hash = legacy_hash(
            before, each.incident_id, each.number, each.at, each.kind, each.who, each.payload
        )
        before = each.hash
    session.execute(text("DELETE FROM audit_log"))
    session.commit()
    events = incident_queries.events(session, incident.id)
    assert first_broken_entry(events) is None
    anchor_heads(session, at=NOW)  # the log begins
    session.commit()
    assert "begun without signing keys" in aed("audit", "verify").out

    make.role(session, make.person(session), Role.RESIDENT, estate=make.estate(session))
    mixed = [
        *events,
        IncidentEvent(
            **{
                name: getattr(events[-1], name)
                for name in ("incident_id", "at", "kind", "who", "payload", "hash")
            },
            number=len(events) + 1,
            key_id=None,
        ),
    ]
    assert first_broken_entry(mixed) == len(events) + 1


def test_truncated_entries_are_found_with_a_head_kept_elsewhere(session: Session) -> None:
    make_audited_changes(session)
    later = clock.now() + timedelta(hours=1)
    head = audit_head(session, at=later)
    assert head.incidents.entries > 0
    make.role(session, make.person(session), Role.RESIDENT, estate=make.estate(session))
    session.commit()
    assert find_differences(session, head) == [], "later entries are not a difference"

    session.execute(text("DELETE FROM audit_log WHERE number > 3"))
    assert verified(session).first_broken is None, "on its own the shorter log is valid"
    assert any("has fewer" in each for each in find_differences(session, head))
    session.rollback()
    session.execute(
        text("DELETE FROM incident_events WHERE number = (SELECT max(number) FROM incident_events)")
    )
    assert any("incident records" in each for each in find_differences(session, head))


def test_the_heads_are_sent_to_the_centres_and_kept_in_the_log_and_the_backup(
    session: Session,
    aed: Aed,  # noqa: F811 - the fixture imported above
    tmp_path: Path,
) -> None:
    incident_id = make_audited_changes(session)
    make.centre(session)
    assert anchor_heads(session, at=clock.now() + timedelta(hours=1)) == 1
    session.commit()
    body = session.scalars(select(OutboxMessage.body).where(OutboxMessage.body.is_not(None))).all()[-1]
    assert body is not None
    message = json.loads(body)
    assert message["type"] == "audit.head"
    message_file = tmp_path / "message.json"
    message_file.write_text(body)
    backup = tmp_path / "backup.zip"
    session.rollback()
    aed("backup", "--output", backup)

    for kept in (message_file, backup):
        assert "present and unchanged" in aed("audit", "verify", "--against", kept).out
    assert json.loads(aed("audit", "head").out)["audit_log"]["number"] > 3
    session.execute(text("DELETE FROM audit_log WHERE number > 4"))
    session.execute(text("DELETE FROM incident_events WHERE incident_id = :id"), {"id": incident_id})
    session.commit()
    assert "has fewer" in aed("audit", "verify", "--against", message_file, fails=True).err
    assert "has fewer" in aed("audit", "verify", "--against", backup, fails=True).err
    (tmp_path / "wrong.json").write_text("[]")
    assert "no head" in aed("audit", "verify", "--against", tmp_path / "wrong.json", fails=True).err


def test_old_entries_stay_verifiable_after_the_key_is_removed(
    session: Session, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident_id = make_audited_changes(session)
    session.rollback()
    fresh = generate_key()

    def opened(keys: str) -> Database:
        return open_database(settings.model_copy(update={"encryption_keys": SecretStr(keys)}))

    both = opened(f"{fresh} {KEY}")
    try:
        key_rotation.rotate(both, progress=lambda _: None)
        with both.write_sessions() as own:
            make.role(own, make.person(own), Role.RESIDENT, estate=make.estate(own))
            own.commit()
    finally:
        both.close()
    alone = opened(fresh)
    try:
        with alone.write_sessions() as own:
            replay = verified(own)
            assert replay.first_broken is None
            assert first_broken_entry(incident_queries.events(own, incident_id)) is None
            ids = {each.key_id for each in own.scalars(select(AuditEntry))}
            assert len(ids) == 2
            assert {each.key_id for each in own.scalars(select(AuditKey))} == ids
            raw = own.execute(text("SELECT secret FROM audit_keys")).scalars().all()
            assert all(each.startswith(f"1:{alone.keys.ids[0]}:") for each in raw), (
                "encrypted with the new key"
            )
    finally:
        alone.close()


def test_entries_with_different_fields_have_different_hashes() -> None:
    key = b"k"
    assert keyed_hash(key, "", "a", "bc") != keyed_hash(key, "", "ab", "c")
    assert keyed_hash(key, "", "a\n", "b") != keyed_hash(key, "", "a", "\nb")
