"""Commands that steer an incident: `aed incidents hold` and others.

They are hold, resume, more, radius, patient, hazard, exclude, include, excluded, place and split.
"""

from __future__ import annotations

import uuid
from typing import Annotated

import typer

from aed import clock
from aed.cli.context import cli_read_session, cli_transaction, operator
from aed.cli.fields import Fields, fields_in, taking
from aed.cli.nearest import network_if_any
from aed.cli.screen import plural, say, table
from aed.incidents import queries
from aed.incidents.calls import corrections, steering
from aed.incidents.calls.schemas import AskMoreIn, ExclusionIn, HazardIn, LocationCorrection, SplitReportIn
from aed.incidents.calls.steering import PlanningContext, SteeringResult
from aed.incidents.models import Incident
from aed.incidents.plan.queries.case import exclusions
from aed.incidents.rules import AgeGroup, Hazard
from aed.registry.storeys import both_words
from aed.settings import load_settings

_Incident = Annotated[int, typer.Argument(min=1, help="The incident's number", metavar="INCIDENT")]


_WITH_FIELDS = {"place": taking(LocationCorrection), "split": taking(SplitReportIn)}


def add_commands(group: typer.Typer) -> None:
    """Add these commands to `aed incidents`."""
    for name, command in (
        ("hold", hold),
        ("resume", resume),
        ("more", more),
        ("radius", radius),
        ("patient", patient),
        ("hazard", hazard),
        ("exclude", exclude),
        ("include", include),
        ("excluded", excluded),
        ("place", place),
        ("split", split),
    ):
        group.command(name, cls=_WITH_FIELDS.get(name))(command)


def _now() -> PlanningContext:
    settings = load_settings()
    network, _ = network_if_any(settings)
    return PlanningContext(clock.now(), network, settings)


def _say(done: SteeringResult) -> None:
    say(f"Incident {done.incident.id}: {plural(done.asked, 'more person', 'more people')} alerted.")


def _storey(incident: Incident) -> str:
    return both_words(incident.floor, counts_ground_as_one=incident.region.counts_ground_as_one)


def hold(incident_id: _Incident) -> None:
    """Call nobody else until `resume`."""
    with cli_transaction() as session:
        steering.hold_calling(session, operator(), incident_id, held=True, now=_now())
    say(f"Incident {incident_id} is on hold: no further people are alerted.")


def resume(incident_id: _Incident) -> None:
    """Call more people again, as planned."""
    with cli_transaction() as session:
        _say(steering.hold_calling(session, operator(), incident_id, held=False, now=_now()))


def more(
    incident_id: _Incident,
    people: Annotated[int, typer.Argument(min=1, max=20, help="Number of people to alert")],
) -> None:
    """Call more people now: the best of those not yet called."""
    request = AskMoreIn(key=uuid.uuid4(), people=people)
    with cli_transaction() as session:
        _say(steering.ask_more(session, operator(), incident_id, request, now=_now()))


def radius(incident_id: _Incident, metres: Annotated[float, typer.Argument(min=100, max=5_000)]) -> None:
    """Set the radius in metres within which people are called."""
    with cli_transaction() as session:
        _say(steering.set_radius(session, operator(), incident_id, metres, now=_now()))


def patient(incident_id: _Incident, age_group: AgeGroup) -> None:
    """Set the patient's age group."""
    with cli_transaction() as session:
        steering.set_age_group(session, operator(), incident_id, age_group, now=_now())
    say(f"Incident {incident_id}: the patient is {age_group}.")


def hazard(
    incident_id: _Incident,
    what: Hazard,
    note: Annotated[str | None, typer.Option(help="A remark, shown to everyone who is alerted")] = None,
) -> None:
    """Set whether people may be sent to the scene."""
    given = HazardIn(hazard=what, note=note)
    with cli_transaction() as session:
        _say(steering.set_hazard(session, operator(), incident_id, given, now=_now()))


def exclude(
    incident_id: _Incident,
    person: Annotated[int | None, typer.Option(min=1, help="A person's number")] = None,
    device: Annotated[int | None, typer.Option(min=1, help="Or a device's id")] = None,
) -> None:
    """Exclude a person or a device from the plan; notify a person who was called."""
    given = fields_in(
        ExclusionIn,
        [
            f"{name}={value}"
            for name, value in (("person_id", person), ("device_id", device))
            if value is not None
        ],
    )
    with cli_transaction() as session:
        done = steering.exclude(session, operator(), incident_id, given, now=_now())
        assert done.exclusion is not None
        say(f"Exclusion {done.exclusion.id}; {plural(done.asked, 'more person', 'more people')} alerted.")


def include(
    incident_id: _Incident, exclusion_id: Annotated[int, typer.Argument(min=1, metavar="EXCLUSION")]
) -> None:
    """Undo an exclusion."""
    with cli_transaction() as session:
        _say(steering.lift_exclusion(session, operator(), incident_id, exclusion_id, now=_now()))


def excluded(incident_id: _Incident) -> None:
    """List the excluded people and devices."""
    with cli_read_session() as session:
        found = queries.incident(session, operator(), incident_id)
        rows = [
            (each.id, each.person_id or "", each.device_id or "", each.excluded_by)
            for each in exclusions(session, found.id)
        ]
    table(None, ("no.", "person", "device", "by"), rows, right=("no.",))


def place(incident_id: _Incident, given: Fields) -> None:
    """Correct where the patient is, and notify everyone who was called."""
    correction = fields_in(LocationCorrection, given)
    with cli_transaction() as session:
        found = corrections.correct_location(session, operator(), incident_id, correction, now=_now())
        say(f"Incident {found.id} is at {found.lat:.5f} {found.lon:.5f}, {_storey(found)}.")


def split(
    incident_id: _Incident,
    report_id: Annotated[
        int, typer.Argument(min=1, help="The report's number, from `aed incidents show`", metavar="REPORT")
    ],
    given: Annotated[
        list[str] | None,
        typer.Argument(help="The fields, listed below", metavar="NAME=VALUE…"),
    ] = None,
) -> None:
    """Make a report an incident of its own, since it is about another patient."""
    split = fields_in(SplitReportIn, given or [])
    with cli_transaction() as session:
        made = corrections.split_report(session, operator(), incident_id, report_id, split, now=_now())
        say(f"Incident {made.id} is opened at {made.lat:.5f} {made.lon:.5f}, {_storey(made)}.")
