"""What two cells send each other about a link, and the invitation that the person carries across."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from aed.cells.rules import Cell
from aed.cells.table import CellTable
from aed.errors import InvalidInput
from aed.signatures import TokenPurpose, opened, signed

LINKS_PATH: Final = "/v1/cells/links"
ERASURES_PATH: Final = "/v1/cells/erasures"

_INVITATION: Final = re.compile(r"(?P<to>[^ ]+) (?P<key>[0-9a-f]{24}) (?P<until>[0-9]{1,11})", re.ASCII)

_EXAMPLE_KEY: Final = "0123456789abcdef01234567"

type Key = Annotated[str, Field(pattern=r"^[0-9a-f]{24}$", examples=[_EXAMPLE_KEY])]


class LinkMessage(StrEnum):
    """What a cell says to the other one about a link."""

    CONFIRMED = "confirmed"
    ENDED = "ended"


class LinkState(StrEnum):
    """The state of a link in the cell that answers."""

    LINKED = "linked"
    ENDED = "ended"
    ERASED = "erased"


class LinkMessageIn(BaseModel):
    """A message of another cell about a link."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": _EXAMPLE_KEY, "message": "confirmed"}]})

    key: Key
    message: LinkMessage


class ErasureIn(BaseModel):
    """The key of a person who had their data erased in their home cell."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": _EXAMPLE_KEY}]})

    key: Key


class LinkStateOut(BaseModel):
    """The state of the link here, after the message."""

    state: LinkState


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation to link an account, signed by the home cell."""

    to: str
    """The code of the cell in which the person may confirm it."""
    key: str
    until: datetime


def sign_invitation(table: CellTable, invitation: Invitation) -> str:
    """Return the token of an invitation: short, since the sign-in takes addresses of 300 characters."""
    text = f"{invitation.to} {invitation.key} {int(invitation.until.timestamp())}"
    return signed(table.keys, TokenPurpose.ACCOUNT_LINK, text)


def read_invitation(table: CellTable, token: str, *, at: datetime) -> tuple[Cell, Invitation]:
    """Return the home cell and the invitation that it signed.

    Raises InvalidInput if no cell signed it, if it is for another cell, or if it has expired.
    """
    for cell in table.others:
        text = opened(cell.keys, TokenPurpose.ACCOUNT_LINK, token)
        if text is None:
            continue
        said = _INVITATION.fullmatch(text)
        if said is None:
            break
        found = Invitation(said["to"], said["key"], datetime.fromtimestamp(int(said["until"]), UTC))
        if found.to != table.own.code:
            raise InvalidInput("This link is for another province. Open it there.", field="invitation")
        if found.until <= at:
            raise InvalidInput(
                "This link has expired. Make a new one on your page in your home province.",
                field="invitation",
            )
        return cell, found
    raise InvalidInput(
        "No province that we know made this link. Make a new one on your page in your home province.",
        field="invitation",
    )
