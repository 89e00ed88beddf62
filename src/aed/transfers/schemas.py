"""The files that cells give each other about an estate: the export, and the receipt for it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from aed.cells.rules import Cell
from aed.cells.table import CellTable
from aed.errors import InvalidInput
from aed.signatures import TokenPurpose, decrypt, encrypt, opened, signed
from aed.transfers.rules import EstateRows, sha256_of

MAX_FILE_BYTES: Final = 300_000_000
_MAX_ID: Final = 2**63 - 1


class _SignedFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    from_cell: str = Field(max_length=20)
    to_cell: str = Field(max_length=20)
    estate: int = Field(ge=1, le=_MAX_ID)
    """Its number in the cell that exported it."""
    signature: str = ""

    def digest(self) -> str:
        """Return the hash of all fields but the signature."""
        content = self.model_dump(mode="json", exclude={"signature"})
        return sha256_of(orjson.dumps(content, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS))


class EstateFile(_SignedFile):
    """An estate for another cell. `content` is encrypted for it."""

    type: Literal["aed-estate"] = "aed-estate"
    region: str = Field(max_length=50)
    """The code of its region there."""
    exported_at: AwareDatetime
    with_keepers: bool
    content: str


class ReceiptFile(_SignedFile):
    """The answer of the cell that has imported an estate."""

    type: Literal["aed-estate-receipt"] = "aed-estate-receipt"
    estate_here: int = Field(ge=1, le=_MAX_ID)
    with_keepers: bool
    rows_digest: str
    """Of the rows that were imported."""
    devices: dict[int, int]
    """The number of each device, there and here."""


def estate_file(
    table: CellTable,
    to: Cell,
    rows: EstateRows,
    *,
    estate: int,
    region: str,
    with_keepers: bool,
    at: datetime,
) -> bytes:
    """Return the file for another cell. Raises InvalidInput if the table has no encryption key of it."""
    if to.encryption_key is None:
        raise InvalidInput(
            "Cell {cell} has no encryption_key in the table of cells: `aed cells key --encryption` prints it "
            "there. Add it, and have the table signed again.",
            field="to",
            cell=to.code,
        )
    made = EstateFile(
        from_cell=table.own.code,
        to_cell=to.code,
        estate=estate,
        region=region,
        exported_at=at,
        with_keepers=with_keepers,
        content=encrypt(to.encryption_key, rows.content()),
    )
    made.signature = signed(table.keys, TokenPurpose.CELL_ESTATE, made.digest())
    return _written(made)


def receipt_file(
    table: CellTable,
    received: EstateFile,
    *,
    estate_here: int,
    rows_digest: str,
    devices: dict[int, int],
) -> bytes:
    """Return the receipt for the cell that exported an estate."""
    made = ReceiptFile(
        from_cell=table.own.code,
        to_cell=received.from_cell,
        estate=received.estate,
        estate_here=estate_here,
        with_keepers=received.with_keepers,
        rows_digest=rows_digest,
        devices=devices,
    )
    made.signature = signed(table.keys, TokenPurpose.CELL_RECEIPT, made.digest())
    return _written(made)


def read_estate_file(table: CellTable, content: bytes) -> tuple[EstateFile, EstateRows]:
    """Return what another cell has exported for this one. Raises InvalidInput."""
    found = _read(table, content, EstateFile, TokenPurpose.CELL_ESTATE)
    plain = decrypt(table.keys, found.content)
    if plain is None:
        raise InvalidInput(
            "The file is encrypted with a key that this cell does not have: compare `aed cells key "
            "--encryption` with the table of cells, and have the estate exported again.",
            field="file",
        )
    if b"\\u0000" in plain:
        raise InvalidInput(
            "A text of the file has a control character that no database stores.", field="file"
        )
    try:
        return found, EstateRows.model_validate_json(plain)
    except ValidationError:
        raise _from_another_release("content") from None


def read_receipt_file(table: CellTable, content: bytes) -> ReceiptFile:
    """Return the receipt of another cell for this one. Raises InvalidInput."""
    return _read(table, content, ReceiptFile, TokenPurpose.CELL_RECEIPT)


def _read[File: _SignedFile](
    table: CellTable, content: bytes, kind: type[File], purpose: TokenPurpose
) -> File:
    wanted = kind.model_fields["type"].default
    try:
        given = orjson.loads(content)
    except ValueError:
        given = None
    if not isinstance(given, dict) or given.get("type") != wanted:
        raise InvalidInput("The file must be a whole {kind} file of `aed cells`.", field="file", kind=wanted)
    if given.get("version") != 1:
        raise InvalidInput(
            "The file has version {version}, and this installation reads version 1: bring both cells to the "
            "same release.",
            field="version",
            version=given.get("version"),
        )
    try:
        found = kind.model_validate(given)
    except ValidationError as error:
        raise _from_another_release(".".join(map(str, error.errors()[0]["loc"]))) from None
    if found.to_cell != table.own.code:
        raise InvalidInput(
            "The file is for cell {to}, and this is cell {own}.",
            field="to_cell",
            to=found.to_cell,
            own=table.own.code,
        )
    sender = table.other(found.from_cell)
    if sender is None:
        raise InvalidInput(
            "The file is from cell {cell}, which is no other cell of the table.",
            field="from_cell",
            cell=found.from_cell,
        )
    if opened(sender.keys, purpose, found.signature) != found.digest():
        raise InvalidInput(
            "The file is damaged, or cell {cell} has not signed it: have it made again.",
            field="signature",
            cell=sender.code,
        )
    return found


def _from_another_release(place: str) -> InvalidInput:
    return InvalidInput(
        "The file does not have the fields of this release ({place}): bring both cells to the same release, "
        "and have it made again.",
        field=place,
        place=place,
    )


def _written(file: BaseModel) -> bytes:
    return (
        orjson.dumps(file.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        + b"\n"
    )
