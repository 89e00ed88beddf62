"""The front page of administration, a line for each subject, and the page of health."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed import __version__, migrations
from aed.accounts.permissions import Viewer
from aed.registry.holidays.queries import calendar_warnings
from aed.settings import Settings
from aed.upkeep.signals.queries import bridges, state_of_bridge
from aed.upkeep.signals.rules import BridgeState
from aed.upkeep.signals.sources import mqtt_sources
from aed.web.administration import queries
from aed.web.administration.queries import Overview
from aed.web.administration.rules import Content, Listing, Row, Subject, SubjectLine, Words
from aed.web.basemap import has_own_basemap
from aed.web.words import noop
from aed.worker import queries as worker_queries


def lines_of(found: Overview, health: Sequence[Row]) -> list[SubjectLine]:
    """Return a line for each subject: what is wrong, or how it stands."""
    troubles = Words(noop("To look at: %(count)s"), {"count": sum(each.is_wrong for each in health)})
    is_well = not any(each.is_wrong for each in health)
    return [
        *_lines_of_accounts(found),
        *_lines_of_operations(found),
        SubjectLine(Subject.HEALTH, Words(noop("All is well")) if is_well else troubles, not is_well),
    ]


def _lines_of_accounts(found: Overview) -> list[SubjectLine]:
    return [
        SubjectLine(
            Subject.PEOPLE,
            Words(
                noop("%(people)s people, %(accounts)s can sign in"),
                {"people": found.people, "accounts": found.accounts},
            ),
        ),
        _line(
            Subject.ROLES,
            found.administrators < 2,
            noop("Only one administrator: nobody stands in"),
            noop("%(grants)s roles, %(administrators)s administrators"),
            grants=found.grants,
            administrators=found.administrators,
        ),
        _line(
            Subject.TOKENS,
            found.tokens_ending > 0,
            noop("Expire within 30 days: %(ending)s"),
            noop("Valid: %(tokens)s"),
            ending=found.tokens_ending,
            tokens=found.tokens,
        ),
        _line(
            Subject.KEYS,
            found.keys > 1,
            noop("%(keys)s keys: rotate them, then remove the old ones"),
            noop("Keys: %(keys)s"),
            keys=found.keys,
        ),
        _line(
            Subject.AUDIT,
            found.lock_outs > 0,
            noop("%(lock_outs)s sign-ins locked out since yesterday"),
            noop("Entries: %(entries)s"),
            lock_outs=found.lock_outs,
            entries=found.audit_entries,
        ),
    ]


def _lines_of_operations(found: Overview) -> list[SubjectLine]:
    return [
        SubjectLine(
            Subject.ENDPOINTS, Words(noop("Endpoints: %(endpoints)s"), {"endpoints": found.endpoints})
        ),
        _line(
            Subject.OUTBOX,
            found.messages_dead + found.messages_late > 0,
            noop("Given up: %(dead)s, waiting: %(waiting)s"),
            noop("Waiting: %(waiting)s"),
            dead=found.messages_dead,
            waiting=found.messages_waiting,
        ),
        _line(
            Subject.JOBS,
            not found.has_worker or found.jobs_failed > 0,
            noop("Failed: %(failed)s") if found.has_worker else noop("No worker is running: start aed work."),
            noop("A worker is running, no job failed"),
            failed=found.jobs_failed,
        ),
        _line(
            Subject.FEEDS,
            found.feeds_failed > 0,
            noop("%(failed)s of %(feeds)s failed or wait for a decision"),
            noop("Feeds: %(feeds)s"),
            failed=found.feeds_failed,
            feeds=found.feeds,
        ),
        _line(
            Subject.ISSUERS,
            not found.issuers,
            noop("No issuer: certificates cannot be verified"),
            noop("Issuers: %(issuers)s"),
            issuers=found.issuers,
        ),
        _line(
            Subject.HOLIDAYS,
            found.calendars_ending > 0,
            noop("Next year's holidays are missing"),
            noop("%(calendars)s calendars reach far enough"),
            calendars=found.calendars,
        ),
    ]


def _line(subject: Subject, is_wrong: bool, wrong: str, right: str, **values: object) -> SubjectLine:
    return SubjectLine(subject, Words(wrong if is_wrong else right, values), is_wrong)


def health_rows(
    session: Session, viewer: Viewer, settings: Settings, *, has_network: bool, at: datetime
) -> list[Row]:
    """Return what the service stands on: schema, walking network, base map, worker, calendars."""
    revision, head = queries.schema_revision(session), migrations.head()
    has_worker = worker_queries.is_held(worker_queries.lease(session), at=at)
    has_basemap = has_own_basemap(settings) or bool(settings.other_basemap.url)
    warnings = calendar_warnings(session, at)
    fine, missing = Words(noop("in order")), Words(noop("missing"))
    return [
        Row((Words(noop("Program")), __version__)),
        Row((Words(noop("Database schema")), revision), is_wrong=revision != head),
        Row(
            (
                Words(noop("Walking network")),
                fine
                if has_network
                else Words(noop("missing: lookups use straight lines (aed walking build)")),
            ),
            is_wrong=not has_network,
        ),
        Row((Words(noop("Base map")), fine if has_basemap else missing), is_wrong=not has_basemap),
        Row(
            (
                Words(noop("Worker")),
                fine if has_worker else Words(noop("No worker is running: start aed work.")),
            ),
            is_wrong=not has_worker,
        ),
        *_bridge_rows(session, settings, at=at),
        Row(
            (
                Words(noop("Holidays")),
                fine if not warnings else Words(noop("Next year's holidays are missing")),
            ),
            is_wrong=bool(warnings),
        ),
        Row(
            (
                Words(noop("Public address")),
                settings.public_url
                or Words(noop("not set: links use the address of each request (AED_PUBLIC_URL)")),
            )
        ),
    ]


_BRIDGES: Final = {
    BridgeState.RECEIVING: noop("receives signals; %(malformed)s messages could not be read"),
    BridgeState.SILENT: noop("hears nothing: check the broker and the cabinets"),
    BridgeState.DISCONNECTED: noop("does not reach the broker: check AED_MQTT__URL and the log"),
    BridgeState.STOPPED: noop("does not run: start aed signals mqtt"),
}


def _bridge_rows(session: Session, settings: Settings, *, at: datetime) -> list[Row]:
    """Return a line for each bridge to an MQTT broker, if any source of signals needs one."""
    if not mqtt_sources(session):
        return []
    name = Words(noop("Signals over MQTT"))
    rows = []
    for bridge in bridges(session, at=at):
        state = state_of_bridge(bridge, settings.mqtt, at=at)
        words = Words(_BRIDGES[state], {"malformed": bridge.malformed})
        rows.append(Row((name, words), is_wrong=state is not BridgeState.RECEIVING))
        if bridge.malformed_topic is not None and bridge.malformed_at is not None:
            last = {"topic": bridge.malformed_topic, "at": f"{bridge.malformed_at:%Y-%m-%d %H:%M} UTC"}
            rows.append(Row((name, Words(noop("last unreadable message: %(topic)s, %(at)s"), last))))
    return rows or [Row((name, Words(_BRIDGES[BridgeState.STOPPED])), is_wrong=True)]


def health_content(rows: Sequence[Row]) -> Content:
    columns = (noop("Part"), noop("State"))
    return Content(listings=[Listing(noop("Health"), columns, rows, noop("Nothing is known."))])
