"""Tables of cells for tests: rectangles beside each other, with keys that sign."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aed.cells.table import with_signature
from aed.settings import Settings
from aed.signatures import SigningKeys, public_key_texts, signing_keys

type Box = tuple[float, float, float, float]
"""West, south, east and north, in degrees."""


def keys_in(folder: Path, name: str) -> SigningKeys:
    """Return the signing keys of an installation, made when first asked for."""
    return signing_keys(Settings(signing_keys=folder / f"{name}-keys.json"))


def cell(code: str, box: Box, *, address: str = "", keys: Iterable[str] = (), **more: Any) -> dict[str, Any]:
    """Return a cell as a feature of the table."""
    west, south, east, north = box
    properties = {
        "code": code,
        "name_en": f"Province {code}",
        "name_zh": f"{code} 省",
        "address": address or f"https://aed{code}.example.org",
        "regions": [f"{code}01"],
        "public_keys": list(keys),
    }
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": properties | more, "geometry": geometry}


def table(*cells: dict[str, Any]) -> bytes:
    """Return a table without a signature."""
    content = {"type": "FeatureCollection", "version": 1, "issued_on": "2026-12-01", "features": list(cells)}
    return json.dumps(content).encode()


def write_table(path: Path, signer: SigningKeys, *cells: dict[str, Any]) -> str:
    """Write a signed table; return the public key that AED_CELLS__SIGNED_BY needs."""
    path.write_bytes(with_signature(table(*cells), signer))
    return public_key_texts(signer)[0]
