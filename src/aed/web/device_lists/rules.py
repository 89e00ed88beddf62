"""Words of the pages of lists: what columns hold, what can be mended, and why rows are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from aed.geo import Datum, position_from
from aed.imports.devices.answers import OF_DEVICE
from aed.imports.devices.questions import DuplicateQuestion
from aed.imports.findings import FindingKind
from aed.upkeep.rules import short_number
from aed.web.words import noop

FIELDS: Final[Mapping[str, str]] = {
    "lat": noop("Latitude"),
    "lon": noop("Longitude"),
    "lat, lon": noop("Both coordinates in one cell"),
    "place": noop("Place, in words"),
    "floor": noop("Floor"),
    "opening_hours": noop("Opening hours"),
    "access_instructions": noop("How to get it, remarks"),
    "keeper_name": noop("Keeper's name"),
    "keeper_phone": noop("Keeper's phone"),
    "pads_expire_on": noop("Pads expire on"),
    "child_pads_expire_on": noop("Child pads expire on"),
    "battery_expires_on": noop("Battery expires on"),
    "cartridge_expires_on": noop("Combined cartridge expires on"),
    "last_checked_on": noop("Last checked on"),
    "state": noop("State"),
    "maker": noop("Maker"),
    "model": noop("Model"),
    "serial": noop("Serial number"),
    "registration_number": noop("Registration number"),
    "udi_di": noop("UDI-DI"),
    "manufactured_on": noop("Date of manufacture"),
    "end_of_life_on": noop("End of service life"),
    "source_id": noop("Number of the AED"),
}
"""What a column may hold."""
SHOWN: Final[Mapping[str, str]] = {
    "place_zh": FIELDS["place"],
    "place_en": FIELDS["place"],
    "opening_hours_raw": noop("Opening hours, as written"),
    "out_of_service_reason": noop("Why it is out of service"),
    "access_instructions_zh": FIELDS["access_instructions"],
    "access_instructions_en": FIELDS["access_instructions"],
    **FIELDS,
}
"""Titles of a sample row."""
MENDS: Final[Mapping[FindingKind, str]] = {
    FindingKind.COORDINATES_SWAPPED: noop("Latitude and longitude exchanged"),
    FindingKind.COORDINATES_UNREADABLE: noop("Coordinates in another notation"),
    FindingKind.DECIMAL_POINT_LOST: noop("Decimal point lost"),
    FindingKind.OUTSIDE_COUNTRY: noop("Coordinates outside the country"),
    FindingKind.DATUM_SLIP: noop("Another coordinate system"),
    FindingKind.DATE_UNREADABLE: noop("Date in another notation"),
    FindingKind.HOURS_NOT_UNDERSTOOD: noop("Opening hours in another notation"),
}
"""What can be mended."""
_REASONS: Final = (
    (r"position: lies in no estate that you manage", noop("Lies in no estate that you manage.")),
    (
        r"region: lies in no registered estate, and no region was given",
        noop("Lies in no registered estate."),
    ),
    (r"(?:lat|lon): is required.*", noop("The coordinates are missing.")),
    (
        r"(?:lat|lon): must be a number.*",
        noop("The coordinates are not degrees, such as 30.2911 and 120.0998."),
    ),
    (
        r"(?:lat|lat, lon): .*\b[Ss]wap.*|.*\bswapped\b.*",
        noop("Latitude and longitude are exchanged: swap the two cells."),
    ),
    (r".* is a duplicate: it is already in (?:row|line) (?P<row>\d+)", noop("Is already in row {row}.")),
    (
        r"the cell (?P<cell>\w+) contains a formula that was never calculated.*",
        noop(
            "The cell {cell} has a formula that was never calculated. Open the file in Excel or WPS, "
            "and save it."
        ),
    ),
    (
        r"the formula in the cell (?P<cell>\w+) has an error.*",
        noop("The formula in the cell {cell} has an error."),
    ),
)


COMPARED: Final[Mapping[str, str]] = {
    "place_zh": noop("Place, in Chinese"),
    "place_en": noop("Place, in English"),
    "position": noop("Position"),
    "floor": FIELDS["floor"],
    "opening_hours": FIELDS["opening_hours"],
    "maker": FIELDS["maker"],
    "model": FIELDS["model"],
    "serial": FIELDS["serial"],
    "keeper_name": FIELDS["keeper_name"],
}
"""Titles of what is compared side by side."""


def side_by_side(asked: DuplicateQuestion) -> list[tuple[str, str, str]]:
    """Return (title, value of the row, value of the other) for what either of them states."""
    row, known = _in_words(asked.row), _in_words(asked.known)
    return [
        (title, row.get(name, ""), known.get(name, ""))
        for name, title in COMPARED.items()
        if row.get(name) or known.get(name)
    ]


def code_of(asked: DuplicateQuestion) -> str:
    """Return the number on the label of the registered device in question; "" for a row."""
    if not asked.other.startswith(OF_DEVICE):
        return ""
    return short_number(int(asked.other.removeprefix(OF_DEVICE)))


def _in_words(fields: Mapping[str, Any]) -> dict[str, str]:
    found = {name: str(fields[name]) for name in COMPARED if fields.get(name) is not None}
    if "opening_hours" not in found and fields.get("opening_hours_raw"):
        found["opening_hours"] = str(fields["opening_hours_raw"])
    here = position_from(fields["lat"], fields["lon"], Datum(fields.get("datum") or Datum.WGS84))
    return {**found, "position": f"{here.lat:.5f}, {here.lon:.5f}"}


def reason_words(reason: str) -> tuple[str, Mapping[str, str]]:
    """Return why a row is refused, as a string to translate with its values; "" if it is not known."""
    for pattern, words in _REASONS:
        if found := re.fullmatch(pattern, reason, flags=re.DOTALL):
            return words, found.groupdict()
    return "", {}
