"""Taking a list of devices into the register."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from aed import clock
from aed.accounts.access import ViewerDep
from aed.accounts.rules import Viewer, may_administer
from aed.accounts.schemas import Id
from aed.database.session import dry_run, open_database, transaction
from aed.http.parameters import in_turn
from aed.imports.actions import DeviceReport, import_devices, refuse_bad_rows
from aed.imports.actions.leaving import Gone
from aed.imports.actions.merging import Taken
from aed.imports.actions.thresholds import thresholds_in
from aed.imports.api.sent_file import FILE_BODY, SentFile, sent_file
from aed.imports.formats.recognise import DeviceFormat
from aed.registry.actions.record import Outcome
from aed.settings import Settings

router = APIRouter()

MOST_SHOWN: Final = 1_000
"""So many rows of each kind are answered at most; the counts are of all."""
PATIENT_MS: Final = 600_000
"""A statement of an import may take longer than one that somebody waits for."""
_place = threading.BoundedSemaphore(1)
"""One at a time: the register takes no more, and another would wait with its file on the disk."""


# --- What is answered -----------------------------------------------------------------------------------


class SetAsideOut(BaseModel):
    """A row that was set aside."""

    where: str = Field(description="line 12, row 12, feature 3, element 3", examples=["line 12"])
    reason: str


class AttributeChangeOut(BaseModel):
    """An attribute of a device."""

    attribute: str
    before: Any  # whatever kind of value the attribute has
    now: Any


class MatchOut(BaseModel):
    """A device that another list has registered, which a row tells of or may tell of."""

    device_id: Id
    score: float
    is_sure: bool = Field(description="Joined; else it waits for a person")
    because: list[str]


class TakenOut(BaseModel):
    """A row that was taken."""

    where: str = Field(examples=["line 12"])
    source: str
    source_id: str
    device_id: Id | None = Field(description="null: it waits for a person; or it is new in a dry run")
    changes: list[AttributeChangeOut]
    conflicts: list[str] = Field(description="The attributes about which a person is asked")
    match: MatchOut | None

    @classmethod
    def of(cls, taken: Taken, *, is_dry_run: bool) -> TakenOut:
        is_there = not (is_dry_run and taken.outcome is Outcome.NEW)
        return cls(
            where=taken.entry.where,
            source=taken.entry.source,
            source_id=taken.entry.source_id,
            device_id=taken.device_id if is_there else None,
            changes=[
                AttributeChangeOut(attribute=name, before=before, now=now)
                for name, (before, now) in sorted(taken.changes.items())
            ],
            conflicts=list(taken.conflicts),
            match=MatchOut(
                device_id=taken.match.device_id,
                score=taken.match.likeness.score,
                is_sure=taken.match.is_sure,
                because=[sign.said for sign in taken.match.likeness.signs],
            )
            if taken.match is not None
            else None,
        )


class GoneOut(BaseModel):
    """What a list no longer holds."""

    source: str
    count: int
    is_held_back: bool = Field(description="So many that a person must say first whether they are gone")
    source_ids: list[str] = Field(description=f"At most {MOST_SHOWN}")

    @classmethod
    def of(cls, gone: Gone) -> GoneOut:
        return cls(
            source=gone.source,
            count=len(gone.source_ids),
            is_held_back=gone.is_held_back,
            source_ids=list(gone.source_ids[:MOST_SHOWN]),
        )


class ImportOut(BaseModel):
    """What an import did, or would do. The counts are of all rows, the lists hold the first of each kind."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "file": "town.csv",
                    "is_dry_run": False,
                    "new": 1,
                    "changed": 0,
                    "unchanged": 41,
                    "set_aside": 1,
                    "hours_not_understood": 0,
                    "joined": 0,
                    "waiting": 0,
                    "conflicting": 0,
                    "gone": 0,
                    "held_back": 0,
                    "unnamed": 0,
                    "rows_set_aside": [{"where": "line 44", "reason": "lat: must be a number (it is 'x')"}],
                    "rows_new": [
                        {
                            "where": "line 2",
                            "source": "town",
                            "source_id": "1",
                            "device_id": 43,
                            "changes": [],
                            "conflicts": [],
                            "match": None,
                        }
                    ],
                    "rows_changed": [],
                    "rows_matched": [],
                    "rows_conflicting": [],
                    "no_longer_listed": [],
                }
            ]
        }
    )

    file: str
    is_dry_run: bool
    new: int
    changed: int
    unchanged: int
    set_aside: int
    hours_not_understood: int = Field(description="Kept as written, and unknown")
    joined: int = Field(description="Taken for a device that another list has registered")
    waiting: int = Field(description="May be such a device: a person is asked")
    conflicting: int = Field(description="Say otherwise than another list: a person is asked")
    gone: int = Field(description="No longer listed, and out of service")
    held_back: int = Field(description="No longer listed, but so many that a person is asked")
    unnamed: int = Field(description="Set aside and not saying which device they are: then nothing is gone")
    rows_set_aside: list[SetAsideOut]
    rows_new: list[TakenOut]
    rows_changed: list[TakenOut]
    rows_matched: list[TakenOut] = Field(description="Joined or waiting")
    rows_conflicting: list[TakenOut]
    no_longer_listed: list[GoneOut]

    @classmethod
    def of(cls, report: DeviceReport, *, file: str, is_dry_run: bool) -> ImportOut:
        def shown(rows: Iterable[Taken]) -> list[TakenOut]:
            return [TakenOut.of(row, is_dry_run=is_dry_run) for row in rows]

        return cls(
            file=file,
            is_dry_run=is_dry_run,
            new=report.new,
            changed=report.changed,
            unchanged=report.unchanged,
            set_aside=len(report.bad),
            hours_not_understood=report.hours_not_understood,
            joined=report.joined,
            waiting=report.waiting,
            conflicting=report.conflicting,
            gone=report.gone_count,
            held_back=sum(len(each.source_ids) for each in report.held_back),
            unnamed=report.unnamed,
            rows_set_aside=[
                SetAsideOut(where=row.where, reason=row.reason) for row in report.bad[:MOST_SHOWN]
            ],
            rows_new=shown(report.added),
            rows_changed=shown(report.amended),
            rows_matched=shown(report.matched),
            rows_conflicting=shown(report.disputed),
            no_longer_listed=[GoneOut.of(each) for each in report.gone],
        )


# --- What is asked --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """How a file is to be taken."""

    form: DeviceFormat | None
    region: str | None
    source: str | None
    is_partial: bool
    is_shrink_accepted: bool
    is_strict: bool
    is_dry_run: bool


@router.post("/imports/devices", openapi_extra=FILE_BODY)
async def import_device_list(
    request: Request,
    viewer: ViewerDep,
    form: Annotated[DeviceFormat | None, Query(alias="format", description="Recognised if left out")] = None,
    region: Annotated[
        str | None,
        Query(max_length=32, description="For new devices whose row names neither estate nor region"),
    ] = None,
    source: Annotated[
        str | None,
        Query(
            max_length=64,
            pattern="^[A-Za-z0-9._:-]+$",
            description="Who keeps this list, where its format is one that several bodies publish",
        ),
    ] = None,
    name: Annotated[str | None, Query(max_length=200, description="What the file is called")] = None,
    partial: Annotated[
        bool, Query(description="The file is a part of its list: what it lacks is not gone")
    ] = False,
    accept_shrink: Annotated[bool, Query(description="What is missing is gone, however much it is")] = False,
    strict: Annotated[bool, Query(description="Take nothing when any row is bad")] = False,
    dry_run: Annotated[bool, Query(description="Say what would be done; write nothing")] = False,
) -> ImportOut:
    """Take a list of devices into the register, as `aed import devices` does. For administrators.

    The body is the file itself, or a form with the parts `file` and (optional) `mapping`. A file is taken for
    the whole list of its source, and is taken whole or not at all; the same again changes nothing. Bad rows
    are set aside with their line and reason; where nothing is taken, the problem's `errors` tell them.
    """
    may_administer(viewer)
    asked = _Asked(
        form=form,
        region=region,
        source=source,
        is_partial=partial,
        is_shrink_accepted=accept_shrink,
        is_strict=strict,
        is_dry_run=dry_run,
    )
    async with sent_file(request, name=name) as sent:
        with in_turn(_place, "Another list is being imported now. Try again when it has ended."):
            return await run_in_threadpool(_imported, request.app.state.settings, viewer, sent, asked)


def _imported(settings: Settings, viewer: Viewer, sent: SentFile, asked: _Asked) -> ImportOut:
    """On a connection of its own, which is more patient than those that lookups wait for."""
    mapping = sent.mapping()
    patient = {"statement_timeout_ms": PATIENT_MS, "threads": 1}
    database = open_database(settings.model_copy(update=patient))
    try:
        with dry_run(database) if asked.is_dry_run else transaction(database) as session:
            report = import_devices(
                session,
                viewer,
                sent.path,
                at=clock.now(),
                form=asked.form,
                mapping=mapping,
                region=asked.region,
                source=asked.source,
                is_partial=asked.is_partial,
                is_shrink_accepted=asked.is_shrink_accepted,
                thresholds=thresholds_in(settings),
            )
            refuse_bad_rows(report, sent.path.name, is_strict=asked.is_strict)
    finally:
        database.close()
    return ImportOut.of(report, file=sent.path.name, is_dry_run=asked.is_dry_run)
