"""The backup file: a ZIP archive of the output of the database's own tool, and a manifest.

The format needs no tool of this project: `unzip` extracts it, and SQLite or pg_restore read the content.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from aed import __version__
from aed.errors import BackupUnusable

FORMAT = 1
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 1_000_000
CHUNK_BYTES = 1 << 20

type Write = Callable[[bytes], object]
type Progress = Callable[[int], None]
"""Called with the number of megabytes processed so far."""


class BackupKind(StrEnum):
    SPATIALITE = "spatialite"
    POSTGIS = "postgis"


PAYLOADS: Mapping[BackupKind, str] = {
    BackupKind.SPATIALITE: "database.sqlite",
    BackupKind.POSTGIS: "database.dump",
}


@dataclass(frozen=True, slots=True)
class BackupContents:
    """The contents of the database at the moment of the backup."""

    server: str
    """The engine and its version, for display."""
    server_major: int
    schema_revision: str
    rows: Mapping[str, int]
    """Row counts of the program's own tables."""


class Manifest(BaseModel):
    """The manifest of a backup."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal[1]
    program: str = Field(description="Version of the program")
    kind: BackupKind
    server: str
    server_major: int
    schema_revision: str
    taken_at: AwareDatetime
    payload_bytes: int = Field(ge=0)
    payload_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    rows: dict[str, int]
    audit: dict[str, Any] | None = Field(
        None, description="Head of the audit records, for `aed audit verify --against`"
    )


def write_archive(
    file: BinaryIO,
    *,
    kind: BackupKind,
    at: datetime,
    progress: Progress,
    pour: Callable[[Write], BackupContents],
    audit: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write a backup of what `pour` writes to `file`, and return its manifest.

    Dumps of PostgreSQL are stored without further compression, because they are compressed already.
    """
    digest = hashlib.sha256()
    size = 0
    method = zipfile.ZIP_DEFLATED if kind is BackupKind.SPATIALITE else zipfile.ZIP_STORED
    # Level 1 is the fastest. Its output is only a little larger than that of the slowest level.
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        with archive.open(PAYLOADS[kind], "w", force_zip64=True) as payload:

            def write(chunk: bytes) -> None:
                nonlocal size
                payload.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                progress(size // 1_000_000)

            contents = pour(write)
        manifest = Manifest(
            format=FORMAT,
            program=__version__,
            kind=kind,
            server=contents.server,
            server_major=contents.server_major,
            schema_revision=contents.schema_revision,
            taken_at=at,
            payload_bytes=size,
            payload_sha256=digest.hexdigest(),
            rows=dict(contents.rows),
            audit=dict(audit) if audit is not None else None,
        )
        with archive.open(MANIFEST, "w") as text:
            text.write(manifest.model_dump_json(indent=2).encode() + b"\n")
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of the backup at `path`. Raises BackupUnusable if it is not a complete backup."""
    with _opened(path) as archive:
        names = archive.namelist()
        if MANIFEST not in names:
            raise BackupUnusable("{path} is not a backup of this program.", path=path)
        if archive.getinfo(MANIFEST).file_size > MAX_MANIFEST_BYTES:
            raise BackupUnusable(
                "{path} is not a backup of this program: its manifest is too large.", path=path
            )
        manifest = _manifest(path, archive.read(MANIFEST))
        payload = PAYLOADS[manifest.kind]
        if sorted(names) != sorted((MANIFEST, payload)):
            raise BackupUnusable(
                "{path} is incomplete: a backup contains {manifest} and {payload}.",
                path=path,
                manifest=MANIFEST,
                payload=payload,
            )
        if archive.getinfo(payload).file_size != manifest.payload_bytes:
            raise _damaged(path)
        return manifest


def _manifest(path: Path, text: bytes) -> Manifest:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path) from error
    stated = given.get("format") if isinstance(given, dict) else None
    if isinstance(stated, int) and stated > FORMAT:
        raise BackupUnusable("{path} was made by a newer version of this program. Upgrade first.", path=path)
    try:
        return Manifest.model_validate(given)
    except ValidationError as error:
        wrong = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise BackupUnusable(
            "{path} is damaged: '{wrong}' in its manifest is invalid.", path=path, wrong=wrong
        ) from error


def read_payload(path: Path, manifest: Manifest, progress: Progress) -> Iterator[bytes]:
    """Yield the output of the database's tool in chunks. Raises BackupUnusable, at the latest at its end."""
    digest = hashlib.sha256()
    size = 0
    with _opened(path) as archive, archive.open(PAYLOADS[manifest.kind]) as payload:
        while chunk := payload.read(CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            progress(size // 1_000_000)
            yield chunk
    if (size, digest.hexdigest()) != (manifest.payload_bytes, manifest.payload_sha256):
        raise _damaged(path)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open the archive, and turn every error in reading it into BackupUnusable."""
    if not path.is_file():
        raise BackupUnusable("There is no file {path}.", path=path)
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        KeyError,
        NotImplementedError,
        RuntimeError,  # encrypted
        ValueError,
    ) as error:
        raise _damaged(path) from error
    except OSError as error:
        raise BackupUnusable(
            "{path} cannot be read: {value}.", path=path, value=error.strerror or error
        ) from error


def _damaged(path: Path) -> BackupUnusable:
    return BackupUnusable(
        "{path} is damaged, truncated or not a backup of this program. Use an older one.", path=path
    )
