"""An export from its first byte to its last: what `aed export` and HTTP have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from aed.accounts import queries as accounts
from aed.accounts.rules import Viewer
from aed.database.session import Database, read_session
from aed.errors import NotSignedIn
from aed.exports.formats.forms import STREAMED, write_whole
from aed.exports.formats.geojson import collection_of, estate_feature, gate_feature, region_feature
from aed.exports.queries import estates as estate_queries
from aed.exports.queries.devices import Choice, PublishedDevice, every_device
from aed.exports.queries.estates import Around
from aed.exports.rules.asked import parse_bounds
from aed.exports.rules.export import ExportFormat

CHUNK_BYTES = 256 * 1024
ESTATES_AT_ONCE = 500

type Progress = Callable[[int], None]


def chosen(database: Database, *, bbox: str | None, region: str | None) -> Choice:
    """The devices in a box, in a region and all below it, or in both.

    Raises InvalidInput for a box that is none, NotFound for a region that is not there.
    """
    bounds = parse_bounds(bbox) if bbox is not None else None
    if region is None:
        return Choice(bounds)
    with read_session(database) as session:
        return Choice(bounds, accounts.regions_below(session, accounts.region_by_code(session, region).id))


def exported(
    database: Database,
    viewer: Viewer,
    form: ExportFormat,
    choice: Choice,
    *,
    at: datetime,
    progress: Progress | None = None,
) -> Iterator[bytes]:
    """The file in pieces, of what the viewer may know. Memory does not grow with the register.

    Raises NotSignedIn for a stranger's question for estates. XLSX and GeoPackage are made on the disk first.
    """
    if form is ExportFormat.ESTATES:
        if not viewer.is_signed_in:
            raise NotSignedIn("Estates and gates are for those who know them: send a token.")
        around = Around(choice.bounds, choice.region_ids)
        return collection_of(_counted(_estates_and_gates(database, viewer, around), progress))
    pages = _counted(every_device(database, viewer, choice), progress)
    if form in STREAMED:
        return STREAMED[form](pages)
    return _from_disk(form, pages, at)


def _counted[RowT](pages: Iterator[Sequence[RowT]], progress: Progress | None) -> Iterator[Sequence[RowT]]:
    done = 0
    for page in pages:
        yield page
        done += len(page)
        if progress is not None:
            progress(done)


def _from_disk(
    form: ExportFormat, pages: Iterator[Sequence[PublishedDevice]], at: datetime
) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(prefix="aed-export-") as folder:
        made = Path(folder) / "export"
        write_whole(form, pages, made, at=at)
        with made.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _estates_and_gates(
    database: Database, viewer: Viewer, around: Around
) -> Iterator[Sequence[dict[str, Any]]]:
    """Regions first, then estates, then gates: each after what it belongs to."""
    with read_session(database) as session:
        yield [region_feature(region, parent) for region, parent in estate_queries.regions(session)]

    def pages[Row](
        read: Callable[[Session, int], Sequence[Row]], feature: Callable[[Row], dict[str, Any]]
    ) -> Iterator[Sequence[dict[str, Any]]]:
        after_id = 0
        while True:
            with read_session(database) as session:
                found = [feature(row) for row in read(session, after_id)]
            if found:
                yield found
                after_id = found[-1]["id"]
            if len(found) < ESTATES_AT_ONCE:
                return

    yield from pages(
        lambda session, after_id: estate_queries.estates(
            session, viewer, around, after_id=after_id, limit=ESTATES_AT_ONCE
        ),
        estate_feature,
    )
    yield from pages(
        lambda session, after_id: estate_queries.gates(
            session, viewer, around, after_id=after_id, limit=ESTATES_AT_ONCE
        ),
        gate_feature,
    )
