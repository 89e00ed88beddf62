"""OpenStreetMap tags as an osmChange file, for review by a person before it is uploaded.

Only public devices are included, without serials and people. Of an existing OSM object only the id is known,
not its version or other tags: modifications state no version, and the reviewer must fetch the current object
and merge. Ways and relations are left out with a comment, because their members are unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from aed.accounts.permissions import Audience
from aed.exports.formats.tables import Pages
from aed.exports.queries import PublishedDevice
from aed.files.xml import xml_attribute
from aed.registry.devices.rules import Cabinet, DeviceState, EntryMode

OSM = "osm"
MAX_VALUE_LENGTH = 255
_BEGINS = """<?xml version="1.0" encoding="UTF-8"?>
<osmChange version="0.6" generator="aed">
<!-- A proposal. A person must review every line before any of it is uploaded: fetch each modified object as
     it stands, keep the tags that are missing here, and check that no created device is there already.
     Modified objects carry no version, so that nothing can be uploaded unseen. -->
"""
_ENDS = "</osmChange>\n"
_ACCESS = {EntryMode.FREE: "yes", EntryMode.ASSISTED: "private", EntryMode.UNKNOWN: "unknown"}
_CABINETS = {
    Cabinet.NONE: "no",
    Cabinet.UNLOCKED: "unlocked",
    Cabinet.ALARMED: "alarmed",
    Cabinet.LOCKED: "locked",
}


def osm_change(pages: Pages) -> Iterator[bytes]:
    """Yield an osmChange file: modify devices whose source is OSM, and create all others."""
    yield _BEGINS.encode()
    for page in pages:
        yield "".join(
            _device(device)
            for device in page
            if device.row.audience is Audience.PUBLIC and device.row.state is not DeviceState.WITHDRAWN
        ).encode()
    yield _ENDS.encode()


def _device(device: PublishedDevice) -> str:
    row = device.row
    known = re.fullmatch("(node|way|relation)/([0-9]{1,19})", row.source_id) if row.source == OSM else None
    if known is not None and known[1] != "node":
        return f"<!-- {known[0]} is omitted: its members are unknown. -->\n"
    what, number = ("modify", known[2]) if known is not None else ("create", str(-row.id))
    tags = "".join(
        f'<tag k="{xml_attribute(key)}" v="{xml_attribute(value)}"/>'
        for key, value in osm_tags(device).items()
    )
    return f'<{what}><node id="{number}" lat="{row.lat:.7f}" lon="{row.lon:.7f}">{tags}</node></{what}>\n'


def osm_tags(device: PublishedDevice) -> dict[str, str]:
    """Return the OSM tags of a device."""
    row = device.row
    tags = {
        "emergency": "defibrillator",
        "access": _ACCESS[row.entry],
        "opening_hours": row.opening_hours,
        "level": str(row.floor) if row.floor != 0 else None,
        "defibrillator:location": row.place_zh or row.place_en,
        "defibrillator:location:en": row.place_en,
        "defibrillator:location:zh": row.place_zh,
        "description": row.access_instructions_zh or row.access_instructions_en,
        "description:en": row.access_instructions_en,
        "description:zh": row.access_instructions_zh,
        "defibrillator:cabinet": _CABINETS.get(row.cabinet),
        "manufacturer": row.maker,
        "model": row.model,
        "check_date": row.last_checked_on.isoformat() if row.last_checked_on is not None else None,
        "operational_status": "out_of_order" if row.state is DeviceState.OUT_OF_SERVICE else None,
    }
    return {key: value[:MAX_VALUE_LENGTH] for key, value in tags.items() if value}
