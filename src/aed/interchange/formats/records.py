"""What every format reads a file into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aed.errors import InvalidInput

MOST_BYTES = 200_000_000


@dataclass(frozen=True, slots=True)
class Record:
    """One row: where it stands in the file, and its fields by name."""

    where: str
    """"line 12" or "feature 3"."""
    fields: Mapping[str, Any]


def file_bytes(path: Path) -> bytes:
    """The whole file. Raises InvalidInput for one that is missing, a folder, empty or over the limit."""
    if not path.is_file():
        raise InvalidInput(f"There is no file {path}.", field="file")
    size = path.stat().st_size
    if size == 0:
        raise InvalidInput(f"{path.name} is empty.", field="file")
    if size > MOST_BYTES:
        raise InvalidInput(f"{path.name} is larger than {MOST_BYTES // 1_000_000} MB.", field="file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path.name} cannot be read: {error.strerror}.", field="file") from None


def file_text(path: Path) -> str:
    """The whole file as text: UTF-8, with or without a byte order mark."""
    try:
        text = file_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path.name} is not UTF-8 (byte {error.start}): save it as 'CSV UTF-8'.", field="file"
        ) from None
    if "\x00" in text:
        raise InvalidInput(f"{path.name} holds NUL bytes: it is not a text file.", field="file")
    return text
