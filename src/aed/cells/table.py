"""Read the table of cells, verify and make its signature."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

import orjson

from aed.cells.rules import Cell, cells_in, content_to_sign, refusal, table_file
from aed.errors import InvalidInput
from aed.settings import Settings
from aed.settings.cells import Cells
from aed.signatures import (
    SigningKeys,
    TokenPurpose,
    keys_of_others,
    opened,
    public_key_texts,
    signed,
    signing_keys,
)


@dataclass(frozen=True, slots=True)
class CellTable:
    """The table as one cell uses it."""

    own: Cell
    others: tuple[Cell, ...]
    keys: SigningKeys
    """This installation's keys that the table has; the first one signs."""

    def other(self, code: str) -> Cell | None:
        """Return another cell by its code."""
        return next((each for each in self.others if each.code == code), None)


def cell_table(settings: Settings) -> CellTable | None:
    """Return the table that the settings name; None without one.

    Raises InvalidInput, with all that is wrong: a process does not start with a table that it refuses.
    """
    if settings.cells.file is None:
        return None
    cells, problems = checked(read_content(settings.cells.file), settings.cells)
    if problems:
        raise refusal(problems)
    own = next(each for each in cells if each.code == settings.cells.code)
    keys = signing_keys(settings)
    known = tuple(
        key for key, text in zip(keys.keys, public_key_texts(keys), strict=True) if text in own.public_keys
    )
    if not known:
        raise InvalidInput(
            "Cell {cell} has other public keys in the table of cells than this installation: `aed cells key` "
            "prints them. Add one to the table, and have it signed again.",
            field="public_keys",
            cell=own.code,
        )
    others = tuple(each for each in cells if each is not own)
    return CellTable(own, others, SigningKeys(known))


def read_content(path: Path) -> bytes:
    """Return the content of a file. Raises InvalidInput if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(
            "The table of cells {path} cannot be read: {reason}.",
            field="file",
            path=path,
            reason=error.strerror or error,
        ) from error


def checked(content: bytes, expected: Cells) -> tuple[list[Cell], list[InvalidInput]]:
    """Return the cells of a table and all that is wrong with it, also with its signature and the own cell.

    The signature and the own cell are checked as far as the settings name them.
    """
    file = table_file(content)
    cells, problems = cells_in(file)
    if expected.signed_by and not is_signed_by(content, file.signature, expected.signed_by):
        problems.append(
            InvalidInput(
                "The signature is missing or wrong: have the table signed again with the key of "
                "AED_CELLS__SIGNED_BY (`aed cells sign`).",
                field="signature",
            )
        )
    if expected.code and expected.code not in {each.properties.code for each in file.features}:
        problems.append(
            InvalidInput(
                "The table has no cell {cell}, which AED_CELLS__CODE names as this one.",
                field="code",
                cell=expected.code,
            )
        )
    return cells, problems


def is_signed_by(content: bytes, signature: str | None, public_key: str) -> bool:
    """Return whether a table has the signature of a public key."""
    if signature is None:
        return False
    text = opened(keys_of_others([public_key]), TokenPurpose.CELL_TABLE, signature)
    return text == _digest(content)


def with_signature(content: bytes, keys: SigningKeys) -> bytes:
    """Return a table with a signature in place of an earlier one."""
    signature = signed(keys, TokenPurpose.CELL_TABLE, _digest(content))
    made = {**orjson.loads(content), "signature": signature}
    return orjson.dumps(made, option=orjson.OPT_INDENT_2) + b"\n"


def write_content(path: Path, content: bytes) -> None:
    """Replace a file at once, so that nobody reads half of it."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content_to_sign(content)).hexdigest()
