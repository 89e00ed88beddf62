"""What the forms of the dispatcher's board send, and what is done about it: the actions of the API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import uuid4

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import InvalidInput
from aed.geo import Datum, Position, position_from
from aed.incidents import queries
from aed.incidents.alerts.answers import take_reply
from aed.incidents.calls import actions, corrections, steering
from aed.incidents.calls.corrections import KnownLocation
from aed.incidents.calls.schemas import AskMoreIn, ExclusionIn, HazardIn, LocationCorrection, SplitReportIn
from aed.incidents.calls.steering import PlanningContext
from aed.incidents.models import Incident
from aed.incidents.permissions import require_dispatcher
from aed.incidents.rules import AlertReply, AlertState
from aed.incidents.schemas import AlertReplyIn, AmbulanceIn, CloseIn, PatientReportIn
from aed.lookup.named_places import KnownPlace
from aed.registry.storeys import floor_from_storey
from aed.web.dispatch_board.page import position_text
from aed.web.words import noop

_NUMBER: Final = r"\s*(-?\d{1,3}(?:\.\d+)?)\s*"
_COORDINATES: Final = re.compile(rf"{_NUMBER}[,，\s]{_NUMBER}({'|'.join(Datum)})?\s*")
_TEXT: Final = 300
NO_PLACE: Final = noop("Choose the place of the patient: search for it, or point to it.")
NO_NUMBER: Final = noop("Enter the minutes as a number.")
NO_REPORT: Final = noop("Choose the report that is of another patient.")
UNKNOWN_FORM: Final = noop("This form is unknown: load the page again.")


class EntryProblem(Exception):
    """What is wrong with an entry, as a sentence in English, to be translated."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def new_key() -> str:
    """Return the key of a form: sent twice, it counts once."""
    return str(uuid4())


class OpenForm(BaseModel):
    """The form that opens an incident, as typed."""

    key: str = Field(default_factory=new_key, max_length=_TEXT)
    q: str = Field("", max_length=_TEXT)
    place: str = Field("", max_length=_TEXT)
    kind: str = Field("real", max_length=_TEXT)
    storey: str = Field("", max_length=_TEXT)
    address: str = Field("", max_length=_TEXT)
    case_number: str = Field("", max_length=_TEXT)
    minutes: str = Field("", max_length=_TEXT)
    has_cpr: bool = False
    is_another_patient: bool = False


class BoardQuery(OpenForm):
    """The form while its place is searched for, and what happened before."""

    joined: int = Field(0, ge=0, le=2**53)
    """The incident that a report was joined to."""


class ChangeForm(BaseModel):
    """A form of a running incident, as typed; `do` names it."""

    do: str = Field("", max_length=_TEXT)
    key: str = Field("", max_length=_TEXT)
    people: str = Field("", max_length=_TEXT)
    alert: str = Field("", max_length=_TEXT)
    reply: str = Field("", max_length=_TEXT)
    target: str = Field("", max_length=_TEXT)
    exclusion: str = Field("", max_length=_TEXT)
    position: str = Field("", max_length=_TEXT)
    storey: str = Field("", max_length=_TEXT)
    address: str = Field("", max_length=_TEXT)
    door_code: str = Field("", max_length=_TEXT)
    was_position: str = Field("", max_length=_TEXT)
    was_storey: str = Field("", max_length=_TEXT)
    was_address: str = Field("", max_length=_TEXT)
    was_door_code: str = Field("", max_length=_TEXT)
    minutes: str = Field("", max_length=_TEXT)
    outcome: str = Field("", max_length=_TEXT)
    note: str = Field("", max_length=_TEXT)
    hazard: str = Field("", max_length=_TEXT)
    hazard_note: str = Field("", max_length=_TEXT)
    report: str = Field("", max_length=_TEXT)
    has_cpr: bool = False


def position_in(text: str) -> Position | None:
    """Return the position that a text gives as latitude, longitude; None if it is none.

    WGS-84 unless the name of another datum follows, as it does after a pin on such a map.
    """
    found = _COORDINATES.fullmatch(text)
    if found is None:
        return None
    return position_from(float(found[1]), float(found[2]), Datum(found[3] or Datum.WGS84))


def typed_place(text: str) -> KnownPlace | None:
    """Return the place of coordinates that were typed into the search."""
    try:
        here = position_in(text)
    except InvalidInput:
        return None
    return KnownPlace(position_text(here), position_text(here), here) if here is not None else None


def _required_position(text: str) -> dict[str, float]:
    here = position_in(text)
    if here is None:
        raise EntryProblem(NO_PLACE)
    return {"lat": here.lat, "lon": here.lon}


def open_incident(
    session: Session, viewer: Viewer, typed: OpenForm, *, now: PlanningContext
) -> tuple[Incident, bool]:
    """Open an incident at the chosen place; return it, and whether it is a new one.

    Raises as `report_patient` does; EntryProblem without a place, ValidationError for what cannot be stored.
    """
    given: dict[str, Any] = {
        "key": typed.key,
        "kind": typed.kind,
        "position": _required_position(typed.place),
        "has_cpr": typed.has_cpr,
        "is_another_patient": typed.is_another_patient,
        **_given(storey=typed.storey, address=typed.address, case_number=typed.case_number),
    }
    if typed.minutes:
        given["ambulance_seconds"] = _seconds(typed.minutes)
    report = PatientReportIn.model_validate(given)
    incident = actions.report_patient(
        session, viewer, report, at=now.at, network=now.network, settings=now.settings
    )
    return incident, incident.opened_at == now.at


def _given(**texts: str) -> dict[str, str]:
    return {name: text.strip() for name, text in texts.items() if text.strip()}


def _seconds(minutes: str) -> float:
    try:
        return float(minutes) * 60
    except ValueError:
        raise EntryProblem(NO_NUMBER) from None


type _Action = Callable[[Session, Viewer, int, ChangeForm, PlanningContext], object]


def _hold(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> object:
    return steering.hold_calling(session, who, number, held=typed.do == "hold", now=now)


def _ask_more(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> object:
    change = AskMoreIn.model_validate({"key": typed.key, "people": typed.people})
    return steering.ask_more(session, who, number, change, now=now)


def _exclude(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> object:
    kind, _, target = typed.target.partition(":")
    given = ExclusionIn.model_validate({f"{kind}_id": target})
    return steering.exclude(session, who, number, given, now=now)


def _lift(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> object:
    exclusion_id = int(typed.exclusion) if typed.exclusion.isdecimal() else 0
    return steering.lift_exclusion(session, who, number, exclusion_id, now=now)


def _reply(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> object:
    """Record the answer that a person gave by telephone. Raises AnsweredMeanwhile if they answered first.

    `alert` is the alert's id and the state that the dispatcher saw: `12:asked`.
    """
    alert_id, _, seen = typed.alert.partition(":")
    found = queries.incident(session, who, number)
    require_dispatcher(who, found.region_id)
    reply = AlertReplyIn.model_validate({"reply": typed.reply, "key": typed.key or None})
    alert = queries.alert_of(session, found.id, int(alert_id) if alert_id.isdecimal() else 0)
    if seen in set(AlertState) and alert.state is not AlertState(seen):
        raise AnsweredMeanwhile(alert.state, reply.reply)
    return take_reply(
        session,
        alert.id,
        reply.reply,
        by=who.name,
        at=now.at,
        network=now.network,
        settings=now.settings,
        key=reply.key,
    )


class AnsweredMeanwhile(Exception):
    """The person answered between the dispatcher's look and the dispatcher's entry."""

    def __init__(self, state: AlertState, reply: AlertReply) -> None:
        super().__init__(state, reply)
        self.state, self.reply = state, reply


def _correct(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> object:
    """Correct what differs from what the form showed."""
    found = queries.incident(session, who, number)
    counts = found.region.counts_ground_as_one
    here, was = _required_position(typed.position), position_in(typed.was_position)
    given: dict[str, Any] = {}
    if typed.position.strip() != typed.was_position:
        given["position"] = here
    if typed.storey.strip() != typed.was_storey:
        given["storey"] = typed.storey.strip()
    for name in ("address", "door_code"):
        text = getattr(typed, name).strip()
        if text != getattr(typed, f"was_{name}"):
            given[name] = text or None
    if not given:
        return found
    floor = floor_from_storey(
        floor=None, storey=typed.was_storey or None, room=None, counts_ground_as_one=counts
    )
    seen = KnownLocation(
        was or Position(found.lat, found.lon),
        floor if floor is not None else found.floor,
        typed.was_address or None,
        typed.was_door_code or None,
    )
    change = LocationCorrection.model_validate(given)
    return corrections.correct_location(session, who, number, change, seen=seen, now=now)


def _ambulance(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> object:
    seconds = AmbulanceIn(seconds=_seconds(typed.minutes)).seconds
    return actions.update_ambulance(
        session, who, number, seconds, at=now.at, network=now.network, settings=now.settings
    )


def _hazard(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> object:
    change = HazardIn.model_validate({"hazard": typed.hazard, "note": typed.hazard_note.strip() or None})
    return steering.set_hazard(session, who, number, change, now=now)


def _split(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> Incident:
    """Split off the report of another patient; what is left empty stays as the report has it."""
    if not typed.report.isdecimal() or len(typed.report) > 18:
        raise EntryProblem(NO_REPORT)
    given: dict[str, Any] = {
        "has_cpr": typed.has_cpr,
        **_given(storey=typed.storey, address=typed.address, door_code=typed.door_code),
    }
    if typed.position.strip():
        given["position"] = _required_position(typed.position)
    if typed.minutes.strip():
        given["ambulance_seconds"] = _seconds(typed.minutes)
    change = SplitReportIn.model_validate(given)
    return corrections.split_report(session, who, number, int(typed.report), change, now=now)


def _close(session: Session, who: Viewer, number: int, typed: ChangeForm, now: PlanningContext) -> object:
    given = CloseIn.model_validate({"outcome": typed.outcome, "note": typed.note.strip() or None})
    return actions.close_incident(session, who, number, given.outcome, given.note, at=now.at)


CHANGES: Final[Mapping[str, _Action]] = {
    "hold": _hold,
    "resume": _hold,
    "ask": _ask_more,
    "exclude": _exclude,
    "lift": _lift,
    "reply": _reply,
    "correct": _correct,
    "ambulance": _ambulance,
    "hazard": _hazard,
    "split": _split,
    "close": _close,
}


def change_incident(
    session: Session, viewer: Viewer, incident_id: int, typed: ChangeForm, *, now: PlanningContext
) -> int:
    """Do what a form of a running incident asks for, by the action of the API; return the incident to show.

    Raises what that raises; ValidationError for what cannot be stored; EntryProblem for an unknown form.
    """
    if typed.do not in CHANGES:
        raise EntryProblem(UNKNOWN_FORM)
    done = CHANGES[typed.do](session, viewer, incident_id, typed, now)
    return done.id if isinstance(done, Incident) else incident_id
