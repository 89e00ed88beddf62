"""What the routes of every context have in common: versions, pages, boxes of degrees, taking turns."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Header, Path, Query, Response

from aed.errors import InvalidInput, TooBusy, VersionNeeded

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description='The ETag that was read, such as "3"', examples=['"3"'])
]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=20,
        pattern="^[0-9]+$",
        description="From the link rel=next of the page before, or its `next`",
    ),
]
Bbox = Annotated[str | None, Query(examples=["120.08,30.28,120.11,30.30"], max_length=200)]
OfEstate = Annotated[int | None, Query(ge=1, le=2**63 - 1)]
OfRegion = Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9._:-]+$")]
RowId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


def version_from_if_match(if_match: str | None) -> int:
    """The version that If-Match names. Raises VersionNeeded without one."""
    if if_match is None:
        raise VersionNeeded("Send the ETag that you read in If-Match, so that nobody's change is lost.")
    bare = if_match.strip().removeprefix("W/").strip('"')
    if not bare.isascii() or not bare.isdigit() or len(bare) > 15:
        raise InvalidInput('If-Match must be an ETag as it was read, such as "3".', field="If-Match")
    return int(bare)


def set_etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


def cursor_id(cursor: str | None) -> int:
    """The id after which a page begins."""
    return min(int(cursor), 2**63 - 1) if cursor else 0


def parse_bbox(bbox: str) -> tuple[float, float, float, float]:
    """west,south,east,north."""
    parts = bbox.split(",")
    try:
        west, south, east, north = (float(part) for part in parts)
    except ValueError:
        raise InvalidInput("bbox must be four numbers: west,south,east,north.", field="bbox") from None
    return west, south, east, north


@contextmanager
def one_at_a_time(place: threading.BoundedSemaphore, otherwise: str) -> Iterator[None]:
    """There is a place for this. Raises TooBusy with the sentence `otherwise`."""
    if not place.acquire(blocking=False):
        raise TooBusy(otherwise)
    try:
        yield
    finally:
        place.release()
