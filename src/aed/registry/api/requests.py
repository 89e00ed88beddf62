"""What the routes of the register have in common: versions, pages, and who sees a history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import Header, Path, Query, Response

from aed.accounts.rules import Scope, Viewer
from aed.errors import InvalidInput, NotSignedIn, VersionNeeded

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description='The ETag that was read, such as "3"', examples=['"3"'])
]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most")]
Cursor = Annotated[
    str | None,
    Query(max_length=20, pattern="^[0-9]+$", description="From the link rel=next of the page before"),
]
DeviceId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
RowId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
CalendarName = Annotated[str, Path(pattern="^[A-Za-z0-9._:-]{1,32}$", examples=["CN"])]
Year = Annotated[int, Path(ge=1990, le=2100, examples=[2026])]


def version_in(if_match: str | None) -> int:
    """The version that If-Match names. Raises VersionNeeded without one."""
    if if_match is None:
        raise VersionNeeded("Send the ETag that you read in If-Match, so that nobody's change is lost.")
    bare = if_match.strip().removeprefix("W/").strip('"')
    if not bare.isascii() or not bare.isdigit() or len(bare) > 15:
        raise InvalidInput('If-Match must be an ETag as it was read, such as "3".', field="If-Match")
    return int(bare)


def tag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


def after(cursor: str | None) -> int:
    """The id after which a page begins."""
    return min(int(cursor), 2**63 - 1) if cursor else 0


def may_see_history(
    may_amend: Callable[..., None], viewer: Viewer, estate_id: int | None, *, region_id: int
) -> None:
    """Passes for those whom `may_amend` lets pass, those who may only read included."""
    if not viewer.is_signed_in:
        raise NotSignedIn("The history is shown to those who may amend it: send a token.")
    may_amend(replace(viewer, scopes=frozenset(Scope)), estate_id, region_id=region_id)
