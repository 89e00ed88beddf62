"""Commands of `aed incidents`: report a patient, alert people, and read why they were alerted."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from aed import clock
from aed.accounts.people.queries import names_of
from aed.cli import statistics, steering
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.language import either
from aed.cli.nearest import network_if_any
from aed.cli.rows import After
from aed.cli.screen import heading, say, table, warn
from aed.errors import AedError, InvalidInput
from aed.incidents import queries
from aed.incidents.alerts.answers import take_reply
from aed.incidents.calls import actions as lifecycle
from aed.incidents.cap.actions import process_cap
from aed.incidents.cap.queries import cap_message_of
from aed.incidents.cap.writing import cap_of_incident
from aed.incidents.models import Alert, Incident, IncidentReport
from aed.incidents.permissions import require_dispatcher
from aed.incidents.plan.rules.offers import TaskOffer
from aed.incidents.plan.rules.planner import Plan, has_same_outcome, plan
from aed.incidents.plan.schemas import load_inputs, load_plan
from aed.incidents.rules import (
    COMING_STATES,
    AlertReply,
    FetchFailure,
    IncidentKind,
    IncidentOutcome,
    IncidentState,
)
from aed.incidents.schemas import PatientReportIn
from aed.registry.storeys import both_words
from aed.settings import load_settings

SHOWN = 50
MAX_NOT_ASKED_SHOWN = 10


class PlannedOtherwise(AedError):
    """This release plans an incident differently from the release that planned it."""

    code = "planned-otherwise"
    title = "This release plans differently"


IncidentId = Annotated[int, typer.Argument(min=1, help="The incident's number", metavar="INCIDENT")]

incidents = typer.Typer(no_args_is_help=True)
statistics.add_commands(incidents)
steering.add_commands(incidents)


@incidents.command("open", cls=taking(PatientReportIn))
def open_incident(given: Fields) -> None:
    """Open an incident for a patient, and alert responders. Call the emergency number first."""
    words = list(given)
    if not any(word.startswith("key=") for word in words):
        words.append(f"key={uuid.uuid4()}")
    new = fields_in(PatientReportIn, words)
    settings = load_settings()
    network, missing_reason = network_if_any(settings)
    with cli_transaction() as session:
        incident = lifecycle.report_patient(
            session, operator(), new, at=clock.now(), network=network, settings=settings
        )
        number, emergency = incident.id, incident.region.emergency_number
        if settings.public_url is None and incident.kind is not IncidentKind.TEST:
            warn("AED_PUBLIC_URL is not set: responders get no link by which to answer.")
    if missing_reason is not None:
        warn(f"{missing_reason} Walks are estimated from the straight line.")
    say(f"Call {emergency} first. 请先拨打{emergency}。")
    show(number)


@incidents.command("list")
def list_incidents(
    state: Annotated[IncidentState | None, typer.Option(help="Only in this state")] = None,
    kind: Annotated[IncidentKind | None, typer.Option(help="Only of this kind")] = None,
    after: After = 0,
) -> None:
    """List incidents, the newest first."""
    with cli_read_session() as session:
        found = queries.incidents(
            session, operator(), state=state, kind=kind, limit=SHOWN, before_id=after or None
        )
        rows = [
            (
                each.id,
                each.kind,
                _clock(each.opened_at),
                each.estate.name_zh if each.estate is not None else each.region.code,
                f"{each.lat:.5f} {each.lon:.5f}",
                each.outcome or each.state,
            )
            for each in found
        ]
    table(None, ("no.", "kind", "opened (UTC)", "where", "place", "state"), rows, right=("no.",))


@incidents.command("show")
def show(incident_id: IncidentId) -> None:
    """Show an incident, and the people and devices it called."""
    with cli_read_session() as session:
        found = queries.incident(session, operator(), incident_id)
        alerts = queries.alerts(session, found.id)
        names = names_of(session, [each.person_id for each in alerts])
        _print_incident(found, alerts, names)
        reports = queries.reports(session, found.id)
        if len(reports) > 1:
            _show_reports(reports)


def _storey(found: Incident) -> str:
    return both_words(found.floor, counts_ground_as_one=found.region.counts_ground_as_one)


def _print_incident(found: Incident, alerts: Sequence[Alert], names: dict[int, str]) -> None:
    where = found.estate.name_en if found.estate is not None else found.region.code
    heading(f"Incident {found.id}: {found.kind}, {found.outcome or found.state}")
    say(f"At {found.lat:.5f} {found.lon:.5f}, {_storey(found)}, {where}")
    ambulance = "has arrived" if found.ambulance_there_at is not None else f"at {_clock(found.ambulance_at)}"
    say(f"Opened {_clock(found.opened_at)} by {found.opened_by}; the ambulance {ambulance}")
    rows = [
        (
            each.id,
            _task(each),
            names.get(each.person_id, "") if each.state in COMING_STATES else f"person {each.person_id}",
            each.state,
            f"{(each.shown_due_at - found.opened_at).total_seconds() / 60:.1f}" if each.shown_due_at else "",
            each.plan_number,
        )
        for each in alerts
    ]
    table(None, ("alert", "task", "who", "stands", "arrives after min", "plan"), rows, right=("alert",))


def _show_reports(reports: Sequence[IncidentReport]) -> None:
    """Print the reports that were taken for one patient, with the numbers that `split` takes."""
    rows = [
        (
            each.id,
            _clock(each.reported_at),
            each.reported_by,
            each.case_number or "",
            each.address or "",
            each.note or "",
        )
        for each in reports
    ]
    table("Reports", ("report", "at (UTC)", "by", "case", "address", "note"), rows, right=("report",))


def _task(alert: Alert) -> str:
    if alert.fetch_failure is not None:
        failure = "missing" if alert.fetch_failure is FetchFailure.NOT_THERE else "cannot be reached"
        return f"{alert.task}; device {alert.out_device_id} {failure}"
    if alert.device_id is None:
        return alert.task
    has = " (has it)" if alert.device_taken_at is not None and alert.device_returned_at is None else ""
    return f"{alert.task} device {alert.device_id}{has}"


@incidents.command("answer")
def say_for(
    incident_id: IncidentId,
    alert_id: Annotated[
        int,
        typer.Argument(
            min=1, help="The version that `show` prints; default: the current one", metavar="ALERT"
        ),
    ],
    reply: AlertReply,
) -> None:
    """Record an answer that a responder gave by telephone or radio."""
    settings = load_settings()
    network, _ = network_if_any(settings)
    with cli_transaction() as session:
        found = queries.incident(session, operator(), incident_id)
        require_dispatcher(operator(), found.region_id)
        alert = queries.alert_of(session, found.id, alert_id)
        take_reply(
            session,
            alert.id,
            reply,
            by=operator().name,
            at=clock.now(),
            network=network,
            settings=settings,
        )
    show(incident_id)


@incidents.command("ambulance")
def ambulance(
    incident_id: IncidentId,
    seconds: Annotated[float, typer.Argument(min=0, max=14_400, help="Minutes from now; 0: it has arrived")],
) -> None:
    """Set when the ambulance is expected, in seconds from now."""
    settings = load_settings()
    network, _ = network_if_any(settings)
    with cli_transaction() as session:
        lifecycle.update_ambulance(
            session, operator(), incident_id, seconds, at=clock.now(), network=network, settings=settings
        )
    show(incident_id)


@incidents.command("close")
def close(
    incident_id: IncidentId, outcome: IncidentOutcome, note: Annotated[str | None, typer.Option()] = None
) -> None:
    """Close the incident, and notify everyone who was called."""
    with cli_transaction() as session:
        lifecycle.close_incident(session, operator(), incident_id, outcome, note, at=clock.now())
    show(incident_id)


@incidents.command("replay")
def replay(
    incident_id: IncidentId,
    number: Annotated[int | None, typer.Option("--plan", min=1, help="Only this plan")] = None,
) -> None:
    """Plan an incident again from its stored inputs, compare the result, and show the reasons."""
    with cli_read_session() as session:
        found = queries.incident(session, operator(), incident_id)
        kept = [
            (each.number, each.reason, each.inputs, each.outcome)
            for each in queries.plans(session, found.id)
            if number is None or each.number == number
        ]
    if not kept:
        raise InvalidInput(
            either(
                f"There is no plan {number} of incident {incident_id}.",
                f"事件 {incident_id} 没有方案 {number}。",
            ),
            field="plan",
        )
    differs = []
    for each, reason, given, outcome in kept:
        inputs = load_inputs(given)
        again, before = (
            plan(inputs.case, planning=inputs.planning, survival=inputs.survival),
            load_plan(outcome),
        )
        if not has_same_outcome(again, before):
            differs.append(each)
        patient = inputs.case.patient
        heading(f"Plan {each}: {reason}")
        say(
            f"{'Unchanged.' if has_same_outcome(again, before) else 'THIS RELEASE PLANS DIFFERENTLY.'} "
            f"{patient.since_seconds:.0f} s after the collapse, the ambulance in "
            f"{patient.ambulance_seconds:.0f} s, {len(inputs.case.asked)} asked before; "
            f"expected survival by the formula {before.survival_before:.2f} -> "
            f"{before.survival:.2f} %; somebody there before it: "
            f"{before.probability_in_time:.0%}"
        )
        _show_plan(before)
    if differs:
        raise PlannedOtherwise(f"This release plans differently: {', '.join(map(str, differs))}.")


def _show_plan(made: Plan) -> None:
    rows = [("asked", *_offer(step.offer), f"{step.adds:.2f}", f"for {step.purpose}") for step in made.steps]
    rows += [
        ("left", *_offer(left.offer), f"{left.adds:.2f}", left.reason.replace("_", " "))
        for left in made.left[:MAX_NOT_ASKED_SHOWN]
    ]
    table(None, ("", "person", "task", "arrives after s", "probability", "adds %", "reason"), rows)
    if len(made.left) > MAX_NOT_ASKED_SHOWN:
        say(f"and {len(made.left) - MAX_NOT_ASKED_SHOWN} more who would add less")


def _offer(offer: TaskOffer) -> tuple[str, str, str, str]:
    task = str(offer.task) if offer.device_id is None else f"{offer.task} device {offer.device_id}"
    return str(offer.person_id), task, _arrival_seconds(offer), f"{offer.probability_arrives:.2f}"


def _arrival_seconds(offer: TaskOffer) -> str:
    """Return the seconds to arrival, measured from the centre of the person's grid cell."""
    return "" if offer.shown_seconds is None else f"{offer.shown_seconds:.0f}"


@incidents.command("cap")
def cap(
    what: Annotated[
        str,
        typer.Argument(
            help="An incident's number, to print it, or a file, to process it", metavar="INCIDENT|FILE"
        ),
    ],
) -> None:
    """Print an incident as a CAP 1.2 message, or process such a message from a file.

    An Alert opens or joins an incident, an Update reports on the ambulance and on CPR, a Cancel closes it.
    """
    settings = load_settings()
    if what.isascii() and what.isdecimal() and len(what) < 19:
        with cli_read_session() as session:
            message, found = cap_message_of(session, operator(), int(what), settings)
            say(cap_of_incident(message, found).decode().rstrip())
        return
    content = Path(what).read_bytes()
    network, _ = network_if_any(settings)
    with cli_transaction() as session:
        done = process_cap(session, operator(), content, at=clock.now(), network=network, settings=settings)
    show(done.id)


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
