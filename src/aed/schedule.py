"""The schedule of all jobs. Times are by the database's clock; messages are sent all the time besides."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from aed.accounts.security_log import delete_events
from aed.accounts.sign_in.actions import delete_expired
from aed.certificates.duplicates.actions import find_pairs
from aed.certificates.verification.issuer_checks import IssuerAccessSettings, verify_certificates
from aed.database.session import Database, transaction
from aed.debrief.follow_up.jobs import anonymise_patients, debrief_incidents, settle_devices
from aed.errors import InvalidInput
from aed.http.outbound_urls import refusal_reason
from aed.imports.devices.rules import thresholds_in
from aed.imports.feeds.fetching import FetchLimits
from aed.imports.feeds.jobs import run_feeds
from aed.incidents.alerts.answers import delete_old_reply_keys, prune_locations
from aed.incidents.centres.actions import delete_old_messages
from aed.incidents.jobs import close_lapsed_incidents, estimate_paces, replan_due_incidents
from aed.incidents.plan.show_up import count_show_up
from aed.incidents.record.actions import anchor_heads
from aed.incidents.rules import LOCATION_KEPT_FOR
from aed.notifications.channels import channels_of
from aed.notifications.claims import remove_dead_links
from aed.notifications.jobs import delete_messages
from aed.responders.live import live_places
from aed.settings import Settings
from aed.training.enrolments.actions import expire_offers
from aed.upkeep.jobs import (
    ASKED_EVERY_HOURS,
    apply_recalls,
    confirm_nearby,
    follow_up_retrievals,
    remind_of_checks,
    remind_of_expiry,
    send_calendar_notices,
    send_reminders,
)
from aed.walking.file import network_at
from aed.worker.jobs import Job, Now, Poller
from aed.worker.loop import Worker
from aed.worker.rules import Counts, daily, every
from aed.worker.runs import delete_runs

log = structlog.get_logger("aed")


def _feeds(database: Database, settings: Settings, now: Now) -> Counts:
    counts: dict[str, int] = {}
    for run in run_feeds(database, now, by=fetching(settings), thresholds=thresholds_in(settings)):
        log.info("feed", name=run.name, result=str(run.result), said=run.said)
        counts[str(run.result)] = counts.get(str(run.result), 0) + 1
    return counts


def _offers(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"ended": expire_offers(session, now())}


def _upkeep(database: Database, _settings: Settings, now: Now) -> Counts:
    return {"recalled": apply_recalls(database, now())}


def _expiry_reminders(database: Database, settings: Settings, now: Now) -> Counts:
    return {"found": remind_of_expiry(database, now(), by=settings.reminding)}


def _check_reminders(database: Database, settings: Settings, now: Now) -> Counts:
    return {"found": remind_of_checks(database, now(), by=settings.reminding)}


def _reminder_messages(database: Database, settings: Settings, now: Now) -> Counts:
    told = send_reminders(database, now(), by=settings.reminding, public_url=settings.public_url)
    return asdict(told)


def _calendar_notices(database: Database, settings: Settings, now: Now) -> Counts:
    return {"told": send_calendar_notices(database, now(), by=settings.reminding)}


def _forget_sign_ins(database: Database, settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        delete_expired(session, at=now())
        delete_events(session, before=now() - timedelta(days=settings.security_event_keep_days))
    return {}


def _forget_live_places(database: Database, settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"forgotten": live_places(settings).expire(session.connection(), at=now())}


def _forget_places(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        coarse, gone = prune_locations(session, at=now())
        delete_old_reply_keys(session, before=now() - LOCATION_KEPT_FOR)
    return {"coarse": coarse, "gone": gone}


def _forget_patients(database: Database, settings: Settings, now: Now) -> Counts:
    return {"forgotten": anonymise_patients(database, now(), keep_days=settings.patient_keep_days)}


def _forget_messages(database: Database, settings: Settings, now: Now) -> Counts:
    forgotten = delete_messages(database, now(), keep_days=settings.outbox_keep_days)
    with transaction(database) as session:
        before = now() - timedelta(days=settings.outbox_keep_days)
        return {"forgotten": forgotten, "told": delete_old_messages(session, before=before)}


def _forget_links(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"forgotten": remove_dead_links(session, at=now())}


def _audit_heads(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"told": anchor_heads(session, at=now())}


def _forget_runs(database: Database, settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        before = now() - timedelta(days=settings.job_runs_keep_days)
        return {"forgotten": delete_runs(session, before=before)}


def _issuers(database: Database, settings: Settings, now: Now) -> Counts:
    counts = {"answered": 0, "unanswered": 0}
    for run in verify_certificates(database, now, by=asking(settings)):
        log.info(
            "issuer asked",
            code=run.code,
            answered=run.answered,
            unanswered=run.unanswered,
            left_alone=run.is_left_alone,
        )
        counts["answered"] += run.answered
        counts["unanswered"] += run.unanswered
    return counts


def _duplicates(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"found": find_pairs(session, at=now())}


def _retrievals(database: Database, settings: Settings, now: Now) -> Counts:
    asked, given_up = follow_up_retrievals(
        database, now(), numbers=settings.returns, public_url=settings.public_url
    )
    return {"asked": asked, "given_up": given_up}


def _devices_of_calls(database: Database, settings: Settings, now: Now) -> Counts:
    return {"settled": settle_devices(database, now(), settings=settings)}


def _show_up(database: Database, settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"people": count_show_up(session, at=now(), within_days=settings.planning.show_up_days)}


def _paces(database: Database, settings: Settings, _now: Now) -> Counts:
    return {"changed": estimate_paces(database, settings=settings)}


def _confirmations(database: Database, settings: Settings, now: Now) -> Counts:
    return {"asked": confirm_nearby(database, now(), numbers=settings.trust, public_url=settings.public_url)}


def _aftercare(database: Database, settings: Settings, now: Now) -> Counts:
    cared, asked = debrief_incidents(
        database, now(), network_of=lambda: network_at(settings.walking_network), settings=settings
    )
    return {"thanked": cared, "asked_again": asked}


def _close_incidents(database: Database, settings: Settings, now: Now) -> Counts:
    closed, reminded = close_lapsed_incidents(database, now(), settings=settings)
    return {"closed": closed, "reminded": reminded}


TIMETABLE: Final = (
    Job(
        "close-incidents",
        every(minutes=1),
        _close_incidents,
        "Tests, exercises and forgotten incidents are closed, and dispatchers reminded of open ones",
    ),
    Job(
        "feeds",
        every(minutes=1),
        _feeds,
        "Fetches the lists that are followed and due",
        asks_others=True,
    ),
    Job("offers", every(minutes=1), _offers, "Offered places that nobody took go to the next"),
    Job(
        "issuers",
        every(minutes=5),
        _issuers,
        "Asks issuers about the certificates that are due to be asked",
        asks_others=True,
    ),
    Job("duplicates", every(hours=6), _duplicates, "Finds people who may have been entered twice"),
    Job("upkeep", every(minutes=10), _upkeep, "Open recalls reach devices that were registered since"),
    Job(
        "aftercare",
        every(minutes=5),
        _aftercare,
        "Thanks those who were called, asks after devices, times exercises; asks how people are",
    ),
    Job(
        "devices-of-calls",
        every(minutes=1),
        _devices_of_calls,
        "Takes devices out that calls used or could not get, and offers again what is back",
    ),
    Job("retrievals", every(minutes=5), _retrievals, "Asks after devices that somebody was sent for"),
    Job(
        "confirmations",
        every(hours=ASKED_EVERY_HOURS),
        _confirmations,
        "Asks people nearby to confirm what has faded",
    ),
    Job("expiry-reminders", every(hours=1), _expiry_reminders, "Finds what expires, at each threshold once"),
    Job("check-reminders", every(hours=6), _check_reminders, "The same of checks, services and returns"),
    Job(
        "calendar-notices",
        every(hours=1),
        _calendar_notices,
        "Notify administrators 90, 60 and 30 days before a holiday calendar ends, by day",
    ),
    Job("reminder-messages", every(hours=1), _reminder_messages, "Send due reminders, by day"),
    Job(
        "forget-sign-ins", every(hours=1), _forget_sign_ins, "Sign-ins and codes that are over are forgotten"
    ),
    Job(
        "forget-live-places", every(minutes=1), _forget_live_places, "Places of phones expire and are deleted"
    ),
    Job(
        "forget-places",
        every(hours=1),
        _forget_places,
        "Where those were who came to a patient is rough after a day, and gone after 90",
    ),
    Job(
        "forget-patients",
        daily("19:00"),
        _forget_patients,
        "Age and sex of patients of long ago are forgotten",
    ),
    Job(
        "forget-messages",
        daily("19:10"),
        _forget_messages,
        "Messages that are long sent are forgotten, and what centres told long ago",
    ),
    Job(
        "audit-heads",
        every(hours=6),
        _audit_heads,
        "Tells dispatch centres how the records stand, so that no entry can be cut off unseen",
    ),
    Job(
        "forget-links",
        every(hours=1),
        _forget_links,
        "Links in messages that could not be delivered are removed once nobody should use them",
    ),
    Job("show-up", daily("19:30"), _show_up, "Counts how many of those who were called to a patient came"),
    Job("paces", daily("19:40"), _paces, "Estimates each estate's own pace from its drills again"),
    Job("forget-runs", daily("19:20"), _forget_runs, "Runs of jobs that are long over are forgotten"),
)
"""19:10 UTC is 03:10 in China."""


def _incidents(database: Database, settings: Settings, now: Now) -> None:
    looked, called = replan_due_incidents(
        database, now(), network_of=lambda: network_at(settings.walking_network), settings=settings
    )
    if looked:
        log.info("incidents looked at", incidents=looked, called=called)


WATCHES: Final = (Poller("incidents", _incidents),)
"""Alerts the next people for a patient as soon as a wave is over."""


def job_called(name: str) -> Job:
    """Return the job with that name. Raises InvalidInput for an unknown name."""
    for job in TIMETABLE:
        if job.name == name:
            return job
    raise InvalidInput(f"There is no job '{name}': {', '.join(job.name for job in TIMETABLE)}.", field="name")


def fetching(settings: Settings) -> FetchLimits:
    """Return the limits of downloads from the settings."""
    return FetchLimits(
        most_bytes=settings.feed_limit_bytes,
        most_seconds=settings.feed_seconds,
        refusal_reason=partial(refusal_reason, is_private_allowed=settings.feed_allow_private),
    )


def asking(settings: Settings) -> IssuerAccessSettings:
    """Return how issuers are queried from the settings."""
    limits = FetchLimits(
        most_bytes=settings.feed_limit_bytes,
        most_seconds=settings.issuer_seconds,
        refusal_reason=partial(refusal_reason, is_private_allowed=settings.feed_allow_private),
    )
    return IssuerAccessSettings(limits, settings.issuer_access)


# --- Running --------------------------------------------------------------------------------------------


def is_run_here(settings: Settings) -> bool:
    """Return True if `aed serve` runs a worker too: as configured, by default only with SQLite."""
    if settings.run_jobs is not None:
        return settings.run_jobs
    return settings.database_url.startswith("sqlite")


@contextmanager
def working(settings: Settings, timetable: Sequence[Job] = TIMETABLE) -> Iterator[Worker]:
    """Run a worker during the block. Of all workers, only one is active."""
    worker = Worker(settings, timetable, channels_of(settings), WATCHES)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


@contextmanager
def running(settings: Settings, timetable: Sequence[Job] = TIMETABLE) -> Iterator[None]:
    """Run a worker beside `aed serve`, if configured."""
    if not is_run_here(settings):
        yield
        return
    with working(settings, timetable):
        yield


def work_until_told_to_stop(settings: Settings, timetable: Sequence[Job] = TIMETABLE) -> None:
    """Run a worker until SIGTERM or SIGINT, for `aed work`."""
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    with working(settings, timetable):
        log.info("working", jobs=len(timetable))
        over.wait()
        log.info("stopping")
