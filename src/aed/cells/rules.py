"""The table of cells, and what is wrong with one.

The table is a GeoJSON feature collection, so that a map program shows it. Each feature is a cell: its
geometry is the outline, its properties are those of `CellProperties`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address
from itertools import combinations
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import numpy as np
import orjson
import shapely
from joserfc.jwk import OKPKey
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from aed.errors import InvalidInput
from aed.geo import METRES_PER_DEGREE, Position
from aed.signatures import SigningKeys, encryption_key_of, keys_of_others

BORDER_METRES: Final = 200.0
"""Outlines are drawn with this accuracy: a device may stand as far outside, and two outlines overlap as
far."""
_LOWER_BOUND: Final = 0.99
"""A degree of the spheroid is up to 0.6 % shorter than one of the sphere."""

type Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}$")]
type Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class CellProperties(Strict):
    """One cell: its code, names, address, public keys, and the codes of its regions."""

    code: Code
    name_en: Name
    name_zh: Name
    address: str = Field(max_length=300)
    regions: list[Annotated[str, Field(min_length=1, max_length=50)]] = Field(min_length=1)
    public_keys: list[str] = Field(min_length=1, max_length=5)
    encryption_key: str | None = None
    """What others encrypt for it; needed to move an estate to this cell."""


class CellFeature(Strict):
    type: Literal["Feature"]
    properties: CellProperties
    geometry: dict[str, Any]


class TableFile(Strict):
    """The content of the file."""

    type: Literal["FeatureCollection"]
    version: Literal[1]
    issued_on: date
    features: list[CellFeature] = Field(min_length=1, max_length=500)
    signature: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """An installation that has some of the regions."""

    code: str
    name_en: str
    name_zh: str
    address: str
    """Scheme, host and port: the same for browsers and for other cells."""
    regions: tuple[str, ...]
    public_keys: tuple[str, ...]
    keys: SigningKeys
    """The same as objects, which verify."""
    encryption_key: OKPKey | None
    """With which others encrypt for it (X25519)."""
    outline: BaseGeometry
    """Degrees of longitude and latitude."""

    def is_within(self, metres: float, here: Position) -> bool:
        """Return whether a device of this cell may be within a distance; True in case of doubt.

        Counts the width of the border, since a device may stand outside its cell's outline by as much.
        """
        return lower_bound_metres(self.outline, here, up_to=metres + BORDER_METRES) <= metres + BORDER_METRES

    def has(self, place: Position) -> bool:
        """Return whether a device of this cell may stand at a place."""
        return self.is_within(0.0, place)


def lower_bound_metres(outline: BaseGeometry, here: Position, *, up_to: float) -> float:
    """Return a lower bound of the distance to an outline, in metres; infinity if it exceeds `up_to`."""
    up = up_to / (METRES_PER_DEGREE * _LOWER_BOUND)
    poleward = min(abs(here.lat) + up, 89.0)
    across = up / math.cos(math.radians(poleward))
    part = shapely.clip_by_rect(outline, here.lon - across, here.lat - up, here.lon + across, here.lat + up)
    if part.is_empty:
        return math.inf
    plane = _on_plane(part, here, scaled_at=poleward)
    metres = float(shapely.distance(shapely.Point(0.0, 0.0), plane)) * _LOWER_BOUND
    return metres if metres <= up_to else math.inf


def _on_plane(geometry: BaseGeometry, origin: Position, *, scaled_at: float) -> BaseGeometry:
    """Return a geometry in metres east and north of a place; `scaled_at` is the latitude of its scale."""
    scale = np.array([math.cos(math.radians(scaled_at)), 1.0]) * METRES_PER_DEGREE

    def moved(coordinates: NDArray[np.float64]) -> NDArray[np.float64]:
        metres: NDArray[np.float64] = (coordinates - (origin.lon, origin.lat)) * scale
        return metres

    plane: BaseGeometry = shapely.transform(geometry, moved)
    return plane


# --- reading and checking -------------------------------------------------------------------------------


def table_file(content: bytes) -> TableFile:
    """Parse the file of a table. Raises InvalidInput, with `errors` for each thing that is wrong."""
    try:
        given = orjson.loads(content)
    except ValueError:
        raise InvalidInput(
            "The table of cells must be a GeoJSON file: this is not JSON.", field="file"
        ) from None
    try:
        return TableFile.model_validate(given)
    except ValidationError as error:
        raise refusal(
            [
                InvalidInput(
                    "{place}: {problem}.",
                    field=place,
                    place=place,
                    problem=each["msg"],
                )
                for each in error.errors()
                for place in [".".join(map(str, each["loc"])) or "file"]
            ]
        ) from None


def refusal(problems: Sequence[InvalidInput]) -> InvalidInput:
    """Return one error that says all of these."""
    if len(problems) == 1:
        return problems[0]
    refused = InvalidInput(
        "The table of cells is refused: {problems}",
        field=problems[0].field,
        problems=" ".join(each.detail for each in problems),
    )
    refused.errors = [{"field": each.field or "file", "detail": each.detail} for each in problems]
    return refused


def content_to_sign(content: bytes) -> bytes:
    """Return what the signature covers: everything else in the file, whatever its spacing and order."""
    given = {name: value for name, value in orjson.loads(content).items() if name != "signature"}
    return orjson.dumps(given, option=orjson.OPT_SORT_KEYS)


def cells_in(file: TableFile) -> tuple[list[Cell], list[InvalidInput]]:
    """Return the cells of a table, and a sentence for each thing that is wrong with it.

    1. Each cell has an address, public keys and an outline that can be used.
    2. No code, and no region, stands in the table twice.
    3. No two outlines overlap by more than the width of a border.
    """
    cells: list[Cell] = []
    problems: list[InvalidInput] = []
    for feature in file.features:
        made = _cell(feature)
        if isinstance(made, Cell):
            cells.append(made)
        else:
            problems += made
    problems += _twice(cells)
    problems += _overlaps(cells)
    return cells, problems


def _cell(feature: CellFeature) -> Cell | list[InvalidInput]:
    given, problems = feature.properties, list[InvalidInput]()
    if not _is_address(given.address):
        problems.append(
            InvalidInput(
                "Cell {cell}: the address must be https:// and a host, such as https://aed.example.org; "
                "http:// is allowed for the IP address of a private network.",
                field="address",
                cell=given.code,
            )
        )
    keys = SigningKeys(())
    try:
        keys = keys_of_others(given.public_keys)
    except ValueError:
        problems.append(
            InvalidInput(
                "Cell {cell}: each public key must have 43 characters, as `aed cells key` prints it there.",
                field="public_keys",
                cell=given.code,
            )
        )
    encryption_key = None
    try:
        encryption_key = encryption_key_of(given.encryption_key) if given.encryption_key is not None else None
    except ValueError:
        problems.append(
            InvalidInput(
                "Cell {cell}: the encryption key must have 43 characters, as `aed cells key --encryption` "
                "prints it there.",
                field="encryption_key",
                cell=given.code,
            )
        )
    outline = _outline(feature.geometry)
    if outline is None:
        problems.append(
            InvalidInput(
                "Cell {cell}: the outline must be a valid Polygon or MultiPolygon in degrees, longitude "
                "first, without lines that cross.",
                field="geometry",
                cell=given.code,
            )
        )
    if problems or outline is None:
        return problems
    return Cell(
        code=given.code,
        name_en=given.name_en,
        name_zh=given.name_zh,
        address=given.address.rstrip("/"),
        regions=tuple(given.regions),
        public_keys=tuple(given.public_keys),
        keys=keys,
        encryption_key=encryption_key,
        outline=outline,
    )


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_bare = not (parts.query or parts.fragment or "@" in parts.netloc) and parts.path in ("", "/")
    if not (is_complete and is_bare and address.isascii() and address.isprintable()):
        return False
    if parts.scheme == "https":
        return True
    try:
        return parts.scheme == "http" and ip_address(parts.hostname or "").is_private
    except ValueError:
        return False


def _outline(geometry: dict[str, Any]) -> BaseGeometry | None:
    if geometry.get("type") not in ("Polygon", "MultiPolygon"):
        return None
    try:
        outline = shape(geometry)
        coordinates = shapely.get_coordinates(outline)
        is_in_degrees = bool(np.all(np.abs(coordinates) <= (180.0, 90.0)))  # False for NaN
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError, AttributeError):
        return None
    return outline if is_in_degrees and not outline.is_empty and outline.is_valid else None


def _twice(cells: Sequence[Cell]) -> Iterator[InvalidInput]:
    codes, regions = set[str](), dict[str, str]()
    for cell in cells:
        if cell.code in codes:
            yield InvalidInput("The code {cell} stands in the table twice.", field="code", cell=cell.code)
        codes.add(cell.code)
        for region in cell.regions:
            other = regions.setdefault(region, cell.code)
            if other != cell.code:
                yield InvalidInput(
                    "Region {region} stands in two cells: {one} and {other}. Remove it from one of them.",
                    field="regions",
                    region=region,
                    one=other,
                    other=cell.code,
                )


def _overlaps(cells: Sequence[Cell]) -> Iterator[InvalidInput]:
    for one, other in combinations(cells, 2):
        if not shapely.intersects(one.outline, other.outline):
            continue
        common = shapely.intersection(one.outline, other.outline)
        middle = common.centroid
        plane = _on_plane(common, Position(middle.y, middle.x), scaled_at=middle.y)
        if not plane.buffer(-BORDER_METRES / 2).is_empty:
            yield InvalidInput(
                "The outlines of cells {one} and {other} overlap near {lat:.4f}, {lon:.4f} by more than "
                "{metres:.0f} m. Draw the border once, and use it for both.",
                field="geometry",
                one=one.code,
                other=other.code,
                lat=middle.y,
                lon=middle.x,
                metres=BORDER_METRES,
            )
