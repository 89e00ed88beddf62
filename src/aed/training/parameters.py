"""What the routes of papers, codes and calendars have in common: who wants a page, where we are reached."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Depends, Path, Request, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from aed.accounts.fields import FreeText
from aed.http.parameters import SettingsDep


async def _public_address(request: Request, settings: SettingsDep) -> str:
    return settings.public_url or str(request.base_url).rstrip("/")


PublicAddress = Annotated[str, Depends(_public_address)]
"""Of this network, as people reach it, without a slash at its end."""


PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The PDF",
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
    }
}


SessionId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


def pdf_response(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, media_type="application/pdf", headers=headers)


def _in_utc(given: datetime) -> datetime:
    return given.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1990, 1, 1, tzinfo=UTC), le=datetime(2100, 12, 31, tzinfo=UTC)),
    AfterValidator(_in_utc),
]
"""With an offset, such as 2030-05-04T09:00:00+08:00; in UTC from here on."""
Language = Literal["zh", "en"]
Why = Annotated[FreeText, Field(min_length=1, max_length=500)]


class Link(BaseModel):
    rel: str
    href: str
