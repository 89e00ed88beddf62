"""Uploaded lists: a request body or a form with a mapping, streamed to disk."""

from __future__ import annotations

import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from aed.errors import InvalidInput, NoRoom
from aed.imports.batches import ImportReport
from aed.imports.formats.mapping import Mapping, mapping_from

MAX_MAPPING_BYTES: Final = 100_000
MAX_NAME_BYTES: Final = 200
"""Maximum length of a file name; file systems allow 255."""
BYTES_AT_ONCE: Final = 1 << 20
"""Buffer size for writing to disk."""

_EXAMPLE: Final = "source,source_id,lat,lon,region,place_en\ntown,1,30.2911,120.0998,CN-33,Library\n"
_BINARY: Final = {"schema": {"type": "string", "format": "binary"}, "example": _EXAMPLE}
FILE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "mapping": {"type": "string", "description": "The text of a mapping file (YAML)"},
                    },
                },
                "example": {"file": _EXAMPLE},
            },
        },
    }
}
"""The request body in OpenAPI."""


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """An uploaded file, complete, in a temporary folder of its own."""

    path: Path
    mapping_text: bytes | None

    def mapping(self) -> Mapping | None:
        """Return the mapping sent with the file. Raise InvalidInput for an invalid one."""
        if self.mapping_text is None or not self.mapping_text.strip():
            return None
        try:
            return mapping_from(self.mapping_text.decode("utf-8-sig"), "the mapping")
        except UnicodeDecodeError:
            raise InvalidInput("The mapping is not UTF-8.", field="mapping") from None


@asynccontextmanager
async def uploaded_file(request: Request, *, name: str | None) -> AsyncIterator[UploadedFile]:
    """Store the uploaded file in a temporary folder for the block, without holding it in memory.

    Its name is `name`, or the form's. Raise InvalidInput for a malformed or truncated form or one without
    `file`, and NoRoom if the disk is full.
    """
    with ExitStack() as kept:
        try:
            folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="aed-list-")))
            sent = await _saved(request, folder, name=name)
        except ClientDisconnect:
            raise InvalidInput("The file was not received completely.", field="file") from None
        except OSError as error:
            reason = error.strerror or str(error)
            raise NoRoom(
                "The file cannot be stored on this machine: {reason}. Inform the operator.", reason=reason
            ) from error
        yield sent


async def _saved(request: Request, folder: Path, *, name: str | None) -> UploadedFile:
    coming = folder / ".coming"
    kind, options = parse_options_header(request.headers.get("content-type"))
    given_name: str | None = None
    mapping_text: bytes | None = None
    with coming.open("wb", buffering=BYTES_AT_ONCE) as file:
        if kind == b"multipart/form-data":
            form = _Form(options.get(b"boundary", b""), file)
            async for piece in request.stream():
                form.write(piece)
            given_name, mapping_text = form.ended()
        else:
            async for piece in request.stream():
                file.write(piece)
    return UploadedFile(coming.rename(folder / _file_name(name or given_name)), mapping_text)


def _file_name(given: str | None) -> str:
    """Return a safe file name, as close to the given one as possible."""
    last = re.split(r"[/\\]", given or "")[-1]
    safe = re.sub(r"[^\w. ()-]", "_", last).strip(". ")
    return safe.encode()[:MAX_NAME_BYTES].decode(errors="ignore") or "list"


class _Form:
    """Parse a multipart form as it arrives: write the first `file` to disk, keep the first `mapping`, ignore
    other parts."""

    def __init__(self, boundary: bytes, file: BinaryIO) -> None:
        self._file = file
        self._name: str | None = None
        self._mapping: bytearray | None = None
        self._has_file = self._is_whole = False
        self._part = b""
        self._header: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": lambda data, start, end: self._add_to_header(0, data[start:end]),
                    "on_header_value": lambda data, start, end: self._add_to_header(1, data[start:end]),
                    "on_header_end": self._end_header,
                    "on_part_data": lambda data, start, end: self._add(data[start:end]),
                    "on_part_end": self._end_part,
                    "on_end": self._end,
                },
            )
        except FormParserError:
            raise self._incomplete_form() from None

    def write(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError:
            raise self._incomplete_form() from None

    def ended(self) -> tuple[str | None, bytes | None]:
        """Return the file's name in the form, and the mapping."""
        if not self._is_whole:
            raise self._incomplete_form()
        if not self._has_file:
            raise InvalidInput("The form must have a part 'file' with the list.", field="file")
        return self._name, bytes(self._mapping) if self._mapping is not None else None

    @staticmethod
    def _incomplete_form() -> InvalidInput:
        return InvalidInput("The body is not a complete form, as its Content-Type says.", field="file")

    def _begin_part(self) -> None:
        self._part = b""

    def _add_to_header(self, which: int, more: bytes) -> None:
        self._header[which].extend(more)  # the parser limits the size

    def _end_header(self) -> None:
        name, value = (bytes(each) for each in self._header)
        self._header = bytearray(), bytearray()
        if name.strip().lower() != b"content-disposition":
            return
        _, options = parse_options_header(value)
        part = options.get(b"name", b"")
        if part == b"file" and not self._has_file:
            self._part, self._has_file = part, True
            self._name = options.get(b"filename", b"").decode("utf-8", "replace") or None
        elif part == b"mapping" and self._mapping is None:
            self._part, self._mapping = part, bytearray()

    def _add(self, more: bytes) -> None:
        if self._part == b"file":
            self._file.write(more)
        elif self._part == b"mapping" and self._mapping is not None:
            self._mapping.extend(more)
            if len(self._mapping) > MAX_MAPPING_BYTES:
                raise InvalidInput(
                    "A mapping file must not be larger than {max_mapping_bytes} kB.",
                    field="mapping",
                    max_mapping_bytes=MAX_MAPPING_BYTES // 1000,
                )

    def _end_part(self) -> None:
        self._part = b""

    def _end(self) -> None:
        self._is_whole = True


MAX_SHOWN: Final = 1_000
"""Maximum number of rows of each kind in a response; counts are of all rows."""
LONG_STATEMENT_MS: Final = 600_000
"""Statement timeout of imports, longer than that of interactive requests."""


# --- Responses ------------------------------------------------------------------------------------------


class SetAsideOut(BaseModel):
    """A row that was set aside."""

    where: str = Field(description="line 12, row 12, feature 3, element 3", examples=["line 12"])
    reason: str


class RosterOut(BaseModel):
    """The result of importing a roster; counts are of all rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "file": "roster.xlsx",
                    "new": 11,
                    "changed": 0,
                    "unchanged": 2,
                    "not_taken": 1,
                    "rows_not_taken": [
                        {"where": "row 4", "reason": "attendance: must be attended or no_show"}
                    ],
                }
            ]
        }
    )

    file: str
    new: int
    changed: int
    unchanged: int
    not_taken: int
    rows_not_taken: list[SetAsideOut] = Field(description=f"At most {MAX_SHOWN}")

    @classmethod
    def of(cls, report: ImportReport, *, file: str) -> RosterOut:
        return cls(
            file=file,
            new=report.new,
            changed=report.changed,
            unchanged=report.unchanged,
            not_taken=len(report.bad),
            rows_not_taken=[
                SetAsideOut(where=row.where, reason=row.reason) for row in report.bad[:MAX_SHOWN]
            ],
        )
