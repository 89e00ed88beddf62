"""What each job of the timetable does, under the job's name. `aed.schedule` has the timetable."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from functools import partial

import structlog

from aed.accounts.permissions import SCHEDULER
from aed.accounts.security_log import delete_events
from aed.accounts.sign_in.actions import delete_expired
from aed.cells.table import cell_table
from aed.certificates.duplicates.actions import find_pairs
from aed.certificates.reminders import remind_of_certificates, remind_to_practise
from aed.certificates.verification.issuer_checks import issuer_access_in, verify_certificates
from aed.database.session import Database, transaction
from aed.debrief.follow_up.jobs import anonymise_patients, debrief_incidents, settle_devices
from aed.imports.devices.rules import thresholds_in
from aed.imports.drafts.actions import delete_old_drafts
from aed.imports.feeds.fetching import fetch_limits_in
from aed.imports.feeds.jobs import run_feeds
from aed.incidents.alerts.answers import delete_old_reply_keys, prune_locations
from aed.incidents.centres.actions import delete_old_messages
from aed.incidents.jobs import close_lapsed_incidents, estimate_paces, replan_due_incidents
from aed.incidents.plan.show_up import count_show_up
from aed.incidents.record.actions import anchor_heads
from aed.incidents.rules import LOCATION_KEPT_FOR
from aed.linked_accounts.jobs import notify_other_cells
from aed.notifications.claims import give_up_expired, remove_dead_links
from aed.notifications.jobs import delete_messages
from aed.notifications.short_links import delete_expired_links
from aed.planning.coverage.jobs import compute_region_previews
from aed.planning.regional_coverage.jobs import compute_region_coverages
from aed.responders.live import live_places
from aed.settings import Settings
from aed.sharing.agreements.jobs import notify_of_endings
from aed.sharing.costs.actions import open_cost_cases
from aed.sharing.costs.jobs import remind_of_costs
from aed.sharing.shares.actions import record_by_register, refresh_due_devices
from aed.sharing.trials.jobs import send_trial_reports
from aed.timebank.giving.jobs import run_nightly_time_bank_jobs
from aed.training.enrolments.actions import expire_offers
from aed.training.reminders.actions import remind_of_sessions
from aed.upkeep.jobs import (
    apply_recalls,
    confirm_nearby,
    follow_up_retrievals,
    look_after_signals,
    notify_of_spares,
    remind_of_checks,
    remind_of_expiry,
    remind_of_waiting_checks,
    repeat_rounds,
    send_calendar_notices,
    send_reminders,
)
from aed.volunteering.platforms.jobs import send_batches
from aed.volunteering.records.collecting import collect, collect_missed
from aed.walking.file import network_at
from aed.worker.jobs import Now
from aed.worker.rules import Counts
from aed.worker.runs import delete_runs

log = structlog.get_logger("aed")


def feeds(database: Database, settings: Settings, now: Now) -> Counts:
    counts: dict[str, int] = {}
    for run in run_feeds(database, now, by=fetch_limits_in(settings), thresholds=thresholds_in(settings)):
        log.info("feed", name=run.name, result=str(run.result), message=run.message)
        counts[str(run.result)] = counts.get(str(run.result), 0) + 1
    return counts


def offers(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"ended": expire_offers(session, now())}


def session_reminders(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"reminded": remind_of_sessions(session, now())}


def booking_reminders(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        expiring = remind_of_certificates(session, now())
        return {"expiring": expiring, "practice": remind_to_practise(session, now())}


def upkeep(database: Database, _settings: Settings, now: Now) -> Counts:
    return {
        "recalled": apply_recalls(database, now()),
        "expiring": notify_of_spares(database, now()),
        "approvals": remind_of_waiting_checks(database, now()),
    }


def rounds(database: Database, settings: Settings, now: Now) -> Counts:
    network_of = partial(network_at, settings.walking_network)
    return {"assigned": repeat_rounds(database, now(), network_of=network_of, settings=settings)}


def agreements(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"changed": refresh_due_devices(session, at=now())}


def agreement_notices(database: Database, settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        reported = send_trial_reports(session, at=now(), public_url=settings.public_url)
        return {"notified": notify_of_endings(session, at=now()), "reported": reported}


def region_previews(database: Database, settings: Settings, now: Now) -> Counts:
    return compute_region_previews(
        database, now, network_of=lambda: network_at(settings.walking_network), settings=settings
    )


def region_coverage(database: Database, settings: Settings, now: Now) -> Counts:
    return compute_region_coverages(
        database, now, network_of=lambda: network_at(settings.walking_network), settings=settings
    )


def cost_cases(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"opened": open_cost_cases(session, at=now()), "notified": remind_of_costs(session, at=now())}


def agreements_by_register(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"recorded": record_by_register(session, SCHEDULER, at=now())}


def time_bank(database: Database, _settings: Settings, now: Now) -> Counts:
    return run_nightly_time_bank_jobs(database, now())


def expiry_reminders(database: Database, settings: Settings, now: Now) -> Counts:
    return {"found": remind_of_expiry(database, now(), by=settings.reminding)}


def check_reminders(database: Database, settings: Settings, now: Now) -> Counts:
    return {"found": remind_of_checks(database, now(), by=settings.reminding)}


def reminder_messages(database: Database, settings: Settings, now: Now) -> Counts:
    sent = send_reminders(database, now(), by=settings.reminding, public_url=settings.public_url)
    return asdict(sent)


def calendar_notices(database: Database, settings: Settings, now: Now) -> Counts:
    return {"notified": send_calendar_notices(database, now(), by=settings.reminding)}


def service_records(database: Database, _settings: Settings, now: Now) -> Counts:
    return {"recorded": collect(database, now())}


def missed_service(database: Database, _settings: Settings, now: Now) -> Counts:
    return {"recorded": collect_missed(database, now())}


def service_batches(database: Database, settings: Settings, now: Now) -> Counts:
    answered = send_batches(database, now(), is_private_allowed=settings.notify_allow_private)
    return {"answered": answered}


def forget_sign_ins(database: Database, settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        delete_expired(session, at=now())
        delete_old_drafts(session, at=now())
        delete_events(session, before=now() - timedelta(days=settings.security_event_keep_days))
    return {}


def forget_live_places(database: Database, settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"deleted": live_places(settings).expire(session.connection(), at=now())}


def forget_places(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        coarse, gone = prune_locations(session, at=now())
        delete_old_reply_keys(session, before=now() - LOCATION_KEPT_FOR)
    return {"coarse": coarse, "gone": gone}


def forget_patients(database: Database, settings: Settings, now: Now) -> Counts:
    return {"deleted": anonymise_patients(database, now(), keep_days=settings.patient_keep_days)}


def forget_messages(database: Database, settings: Settings, now: Now) -> Counts:
    deleted = delete_messages(database, now(), keep_days=settings.outbox_keep_days)
    with transaction(database) as session:
        before = now() - timedelta(days=settings.outbox_keep_days)
        return {"deleted": deleted, "centre_messages_deleted": delete_old_messages(session, before=before)}


def forget_expired_codes(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"given_up": give_up_expired(session, at=now())}


def forget_links(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        deleted = remove_dead_links(session, at=now()) + delete_expired_links(session, at=now())
        return {"deleted": deleted}


def audit_heads(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"sent": anchor_heads(session, at=now())}


def forget_runs(database: Database, settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        before = now() - timedelta(days=settings.job_runs_keep_days)
        return {"deleted": delete_runs(session, before=before)}


def issuers(database: Database, settings: Settings, now: Now) -> Counts:
    counts = {"answered": 0, "unanswered": 0}
    for run in verify_certificates(database, now, by=issuer_access_in(settings)):
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


def linked_accounts(database: Database, settings: Settings, now: Now) -> Counts:
    table = cell_table(settings)
    if table is None:
        return {"settled": 0, "unsettled": 0}
    settled, left = notify_other_cells(database, now, table=table)
    return {"settled": settled, "unsettled": left}


def duplicates(database: Database, _settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"found": find_pairs(session, at=now())}


def retrievals(database: Database, settings: Settings, now: Now) -> Counts:
    asked, given_up = follow_up_retrievals(
        database, now(), numbers=settings.returns, public_url=settings.public_url
    )
    return {"asked": asked, "given_up": given_up}


def signals(database: Database, _settings: Settings, now: Now) -> Counts:
    looked_at, deleted = look_after_signals(database, now())
    return {"looked_at": looked_at, "deleted": deleted}


def devices_of_calls(database: Database, settings: Settings, now: Now) -> Counts:
    return {"settled": settle_devices(database, now(), settings=settings)}


def show_up(database: Database, settings: Settings, now: Now) -> Counts:
    with transaction(database) as session:
        return {"people": count_show_up(session, at=now(), within_days=settings.planning.show_up_days)}


def paces(database: Database, settings: Settings, _now: Now) -> Counts:
    return {"changed": estimate_paces(database, settings=settings)}


def confirmations(database: Database, settings: Settings, now: Now) -> Counts:
    return {"asked": confirm_nearby(database, now(), numbers=settings.trust, public_url=settings.public_url)}


def aftercare(database: Database, settings: Settings, now: Now) -> Counts:
    cared, asked = debrief_incidents(
        database, now(), network_of=lambda: network_at(settings.walking_network), settings=settings
    )
    return {"thanked": cared, "asked_again": asked}


def close_incidents(database: Database, settings: Settings, now: Now) -> Counts:
    closed, reminded = close_lapsed_incidents(database, now(), settings=settings)
    return {"closed": closed, "reminded": reminded}


def incidents(database: Database, settings: Settings, now: Now) -> None:
    looked, called = replan_due_incidents(
        database, now(), network_of=lambda: network_at(settings.walking_network), settings=settings
    )
    if looked:
        log.info("incidents looked at", incidents=looked, called=called)
