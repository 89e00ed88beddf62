"""Commands: `aed audit`, which verify that records are unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts import audit_log
from aed.accounts.audit_log import (
    AuditEntry,
    audit_keys,
    hash_of_entry,
    legacy_entries_digest,
    replay_audit_log,
)
from aed.accounts.audit_verification import unrecorded_changes
from aed.backup.archive import read_manifest
from aed.cli.context import cli_read_session, operator
from aed.cli.language import either
from aed.cli.screen import say, table
from aed.errors import AedError, InvalidInput
from aed.incidents import queries
from aed.incidents.record.actions import first_broken_entry
from aed.incidents.record.queries import AuditHead, audit_head, find_differences
from aed.timebank.ledger.verification import verify_ledger

audit = typer.Typer(no_args_is_help=True)
_SHOWN: Final = 20


class BrokenRecord(AedError):
    """A record was changed after it was written."""

    code = "broken-record"
    title = "A record was changed"


@audit.command("verify")
def verify(
    incident_id: Annotated[
        int | None, typer.Option("--incident", min=1, help="Verify only this incident")
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Also check that everything in this backup, saved head or message from "
            "`audit.head` is still there"
        ),
    ] = None,
) -> None:
    """Verify that records of incidents, the log of roles, people and tokens, and the ledger are unchanged.

    Each entry is signed together with the one before. To detect entries cut off at the end, compare with
    `--against` a backup, or the message `audit.head` that dispatch centres receive every six hours.
    """
    kept = _head_in(against) if against is not None else None
    with cli_read_session() as session:
        wrong = _verify_incidents(session, incident_id)
        if incident_id is None:
            wrong += _verify_log(session) + _verify_time_bank(session)
        if kept is not None:
            wrong += find_differences(session, kept)
    if wrong:
        more = f" And {len(wrong) - _SHOWN} more." if len(wrong) > _SHOWN else ""
        raise BrokenRecord(" ".join(wrong[:_SHOWN]) + more)
    if kept is not None:
        say(f"Everything that {against} attests is present and unchanged.")


@audit.command("head")
def head() -> None:
    """Print the head of the records as JSON, to be stored elsewhere for `aed audit verify --against`."""
    with cli_read_session() as session:
        found = audit_head(session, at=clock.now())
    say(found.model_dump_json())


def _verify_incidents(session: Session, incident_id: int | None) -> list[str]:
    broken: list[str] = []
    rows: list[tuple[int, int, str, str]] = []
    for each in [incident_id] if incident_id is not None else queries.all_ids(session):
        events = queries.events(session, queries.incident(session, operator(), each).id)
        at = first_broken_entry(events)
        is_old = bool(events) and events[0].key_id is None
        state = (
            f"BROKEN at {at}"
            if at is not None
            else "intact, begun without signing keys"
            if is_old
            else "whole"
        )
        rows.append((each, len(events), state, events[-1].hash[:16] if events else ""))
        if at is not None:
            broken.append(str(each))
        session.expunge_all()
    table(None, ("incident", "entries", "record", "last hash"), rows, right=("incident", "entries"))
    return [f"The record of incident {', '.join(broken)} was altered."] if broken else []


def _verify_time_bank(session: Session) -> list[str]:
    state = verify_ledger(session)
    say(
        f"The ledger of the time bank has {state.entries} entries"
        + (f", the last {state.last_hash[:16]}." if state.last_hash else ".")
    )
    if state.first_broken is not None:
        return [f"Entry {state.first_broken} of the ledger was altered."]
    return [f"The balance of account {each} is not the sum of its entries." for each in state.wrong_accounts]


def _verify_log(session: Session) -> list[str]:
    key_of = audit_keys(session)

    def expected(before: str, entry: AuditEntry) -> str:
        return hash_of_entry(key_of(entry.key_id), before, entry)

    replay = replay_audit_log(session, expected)
    last = audit_log.last_audit_entry(session)
    say(
        f"The audit log of roles, people and tokens has {replay.entries} entries"
        + (f", the last {last[1][:16]}." if last else ".")
    )
    if replay.first_broken is not None:
        return [f"Entry {replay.first_broken} of the audit log was altered."]
    wrong = unrecorded_changes(session, replay)
    if replay.began is not None and legacy_entries_digest(session) != replay.began["old_form"]:
        wrong.append(
            "The entries of incident records without a signing key differ from those that "
            "existed when signing began."
        )
    return wrong


def _head_in(file: Path) -> AuditHead:
    """Read the head from a backup's manifest, a message to a centre, or a file of its own. Raises
    InvalidInput."""
    if file.suffix == ".zip":
        found = read_manifest(file).audit
        if found is None:
            raise InvalidInput(
                either(
                    f"{file} was made by a release whose backups did not include the head of the records.",
                    f"{file} 由旧版本生成，备份中不含审计记录的末端。",
                ),
                field="against",
            )
        return AuditHead.model_validate(found)
    try:
        message = json.loads(file.read_text())
        return AuditHead.model_validate(message.get("data", message))
    except (ValueError, AttributeError, ValidationError):
        raise InvalidInput(
            either(
                f"{file} contains no head of the records. `aed audit head` prints one.",
                f"{file} 中没有审计记录的末端。可用 aed audit head 输出。",
            ),
            field="against",
        ) from None
