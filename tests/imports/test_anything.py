"""Arbitrary files: an import always ends with a report or an error message."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from aed.errors import InvalidInput
from aed.imports.batches import ImportReport
from aed.imports.devices.actions import import_devices
from aed.imports.estates import import_estates
from aed.imports.formats.recognise import read_devices
from aed.imports.responders import import_responders
from aed.imports.schemas import DeviceRow, EstateRow, GateRow, RegionRow, ResponderRow, columns
from tests import make
from tests.examples import examples
from tests.imports.lists import DEVICE, ESTATE, GATE, REGION, RESPONDER, feature, point, text_of
from tests.make import ADMINISTRATOR, NOW, PATIENT, square

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
"""Each example overwrites the previous example's file."""

FRAGMENTS = st.sampled_from(
    [
        *(b"source", b"source_id", b"lat", b"lon", b"region", b",", b'"', b"\n", b"\r\n"),
        *(b"\x00", b"\xff", b"\xef\xbb\xbf", b"]}", b"{", b"}", b"[", b"1e999", b'"\\ud800"', b"null"),
        *(b'{"type": "FeatureCollection", "features": [', b'"emergency"'),
        *(b'{"type": "Feature", "properties": ', b'"geometry": {"type": "Point", "coordinates": ['),
    ]
)
ODD_CHARACTERS = st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Nd"])
ODD_TEXT = st.one_of(
    st.text(max_size=40),
    st.text(ODD_CHARACTERS, min_size=1, max_size=6),
    st.sampled_from(
        ["0000-00-00", "9999-12-31", "-1", "1e308", "9" * 400, "NaN", "٣", "²", "\x00", "24/7\x00"]
    ),
)
ODD_VALUES = st.one_of(
    ODD_TEXT,
    st.none(),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(),
    st.sampled_from([[], {}, [[]]]),
    st.just({"type": "Polygon", "coordinates": [[["x", None]]]}),
)
TAGS = st.sampled_from(
    [
        *("access", "opening_hours", "level", "name", "name:zh", "description", "manufacturer", "ref:serial"),
        *("defibrillator:location", "defibrillator:location:zh", "defibrillator:cabinet", "osm_id", "@id"),
    ]
)


@SAME_FOLDER
@given(content=st.one_of(st.binary(max_size=200), st.lists(FRAGMENTS, max_size=20).map(b"".join)))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("list.csv", "list.geojson"):
        path = tmp_path / name
        path.write_bytes(content)
        try:
            assert list(read_devices(path)) is not None
        except InvalidInput as refused:
            if refused.field is None:
                raise


type Import = Callable[[Session, Path], ImportReport]


def _devices(session: Session, path: Path) -> ImportReport:
    return import_devices(session, ADMINISTRATOR, path, at=NOW)


def _estates(session: Session, path: Path) -> ImportReport:
    return import_estates(session, ADMINISTRATOR, path, at=NOW)


def _responders(session: Session, path: Path) -> ImportReport:
    return import_responders(session, ADMINISTRATOR, path, at=NOW)


WKT = "POLYGON ((120.098 30.288, 120.102 30.288, 120.102 30.292, 120.098 30.288))"
AT = {"lat": str(PATIENT.lat), "lon": str(PATIENT.lon)}
ROWS: list[tuple[Import, dict[str, Any], list[str]]] = [
    (_devices, dict(DEVICE), columns(DeviceRow)),
    (_responders, dict(RESPONDER), columns(ResponderRow)),
    (_estates, dict(REGION), columns(RegionRow)),
    (_estates, ESTATE | {"boundary": WKT}, columns(EstateRow)),
    (_estates, GATE | AT, columns(GateRow)),
]


def reported(session: Session, run: Import, path: Path) -> None:
    """Two rows are each imported or rejected with a printable reason; then the session is rolled back."""
    try:
        report = run(session, path)
    except InvalidInput:
        pass
    else:
        assert report.taken + len(report.bad) >= 1
        assert all(bad.reason.isprintable() and bad.reason.encode() for bad in report.bad)
        session.flush()
    session.rollback()


@pytest.fixture
def somewhere(session: Session) -> Session:
    """Return a session on a registry with a region and an estate."""
    make.estate(session, source="list", source_id="e")
    session.commit()
    return session


@settings(SAME_FOLDER, max_examples=examples(120))
@given(data=st.data())
def test_any_text_in_any_cell_of_a_table_is_read_or_set_aside(
    somewhere: Session, tmp_path: Path, data: st.DataObject
) -> None:
    run, good, names = data.draw(st.sampled_from(ROWS))
    utf8 = ODD_TEXT.map(lambda text: text.encode("utf-8", "ignore").decode())
    odd = data.draw(st.dictionaries(st.sampled_from(names), utf8, min_size=1, max_size=3))
    path = tmp_path / "list.csv"
    first = good | {"source_id": "good"} if "source_id" in good else good
    path.write_text(text_of([first, good | odd]), encoding="utf-8")
    reported(somewhere, run, path)


@settings(SAME_FOLDER, max_examples=examples(120))
@given(data=st.data())
def test_any_value_in_any_property_or_position_is_read_or_set_aside(
    somewhere: Session, tmp_path: Path, data: st.DataObject
) -> None:
    run, good, names = data.draw(st.sampled_from(ROWS))
    good = {name: value for name, value in good.items() if name not in ("lat", "lon", "boundary")}
    place = square(PATIENT) if good.get("kind") == "estate" else point()
    odd_place = st.lists(ODD_VALUES, max_size=3).map(lambda pair: {"type": "Point", "coordinates": pair})
    odd_area = st.lists(st.lists(ODD_VALUES, max_size=4), max_size=3).map(
        lambda rings: {"type": "MultiPolygon", "coordinates": [rings]}
    )
    odd_or_huge = st.one_of(ODD_VALUES, st.sampled_from([10**30, -(10**400), 2**63]))
    odd = data.draw(st.dictionaries(st.sampled_from(names), odd_or_huge, max_size=3))
    geometry = data.draw(st.one_of(st.just(place), odd_place, odd_area, ODD_VALUES))
    features = [feature(good | odd, geometry), feature(good | {"source_id": "2"}, place)]
    path = tmp_path / "list.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    reported(somewhere, run, path)


@settings(SAME_FOLDER, max_examples=examples(60))
@given(tags=st.dictionaries(TAGS, ODD_VALUES), identity=ODD_VALUES)
def test_any_openstreetmap_tags_are_read_or_set_aside(
    somewhere: Session, tmp_path: Path, tags: dict[str, Any], identity: object
) -> None:
    features = [
        feature({"emergency": "defibrillator"} | tags, point(), id=identity),
        feature({"emergency": "defibrillator"} | tags, point(), id="node/1"),
    ]
    path = tmp_path / "list.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")

    report = import_devices(somewhere, ADMINISTRATOR, path, at=NOW, region="CN-33")

    assert report.taken >= 1, [bad.reason for bad in report.bad]
    somewhere.rollback()
