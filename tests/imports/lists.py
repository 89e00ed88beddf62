"""Factories of import files for tests; every value that a test doesn't give has a default."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import openpyxl
from sqlalchemy.orm import Session

from aed.imports.batches import ImportReport
from aed.imports.devices.actions import import_devices
from aed.imports.estates import import_estates
from aed.imports.responders import import_responders
from tests import make
from tests.make import NOW, PATIENT

ROOT = Path(__file__).parent.parent.parent
DISTRICT = ROOT / "geodata" / "demo_district"
SHARED = ROOT.parent / "shared" / "data"
"""Lists published by others; absent on most machines."""

DEVICE: Final[dict[str, Any]] = {
    "source": "list",
    "source_id": "1",
    "lat": PATIENT.lat,
    "lon": PATIENT.lon,
    "region": "CN-33",
}
RESPONDER: Final[dict[str, Any]] = {
    "source": "list",
    "source_id": "1",
    "name": "Lin Yi",
    "region": "CN-33",
    "certificate_kind": "cpr_aed",
    "certificate_issuer": "Test issuer",
    "certificate_valid_until": "2028-01-01",
    "certificate_trust": "verified",
    "place": "home",
    "lat": PATIENT.lat,
    "lon": PATIENT.lon,
}
REGION: Final[dict[str, Any]] = {
    "kind": "region",
    "code": "CN-33",
    "name_en": "Zhejiang",
    "name_zh": "浙江",
    "country": "CN",
    "time_zone": "Asia/Shanghai",
    "emergency_number": "120",
    "holiday_calendar": "CN",
}
ESTATE: Final[dict[str, Any]] = {
    "kind": "estate",
    "source": "list",
    "source_id": "e",
    "name_en": "Lake",
    "name_zh": "湖",
    "region": "CN-33",
}
GATE: Final[dict[str, Any]] = {
    "kind": "gate",
    "source": "list",
    "source_id": "g",
    "estate": "e",
    "name_en": "North",
    "name_zh": "北门",
    "passage": "open",
}


def text_of(rows: Iterable[Mapping[str, Any]], *, newline: str = "\n") -> str:
    """Return CSV text with the columns of all rows; missing values are empty."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator=newline)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def table(folder: Path, *rows: Mapping[str, Any], name: str = "list.csv") -> Path:
    path = folder / name
    path.write_text(text_of(rows), encoding="utf-8")
    return path


def feature(properties: Mapping[str, Any] | None = None, geometry: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry, **more}


def point(lat: float = PATIENT.lat, lon: float = PATIENT.lon) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def geojson(folder: Path, *features: object, name: str = "list.geojson") -> Path:
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def devices(session: Session, path: Path, **given: Any) -> ImportReport:
    """Import devices into a region that exists."""
    make.region(session)
    return import_devices(session, make.ADMINISTRATOR, path, at=NOW, **given)


def estates(session: Session, path: Path) -> ImportReport:
    return import_estates(session, make.ADMINISTRATOR, path, at=NOW)


def responders(session: Session, path: Path) -> ImportReport:
    make.region(session)
    return import_responders(session, make.ADMINISTRATOR, path, at=NOW)


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    """Return the counts of new, changed, unchanged and rejected entries."""
    return report.new, report.changed, report.unchanged, len(report.bad)


def reasons(report: ImportReport) -> dict[str, str]:
    """Return {location: reason} of rejected entries."""
    return {bad.where: bad.reason for bad in report.bad}


# --- Templates ------------------------------------------------------------------------------------------

FILLED: dict[str, Any] = {
    "source": "office",
    "source_id": "0012",
    "lat": PATIENT.lat,
    "lon": PATIENT.lon,
    "region": "CN-33",
    "place_zh": "图书馆一楼",
    "floor": -1,
    "opening_hours": "Mo-Fr 08:30-17:30; PH off",
    "audience": "public",
    "pads_expire_on": date(2028, 5, 31),
}


def fill_in(path: Path) -> None:
    """Add one device below the template's rows, as a person would in a spreadsheet or an editor."""
    if path.suffix == ".xlsx":
        book = openpyxl.load_workbook(path)
        sheet = book["devices"]
        column = {cell.value: cell.column for cell in sheet[1]}
        row = sheet.max_row + 1
        for name, value in FILLED.items():
            sheet.cell(row, column[name], value)
        book.save(path)
        return
    with path.open(encoding="utf-8-sig", newline="") as opened:
        header = next(csv.reader(opened))
    line = io.StringIO()
    csv.writer(line).writerow([FILLED.get(name, "") for name in header])
    with path.open("a", encoding="utf-8", newline="") as opened:
        opened.write(line.getvalue())
