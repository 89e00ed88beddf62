"""Parameters and headers that routes of every package share: If-Match, pages, boxes, settings."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Protocol

from fastapi import Depends, Header, Path, Query, Request, Response

from aed.errors import InvalidInput, TooBusy, VersionNeeded
from aed.settings import Settings

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description='ETag of the version that you read, such as "3"', examples=['"3"']),
]
Limit = Annotated[int, Query(ge=1, le=1000, description="Maximum number of results")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=20,
        pattern="^[0-9]+$",
        description="Cursor of the next page, from the previous page's `next` or its link rel=next",
    ),
]
Bbox = Annotated[str | None, Query(examples=["120.08,30.28,120.11,30.30"], max_length=200)]
OfEstate = Annotated[int | None, Query(ge=1, le=2**63 - 1)]
OfRegion = Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9._:-]+$")]
RowId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


SettingsDep = Annotated[Settings, Depends(_settings)]


async def _public_address(request: Request, settings: SettingsDep) -> str:
    return settings.public_url or str(request.base_url).rstrip("/")


PublicAddress = Annotated[str, Depends(_public_address)]
"""The address of this service as clients see it, without a trailing slash: AED_PUBLIC_URL if it is set."""


class HasId(Protocol):
    @property
    def id(self) -> Any: ...


def version_from_if_match(if_match: str | None) -> int:
    """Return the version that the If-Match header names. Raises VersionNeeded if there is none."""
    if if_match is None:
        raise VersionNeeded(
            "Send the ETag that you read in If-Match, so that no other change is overwritten."
        )
    bare = if_match.strip().removeprefix("W/").strip('"')
    if not bare.isascii() or not bare.isdigit() or len(bare) > 15:
        raise InvalidInput('If-Match must be the ETag that you read, such as "3".', field="If-Match")
    return int(bare)


def set_etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


def set_created(response: Response, path: str, *, version: int) -> None:
    """Set Location and ETag of a resource that was created."""
    response.headers["Location"] = path
    set_etag(response, version)


def cursor_id(cursor: str | None) -> int:
    """Return the id after which a page begins; 0 for the first page."""
    return min(int(cursor), 2**63 - 1) if cursor else 0


def next_cursor(found: Sequence[HasId], limit: int) -> str | None:
    """Return the cursor of the following page: `found` holds one row more than `limit` if there is one."""
    return str(found[limit - 1].id) if len(found) > limit else None


def parse_bbox(bbox: str) -> tuple[float, float, float, float]:
    """Return west, south, east and north in degrees. Raises InvalidInput."""
    parts = bbox.split(",")
    try:
        west, south, east, north = (float(part) for part in parts)
    except ValueError:
        raise InvalidInput("bbox must be four numbers: west,south,east,north.", field="bbox") from None
    return west, south, east, north


@contextmanager
def one_at_a_time(semaphore: threading.BoundedSemaphore, otherwise: str) -> Iterator[None]:
    """Hold a place of the semaphore. Raises TooBusy with the sentence `otherwise` if none is free."""
    if not semaphore.acquire(blocking=False):
        raise TooBusy(otherwise)
    try:
        yield
    finally:
        semaphore.release()
