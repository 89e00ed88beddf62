"""`aed map build`: a base map of an extract, and the message where it cannot be made."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from aed.cli.basemap import build_basemap
from aed.cli.demo import DISTRICT
from aed.errors import ExtraNotInstalled, InvalidInput
from tests import make
from tests.cli.conftest import Aed

EXTRACT = DISTRICT / "streets.osm.pbf"
needs_tilemaker = pytest.mark.skipif(shutil.which("tilemaker") is None, reason="tilemaker is not installed")


def bounds(file: Path) -> tuple[float, ...]:
    """Return west, south, east and north of a PMTiles file."""
    header = file.read_bytes()[:127]
    assert header[:8] == b"PMTiles\x03"
    return tuple(each / 1e7 for each in struct.unpack("<4i", header[102:118]))


@needs_tilemaker
@pytest.mark.one_engine("a file")
def test_a_base_map_covers_its_extract(aed: Aed, tmp_path: Path) -> None:
    target = tmp_path / "made" / "city.pmtiles"

    result = aed("map", "build", str(EXTRACT), "--output", str(target))

    assert f"{target}: " in result.out
    west, south, east, north = bounds(target)
    assert west < 120.1 < east
    assert south < 30.29 < north
    assert list(target.parent.iterdir()) == [target]


@needs_tilemaker
@pytest.mark.one_engine("a file")
def test_a_base_map_of_an_estate_covers_its_surroundings(aed: Aed, session: Session, tmp_path: Path) -> None:
    estate = make.estate(session)
    session.commit()
    target = tmp_path / "estate.pmtiles"

    aed("map", "build", str(EXTRACT), "--estate", str(estate.id), "--output", str(target))

    west, south, east, north = bounds(target)
    assert 0.02 < east - west < 0.1
    assert 0.02 < north - south < 0.1


@pytest.mark.one_engine("no statement")
def test_a_base_map_that_cannot_be_built_is_refused_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = tmp_path / "city.pmtiles"
    no_extract = tmp_path / "text.osm.pbf"
    no_extract.write_text("no map")
    if shutil.which("tilemaker") is not None:
        with pytest.raises(InvalidInput, match=r"\.pmtiles"):
            build_basemap(EXTRACT, tmp_path / "city.mbtiles")
        with pytest.raises(InvalidInput, match="does not exist"):
            build_basemap(tmp_path / "none.osm.pbf", target)
        with pytest.raises(InvalidInput, match="not an OpenStreetMap extract"):
            build_basemap(no_extract, target)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ExtraNotInstalled, match="apt-get install tilemaker"):
        build_basemap(EXTRACT, target)
    assert not target.exists()
