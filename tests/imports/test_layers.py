"""GeoPackages and zipped shapefiles as lists of devices, in any coordinate system."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import pytest
import shapely
from openpyxl import load_workbook
from pyproj import Transformer

from aed.errors import ExtraNotInstalled, InvalidInput
from aed.imports.formats.files import head_of
from aed.imports.formats.guess import guess_mapping
from aed.imports.formats.layers import is_layer_file, layer_rows
from aed.imports.formats.marked import write_set_aside
from aed.imports.formats.recognise import read_devices

PLACES = ["1号楼大堂", "会所"]
LONS, LATS = [120.0998, 120.1001], [30.2911, 30.2915]


def layer(path: Path, *, crs: str | None, **options: Any) -> Path:
    """Write two points with places and dates."""
    x, y = LONS, LATS
    if crs is not None and crs != "EPSG:4326":
        x, y = Transformer.from_crs(4326, crs, always_xy=True).transform(LONS, LATS)
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(shapely.points(x, y)),
        field_data=[
            np.array(PLACES, dtype=object),
            np.array(["2027-05-31", "2027-06-30"], dtype="datetime64[D]"),
            np.array([1.0, np.nan]),
        ],
        fields=["位置", "电池到期", "楼层"],
        geometry_type="Point",
        crs=crs,
        **options,
    )
    return path


def zipped(shapefile: Path, *endings: str) -> Path:
    path = shapefile.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for ending in endings:
            archive.write(shapefile.with_suffix(ending), f"AED/{shapefile.stem}{ending}")
    return path


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4549", "EPSG:3857"])
def test_a_geopackage_in_any_coordinate_system_is_read(tmp_path: Path, crs: str) -> None:
    path = layer(tmp_path / "aed.gpkg", crs=crs)

    found = list(read_devices(path, mapping=guess_mapping(path).mapping))

    assert [float(each.fields["lon"]) for each in found] == pytest.approx(LONS, abs=1e-6)
    assert [float(each.fields["lat"]) for each in found] == pytest.approx(LATS, abs=1e-6)
    assert [each.fields["place_zh"] for each in found] == PLACES
    assert [each.fields["battery_expires_on"] for each in found] == ["2027-05-31", "2027-06-30"]
    with pytest.raises(InvalidInput, match="Guess its mapping first"):
        read_devices(path)


def test_a_zipped_shapefile_of_chinese_windows_without_its_encoding_is_read(tmp_path: Path) -> None:
    shapefile = layer(tmp_path / "aed.shp", crs="EPSG:4549", encoding="GB18030")
    path = zipped(shapefile, ".shp", ".shx", ".dbf", ".prj")

    found = list(read_devices(path, mapping=guess_mapping(path).mapping))

    assert [each.fields["place_zh"] for each in found] == PLACES
    assert [float(each.fields["lat"]) for each in found] == pytest.approx(LATS, abs=1e-6)
    write_set_aside(path, tmp_path / "refused.xlsx", {3: "why"}, first=found[0])
    rows = list(load_workbook(tmp_path / "refused.xlsx").active.iter_rows(values_only=True))
    assert [row[2] for row in rows] == ["位置", "会所"]
    assert rows[1][-1] == "why"


def test_unreadable_values_are_refused_with_a_sentence(tmp_path: Path) -> None:
    shapefile = layer(tmp_path / "aed.shp", crs="EPSG:4549", encoding="GB18030")
    damaged = tmp_path / "damaged.gpkg"
    damaged.write_bytes(layer(tmp_path / "whole.gpkg", crs="EPSG:4326").read_bytes()[:3_000])

    with pytest.raises(InvalidInput, match=r"\.prj file\)\. Export it in WGS-84\.$"):
        list(layer_rows(zipped(shapefile, ".shp", ".shx", ".dbf")))
    assert is_layer_file(damaged, head_of(damaged))
    with pytest.raises(InvalidInput, match="cannot be read as a map layer"):
        list(layer_rows(damaged))
    assert not is_layer_file(shapefile, head_of(shapefile))


def test_without_the_extra_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = layer(tmp_path / "aed.gpkg", crs="EPSG:4326")
    monkeypatch.setitem(sys.modules, "pyogrio", None)

    with pytest.raises(ExtraNotInstalled, match=r"pip install 'aed\[gis\]'"):
        guess_mapping(path)
