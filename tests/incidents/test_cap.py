"""Incidents as Common Alerting Protocol (CAP 1.2) messages: received and published."""

from __future__ import annotations

import contextlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import ANYONE, TokenRole, TokenScope, Viewer
from aed.errors import AedError, Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.files.xml import MAX_BYTES, MAX_DEPTH
from aed.geo import Position, distance_metres
from aed.incidents import queries
from aed.incidents.calls import actions as lifecycle
from aed.incidents.calls.corrections import correct_location
from aed.incidents.calls.schemas import LocationCorrection
from aed.incidents.calls.steering import PlanningContext
from aed.incidents.cap.actions import process_cap
from aed.incidents.cap.api import EXAMPLE
from aed.incidents.cap.queries import cap_message_of
from aed.incidents.cap.reading import read_cap
from aed.incidents.cap.rules import (
    MAX_CASE_LENGTH,
    CapMessage,
    CapMessageType,
    CapReference,
    CapStatus,
    case_number_of,
    incident_kind_of,
)
from aed.incidents.cap.writing import CapPlace, cap_of_incident, write_cap, written
from aed.incidents.models import Incident
from aed.incidents.rules import AlertReply, IncidentKind, IncidentOutcome, IncidentState
from aed.incidents.schemas import IncidentOut
from aed.settings import Settings
from tests import make
from tests.examples import examples
from tests.incidents.test_incidents import answer, dispatcher, sent_messages
from tests.make import NOW, PATIENT, east_of, north_of

CAP = "urn:oasis:names:tc:emergency:cap:1.2"
ALERT_ORDER = [
    "identifier",
    "sender",
    "sent",
    "status",
    "msgType",
    "source",
    "scope",
    "restriction",
    "addresses",
    "code",
    "note",
    "references",
    "incidents",
    "info",
]
INFO_ORDER = [
    "language",
    "category",
    "event",
    "responseType",
    "urgency",
    "severity",
    "certainty",
    "audience",
    "eventCode",
    "effective",
    "onset",
    "expires",
    "senderName",
    "headline",
    "description",
    "instruction",
    "web",
    "contact",
    "parameter",
    "resource",
    "area",
]
AREA_ORDER = ["areaDesc", "polygon", "circle", "geocode", "altitude", "ceiling"]

CIRCLE = f"<circle>{PATIENT.lat},{PATIENT.lon} 0.02</circle>"


def alert(*, parameters: Mapping[str, object] | None = None, area: str = CIRCLE, **given: Any) -> bytes:
    """Return an Alert from a centre; `given` replaces elements of `alert` or `info`, None omits them."""
    head: dict[str, Any] = {
        "identifier": "47",
        "sender": "120.example.org",
        "sent": written(NOW),
        "status": "Actual",
        "msgType": "Alert",
        "scope": "Private",
        "addresses": "aed.example.org",
        "references": None,
    }
    info: dict[str, Any] = {
        "category": "Health",
        "event": "心脏骤停",
        "urgency": "Immediate",
        "severity": "Extreme",
        "certainty": "Likely",
        "onset": None,
        "expires": None,
    }
    assert given.keys() <= head.keys() | info.keys()
    head |= {name: value for name, value in given.items() if name in head}
    info |= {name: value for name, value in given.items() if name in info}
    named = "".join(
        f"<parameter><valueName>{name}</valueName><value>{escape(str(value))}</value></parameter>"
        for name, value in (parameters or {}).items()
    )
    place = f"<area><areaDesc>Court</areaDesc>{area}</area>" if area else ""
    body = f"<info>{_elements(info)}{named}{place}</info>"
    return f'<alert xmlns="{CAP}">{_elements(head)}{body}</alert>'.encode()


def _elements(values: Mapping[str, Any]) -> str:
    return "".join(f"<{name}>{value}</{name}>" for name, value in values.items() if value is not None)


def follows(kind: str, identifier: str, *, of: str = "47", **given: Any) -> bytes:
    """Return an Update or Cancel message."""
    reference = f"120.example.org,{of},{written(NOW)}"
    return alert(**{"msgType": kind, "identifier": identifier, "references": reference} | given)


def take(
    session: Session,
    settings: Settings,
    content: bytes,
    *,
    who: Viewer | None = None,
    at: datetime = NOW,
) -> IncidentOut:
    return process_cap(session, who or dispatcher(session), content, at=at, network=None, settings=settings)


def refused(content: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as error:
        read_cap(content)
    return error.value


# --- received ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [("Actual", IncidentKind.REAL), ("Exercise", IncidentKind.EXERCISE), ("Test", IncidentKind.TEST)],
)
def test_a_cap_alert_opens_an_incident_of_the_kind_in_its_status(
    session: Session, settings: Settings, status: str, kind: IncidentKind
) -> None:
    for number in range(1, 4):
        make.responder(session, at=north_of(PATIENT, metres=60.0 * number))
    make.device(session, at=east_of(PATIENT, metres=80))
    parameters = {
        "floor": "-1",
        "address": "Flat 501 & cellar",
        "has_cpr": "true",
        "ambulance_seconds": "900",
    }
    late = NOW + timedelta(minutes=2)
    taken = take(session, settings, alert(status=status, parameters=parameters), at=late)

    incident = queries.incident_by_id(session, taken.id)
    assert (incident.kind, incident.floor, incident.address) == (kind, -1, "Flat 501 & cellar")
    assert incident.has_cpr
    assert incident.ambulance_at == NOW + timedelta(seconds=900), "seconds count from when it was sent"
    assert incident.collapsed_at == NOW
    assert queries.alerts(session, incident.id)
    assert bool(sent_messages(session)) is (kind is not IncidentKind.TEST)
    assert all(
        text.startswith("EXERCISE") for _, text in sent_messages(session) if kind is IncidentKind.EXERCISE
    )


def test_a_repeated_message_is_one_incident_and_case_numbers_are_per_centre(
    session: Session, settings: Settings
) -> None:
    first = take(session, settings, alert())
    spaced = alert().replace(b"><", b">\n  <")
    assert take(session, settings, spaced) == first, "the same message, written otherwise"
    with pytest.raises(Conflict):
        take(session, settings, alert(parameters={"floor": 3}))
    far = north_of(PATIENT, metres=700)
    circle = f"<circle>{far.lat},{far.lon} 0.02</circle>"
    other = take(session, settings, alert(sender="999.example.org", area=circle))
    assert other.id != first.id
    assert len(session.scalars(select(Incident)).all()) == 2


def test_a_cap_update_sets_the_ambulance_and_a_cancel_closes(session: Session, settings: Settings) -> None:
    first = take(session, settings, alert())
    later = NOW + timedelta(minutes=3)
    soon = follows(
        "Update", "48", sent=written(later), parameters={"ambulance_seconds": 90, "has_cpr": "true"}
    )
    updated = take(session, settings, soon, at=later)
    assert (updated.id, updated.has_cpr) == (first.id, True)
    assert updated.ambulance_at == later + timedelta(seconds=90)
    there = follows(
        "Update", "49", of="48", sent=written(later), parameters={"ambulance_seconds": 0}, area=""
    )
    assert take(session, settings, there, at=later).ambulance_there_at == later
    cancel = follows("Cancel", "50", of="49", sent=written(later), parameters={"outcome": "handed_over"})
    over = take(session, settings, cancel, at=later)
    assert (over.id, over.state, over.outcome) == (
        first.id,
        IncidentState.CLOSED,
        IncidentOutcome.HANDED_OVER,
    )
    assert take(session, settings, soon, at=later) == updated, "old news again is answered as then"
    much_later = NOW + timedelta(days=2)
    assert take(session, settings, alert(), at=much_later) == first

    plain = take(session, settings, alert(identifier="60"))
    assert plain.id != first.id
    called_off = take(session, settings, follows("Cancel", "61", of="60"))
    assert (called_off.id, called_off.outcome) == (plain.id, IncidentOutcome.CALLED_OFF)


def test_a_cap_update_corrects_the_location_only_if_the_area_differs(
    session: Session, settings: Settings
) -> None:
    first = take(session, settings, alert())
    far = north_of(PATIENT, metres=300)
    elsewhere = f"<circle>{far.lat},{far.lon} 0.02</circle>"
    moved = take(session, settings, follows("Update", "48", area=elsewhere, parameters={"floor": 4}))
    assert (moved.id, moved.floor) == (first.id, 4)
    assert abs(moved.position.lat - far.lat) < 1e-6
    assert moved.place_corrected_at is not None

    here = north_of(PATIENT, metres=500)
    by_hand = LocationCorrection.model_validate({"position": {"lat": here.lat, "lon": here.lon}})
    correct_location(session, make.ADMINISTRATOR, first.id, by_hand, now=PlanningContext(NOW, None, settings))
    repeated = follows("Update", "49", of="48", area=elsewhere, parameters={"ambulance_seconds": 90})
    kept = take(session, settings, repeated)
    assert abs(kept.position.lat - here.lat) < 1e-6, "what a dispatcher corrected by hand stays"


def test_a_cap_storey_is_read_as_the_region_counts(session: Session, settings: Settings) -> None:
    first = take(session, settings, alert(parameters={"storey": "3楼"}))
    assert first.floor == 2
    far = north_of(PATIENT, metres=300)
    elsewhere = f"<circle>{far.lat},{far.lon} 0.02</circle>"
    moved = take(session, settings, follows("Update", "48", area=elsewhere, parameters={"storey": "B1"}))
    assert (moved.id, moved.floor) == (first.id, -1)

    incident = queries.incident_by_id(session, first.id)
    for counts_ground_as_one, floor, storey in ((True, 2, "3F"), (False, 2, "2F"), (True, -1, "B1")):
        incident.floor, incident.region.counts_ground_as_one = floor, counts_ground_as_one
        session.flush()
        message, text = out(session, settings, first.id)
        assert (message.floor, message.storey) == (floor, storey)
        assert text.count(f"<valueName>storey</valueName><value>{storey}</value>".replace("><", ">\n<")) == 2


def test_unusable_cap_messages_are_refused_with_a_reason(session: Session, settings: Settings) -> None:
    take(session, settings, alert())
    ambulance = {"ambulance_seconds": 60}
    for content, error, field in (
        (alert(identifier="1", status="System"), InvalidInput, "status"),
        (alert(identifier="1", status="Draft"), InvalidInput, "status"),
        (follows("Ack", "1"), InvalidInput, "msgType"),
        (follows("Error", "1"), InvalidInput, "msgType"),
        (alert(identifier="1", sent=written(NOW + timedelta(minutes=6))), InvalidInput, "sent"),
        (alert(identifier="1", sent=written(NOW - timedelta(hours=7))), InvalidInput, "sent"),
        (alert(identifier="1", onset=written(NOW - timedelta(hours=7))), InvalidInput, "info.onset"),
        (alert(identifier="1", expires=written(NOW)), InvalidInput, "info.expires"),
        (alert(identifier="1", parameters={"floor": 900}), InvalidInput, "floor"),
        (alert(identifier="1", parameters={"floor": 3, "storey": "3F"}), InvalidInput, "floor"),
        (alert(identifier="1", parameters={"storey": "upstairs"}), InvalidInput, "storey"),
        (alert(identifier="1", parameters={"address": "x" * 501}), InvalidInput, "address"),
        (alert(identifier="1", parameters={"ambulance_seconds": 99_999}), InvalidInput, "ambulance_seconds"),
        (follows("Update", "1"), InvalidInput, "info.parameter"),
        (follows("Update", "1", parameters={"ambulance_seconds": 14_401}), InvalidInput, "ambulance_seconds"),
        (follows("Update", "1", of="never"), NotFound, "references"),
        (follows("Cancel", "1", of="never"), NotFound, "references"),
        (follows("Update", "1", status="Exercise", parameters=ambulance), Conflict, "status"),
        (follows("Cancel", "1", status="Test"), Conflict, "status"),
    ):
        with pytest.raises(error) as refusal:
            take(session, settings, content)
        assert isinstance(refusal.value, AedError)
        assert refusal.value.field == field, refusal.value.detail
    assert [each.state for each in session.scalars(select(Incident))] == [IncidentState.OPEN]


def test_who_may_send_cap_messages(session: Session, settings: Settings) -> None:
    home = make.estate(session)
    for who, refusal in ((ANYONE, NotSignedIn), (make.member(home), NotAllowed)):
        with pytest.raises(refusal):
            take(session, settings, alert(), who=who)
    first = take(session, settings, alert(), who=make.member(home, writes=True))
    assert first.estate_id == home.id
    elsewhere = Viewer(
        role=TokenRole.DISPATCHER,
        name="far",
        scopes=frozenset(TokenScope),
        region_ids=(make.region(session, "CN-44").id,),
    )
    for who in (make.member(home, writes=True), elsewhere):
        with pytest.raises(NotFound):
            take(session, settings, follows("Cancel", "48"), who=who)
    over = take(session, settings, follows("Cancel", "48"))
    assert (over.id, over.state) == (first.id, IncidentState.CLOSED), (
        "a dispatcher, regardless of who reported it first"
    )


POLYGON = "30.29,120.10 30.29,120.101 30.291,120.101 30.291,120.10 30.29,120.10"


def test_a_polygon_is_read_as_a_point_inside_it() -> None:
    both = read_cap(alert(area=f"<polygon>{POLYGON}</polygon>{CIRCLE}"))
    assert both.position == PATIENT, "a circle says it better"
    here = read_cap(alert(area=f"<polygon>{POLYGON}</polygon><geocode><valueName>x</valueName></geocode>"))
    assert here.position is not None
    assert 30.29 < here.position.lat < 30.291
    assert 120.10 < here.position.lon < 120.101


def test_an_area_of_a_kilometre_around_is_still_a_place() -> None:
    here = read_cap(alert(area="<circle>30.29,120.1 1</circle>")).position

    assert here is not None
    assert (here.lat, here.lon) == (30.29, 120.1)


@pytest.mark.parametrize(
    ("area", "field"),
    [
        ("", "info.area"),
        ("<circle>30.29,120.1</circle>", "info.area.circle"),
        ("<circle>120.1,30.29 0.1</circle>", "info.area.circle"),
        ("<circle>30.29 120.1 0.1</circle>", "info.area.circle"),
        ("<circle>30.29,120.1 5</circle>", "info.area.circle"),
        ("<circle>30.29,120.1 1.0005</circle>", "info.area.circle"),
        ("<circle>nan,120.1 0.1</circle>", "info.area.circle"),
        ("<polygon>30.29,120.1 30.3,120.1 30.3,120.2</polygon>", "info.area.polygon"),
        ("<polygon>30.29,120.1 30.3,120.1 30.3,120.2 30.29,120.1</polygon>", "info.area.polygon"),
        ("<polygon>30.29,120.1 x 30.291,120.1 30.291,120.101 30.29,120.1</polygon>", "info.area.polygon"),
        ("<polygon>30,120 30.001,120.001 30.001,120 30,120.001 30,120</polygon>", "info.area.polygon"),
        (CIRCLE + "<circle>30.3,120.1 0.1</circle>", "info.area"),
        ("<place>here</place>", "info.area.place"),
    ],
)
def test_an_invalid_area_is_refused_naming_the_element(area: str, field: str) -> None:
    assert refused(alert(area=area)).field == field


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"identifier": None}, "identifier"),
        ({"identifier": "4 7"}, "identifier"),
        ({"sender": "a,b"}, "sender"),
        ({"sender": "x" * 201}, "sender"),
        ({"sent": None}, "sent"),
        ({"sent": "2026-11-27T08:00:00Z"}, "sent"),
        ({"sent": "2026-11-27T08:00:00"}, "sent"),
        ({"sent": "2026-11-27T08:00:00.5+08:00"}, "sent"),
        ({"sent": "2026-02-30T08:00:00+08:00"}, "sent"),
        ({"sent": "0001-01-01T00:00:00+08:00"}, "sent"),
        ({"onset": "yesterday"}, "info.onset"),
        ({"status": "Real"}, "status"),
        ({"msgType": "alert"}, "msgType"),
        ({"scope": "Secret"}, "scope"),
        ({"scope": None}, "scope"),
        ({"scope": "Restricted"}, "restriction"),
        ({"addresses": None}, "addresses"),
        ({"event": None}, "info.event"),
        ({"category": None}, "info.category"),
        ({"category": "Medical"}, "info.category"),
        ({"category": "Fire"}, "info.category"),
        ({"urgency": "Now"}, "info.urgency"),
        ({"severity": ""}, "info.severity"),
        ({"certainty": "Sure"}, "info.certainty"),
        ({"msgType": "Update"}, "references"),
        ({"msgType": "Cancel"}, "references"),
        ({"references": "a,b"}, "references"),
        ({"references": "a,b,2026-11-27T08:00:00Z"}, "references"),
        ({"parameters": {"floor": "four"}}, "floor"),
        ({"parameters": {"has_cpr": "yes"}}, "has_cpr"),
        ({"parameters": {"ambulance_seconds": "-5"}}, "ambulance_seconds"),
        ({"parameters": {"outcome": "well"}}, "outcome"),
    ],
)
def test_each_error_names_its_element(given: dict[str, Any], field: str) -> None:
    error = refused(alert(**given))
    assert error.field == field, error.detail
    assert field.rpartition(".")[2] in error.detail


def test_duplicate_and_unknown_elements_are_refused_and_signatures_ignored() -> None:
    twice = alert().replace(b"<status>", b"<status>Test</status><status>")
    assert refused(twice).field == "status"
    assert refused(alert().replace(b"<info>", b"<tel>1</tel><info>")).field == "tel"
    both = b"<parameter><valueName>floor</valueName><value>%d</value></parameter><area>"
    differing = alert().replace(b"<area>", both % 1).replace(b"<area>", both % 2)
    assert refused(differing).field == "floor"
    signature = b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"><status/></Signature></alert>'
    assert read_cap(alert().replace(b"</alert>", signature)) == read_cap(alert())


def test_cap_writes_utc_as_minus_zero() -> None:
    assert read_cap(alert(sent="2026-11-27T00:00:00-00:00")).sent == datetime(2026, 11, 27, tzinfo=UTC)
    assert read_cap(alert(sent="2026-11-27T08:00:00+08:00")).sent == datetime(2026, 11, 27, tzinfo=UTC)


LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]>'


@pytest.mark.parametrize(
    "content",
    [
        LAUGHS + alert().replace("心脏骤停".encode(), b"&c;"),
        b'<!DOCTYPE alert [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + alert(identifier="&x;"),
        b'<!DOCTYPE alert SYSTEM "http://127.0.0.1:1/x.dtd">' + alert(),
        alert().replace("心脏骤停".encode(), b"&x;"),
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" + b"<b/>" * 20_000 + b"</a>",
        b"",
        b"not XML",
        alert()[:-9],
        alert() + b"<more/>",
        b"\xff\xfe" + alert(),
        b'<?xml version="1.0" encoding="UTF-7"?>' + alert(),
        b'<?xml version="1.0" encoding="no-such"?>' + alert(),
        alert().replace(b"Court", b"\x00"),
    ],
)
def test_broken_or_malicious_xml_is_refused(content: bytes) -> None:
    error = refused(content)
    assert error.field == "body"
    assert "passwd" not in error.detail


def test_an_oversized_file_is_refused_unparsed() -> None:
    with pytest.raises(AedError) as refusal:
        read_cap(b" " * (MAX_BYTES + 1))
    assert refusal.value.status == 413


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_older_cap_is_named(version: str) -> None:
    error = refused(alert().replace(b"cap:1.2", f"cap:{version}".encode()))
    assert version in error.detail
    assert CAP in error.detail
    assert refused(alert().replace(f' xmlns="{CAP}"'.encode(), b"")).field == "alert"


# No deadline: a busy machine is no error. No example database: each run uses new examples.
@settings(max_examples=examples(40), deadline=None, database=None)
@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode), st.integers(0, 800))
def test_any_input_is_parsed_or_refused(noise: bytes, at: int) -> None:
    whole = alert()
    for content in (noise, whole[:at] + noise[:4] + whole[at:]):
        with contextlib.suppress(InvalidInput):  # a rejection is fine; any other error fails
            read_cap(content)


# --- published --------------------------------------------------------------------------------------------

MOMENTS = st.integers(1_577_836_800, 2_208_988_800).map(lambda each: datetime.fromtimestamp(each, UTC))
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="<&,", exclude_categories=("Z", "C")), min_size=1
)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=50
).map(str.strip)


@st.composite
def messages(draw: st.DrawFn) -> CapMessage:
    kind = draw(st.sampled_from([CapMessageType.ALERT, CapMessageType.UPDATE, CapMessageType.CANCEL]))
    references = st.lists(
        st.builds(CapReference, NAMES, NAMES, MOMENTS),
        min_size=int(kind is not CapMessageType.ALERT),
        max_size=3,
    )
    degrees = st.integers(-90_000_000, 90_000_000).map(lambda each: each / 1e6)
    return CapMessage(
        identifier=draw(NAMES),
        sender=draw(NAMES),
        sent=draw(MOMENTS),
        status=draw(st.sampled_from([CapStatus.ACTUAL, CapStatus.EXERCISE, CapStatus.TEST])),
        message=kind,
        references=tuple(draw(references)),
        cases=tuple(draw(st.lists(st.text("ab-7 é", min_size=1, max_size=9).map(str.strip).filter(bool)))),
        position=Position(draw(degrees), draw(degrees) * 2),
        floor=draw(st.none() | st.integers(-20, 200)),
        storey=draw(st.none() | st.sampled_from(["3楼", "B1", "G"])),
        address=draw(st.none() | TEXTS.filter(bool)),
        has_cpr=draw(st.none() | st.booleans()),
        ambulance_seconds=draw(st.none() | st.integers(0, 14_400).map(float)),
        region=draw(st.none() | st.just("CN-33")),
        outcome=draw(st.none() | st.sampled_from(IncidentOutcome)),
        onset=draw(st.none() | MOMENTS),
    )


# As above.
@settings(max_examples=examples(80), deadline=None, database=None)
@given(messages(), TEXTS, TEXTS)
def test_a_written_cap_message_is_valid_and_reads_back_the_same(
    message: CapMessage, en: str, zh: str
) -> None:
    content = write_cap(message, CapPlace(en or "x", zh or "x", en or "x", "120"))
    again = read_cap(content)
    assert message.position is not None
    assert again.position is not None
    assert distance_metres(message.position, again.position) < 0.2
    assert again == _at(message, again.position)
    assert write_cap(again, CapPlace(en or "x", zh or "x", en or "x", "120")) == content
    _is_of_the_standard(content)


def _at(message: CapMessage, position: Position) -> CapMessage:
    return CapMessage(
        **{name: getattr(message, name) for name in message.__slots__ if name != "position"},
        position=position,
    )


def _is_of_the_standard(content: bytes) -> None:
    """Assert the standard's order of elements, its required elements, and times without Z."""
    root = ET.fromstring(content)
    assert root.tag == f"{{{CAP}}}alert"
    _in_order(
        root, ALERT_ORDER, {"identifier", "sender", "sent", "status", "msgType", "scope", "restriction"}
    )
    infos = root.findall(f"{{{CAP}}}info")
    assert [each.findtext(f"{{{CAP}}}language") for each in infos] == ["zh-CN", "en"]
    for info in infos:
        _in_order(info, INFO_ORDER, {"category", "event", "urgency", "severity", "certainty"})
        for area in info.findall(f"{{{CAP}}}area"):
            _in_order(area, AREA_ORDER, {"areaDesc"})
        for parameter in info.findall(f"{{{CAP}}}parameter"):
            assert [_local(each) for each in parameter] == ["valueName", "value"]
    for name in ("sent", "onset"):
        for each in root.iter(f"{{{CAP}}}{name}"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-00:00", each.text or "")


def _in_order(parent: ET.Element, order: list[str], needed: set[str]) -> None:
    names = [_local(each) for each in parent]
    assert needed <= set(names)
    assert [order.index(each) for each in names] == sorted(order.index(each) for each in names)


def _local(element: ET.Element) -> str:
    return element.tag.removeprefix(f"{{{CAP}}}")


def out(session: Session, settings: Settings, incident_id: int) -> tuple[CapMessage, str]:
    message, found = cap_message_of(session, dispatcher(session), incident_id, settings)
    content = cap_of_incident(message, found)
    _is_of_the_standard(content)
    return message, content.decode()


@pytest.mark.parametrize("kind", list(IncidentKind))
def test_an_exported_incident_imports_elsewhere_as_the_same_case(
    session: Session, settings: Settings, kind: IncidentKind
) -> None:
    make.responder(session, at=north_of(PATIENT, metres=60), name="Wang Li")
    first = make.incident(
        session, kind=kind, floor=4, address="Flat 501", door_code="4711#", case_number="47 b"
    )
    there = settings.model_copy(update={"public_url": "https://aed.example.org/x"})
    message, alert_xml = out(session, there, first.id)
    assert (message.message, message.sender) == (CapMessageType.ALERT, "aed.example.org")
    assert out(session, there, first.id)[1] == alert_xml, "asked again it is the same message"
    called = queries.alerts(session, first.id)[0]
    answer(session, settings, called, AlertReply.THERE)
    lifecycle.update_ambulance(
        session, dispatcher(session), first.id, 120, at=NOW, network=None, settings=settings
    )
    update, update_xml = out(session, there, first.id)
    lifecycle.close_incident(
        session, dispatcher(session), first.id, IncidentOutcome.HANDED_OVER, "Mr Wang lives", at=NOW
    )
    cancel, cancel_xml = out(session, there, first.id)
    assert (update.message, cancel.message) == (CapMessageType.UPDATE, CapMessageType.CANCEL)
    assert {each.identifier for each in cancel.references} >= {message.identifier, update.identifier}
    for text in (alert_xml, update_xml, cancel_xml):
        assert "4711" not in text
        assert "Wang" not in text
        assert '<incidents>"47 b"</incidents>' in text
        assert ("EXERCISE" in text) is (kind is IncidentKind.EXERCISE)

    there_too = make.region(session, "CN-44")
    who = Viewer(
        role=TokenRole.DISPATCHER, name="far", scopes=frozenset(TokenScope), region_ids=(there_too.id,)
    )
    taken = [take(session, settings, text.encode(), who=who) for text in (alert_xml, update_xml, cancel_xml)]
    assert len({each.id for each in taken}) == 1
    assert taken[0].id != first.id
    assert {each.kind for each in taken} == {kind}
    assert (taken[-1].state, taken[-1].outcome) == (IncidentState.CLOSED, IncidentOutcome.HANDED_OVER)
    assert taken[1].ambulance_at == NOW + timedelta(seconds=120)
    assert taken[1].floor == 4
    with pytest.raises(NotFound):
        cap_message_of(session, who, first.id, settings)


def test_over_http(session: Session, client: TestClient) -> None:
    region = make.region(session)
    reads, writes = (
        make.key(session, TokenRole.DISPATCHER, writes=writes, region=region) for writes in (False, True)
    )
    session.commit()
    now = clock.now()
    content = alert(sent=written(now), status="Exercise")
    kind = {"Content-Type": "application/cap+xml"}
    assert client.post("/v1/cap", content=content, headers=kind).status_code == 401
    assert client.post("/v1/cap", content=content, headers=kind | reads).status_code == 403
    taken = client.post("/v1/cap", content=content, headers=kind | writes)
    assert taken.status_code == 200, taken.text
    assert taken.json()["kind"] == "exercise"
    wrong = client.post("/v1/cap", content=LAUGHS + content, headers=kind | writes)
    assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:aed:problem:invalid-input")
    where = f"/v1/incidents/{taken.json()['id']}/cap"
    assert client.get(where).status_code == 404
    shown = client.get(where, headers=reads)
    assert shown.headers["Content-Type"] == "application/cap+xml"
    assert read_cap(shown.content).status is CapStatus.EXERCISE
    assert read_cap(EXAMPLE.encode()).position == Position(30.2901, 120.1003)


def test_a_long_case_number_is_shortened_to_its_hash() -> None:
    room = MAX_CASE_LENGTH - len("dispatch ")
    longest, longer = (
        CapMessage("7" * length, "dispatch", NOW, CapStatus.ACTUAL, CapMessageType.ALERT)
        for length in (room, room + 1)
    )

    assert case_number_of(longest) == f"dispatch {longest.identifier}"
    assert case_number_of(longer).startswith("cap:")
    assert len(case_number_of(longest)) == len(case_number_of(longer)) == MAX_CASE_LENGTH


def test_the_status_of_a_message_is_the_kind_of_the_incident() -> None:
    assert incident_kind_of(CapStatus.ACTUAL) is IncidentKind.REAL
    assert incident_kind_of(CapStatus.EXERCISE) is IncidentKind.EXERCISE
    assert incident_kind_of(CapStatus.TEST) is IncidentKind.TEST
    for other in (CapStatus.SYSTEM, CapStatus.DRAFT):
        with pytest.raises(InvalidInput, match=f"status {other} is not supported"):
            incident_kind_of(other)
