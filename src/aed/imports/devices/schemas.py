"""Devices' lists in requests and responses: imported rows, previews and reviews."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.imports.devices.import_rows import ImportedRow
from aed.imports.devices.missing import MissingDevices
from aed.imports.devices.models import Review
from aed.imports.devices.questions import Alike, DuplicateQuestion, Unanswered, shown_fields
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Decision, ReviewKind
from aed.imports.findings import FindingKind
from aed.imports.uploads import MAX_SHOWN, SetAsideOut
from aed.registry.changes import PutOutcome


class ReviewOut(BaseModel):
    """An open question about imported lists, and its decision."""

    id: Id
    kind: ReviewKind
    source: str
    source_id: str = Field(description="Id of the entry that raised it; empty: it concerns the whole list")
    device_id: Id | None
    attribute: str = Field(description="The attribute on which the sources disagree; empty: the whole device")
    evidence: dict[str, Any]
    opened_at: datetime
    decision: Decision | None
    decided_at: datetime | None
    decided_by: str | None

    @classmethod
    def of(cls, review: Review) -> ReviewOut:
        return cls.model_validate(review, from_attributes=True)


class MergeIn(BaseModel):
    """The device to merge into the one in the path."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"other_id": 2}]})

    other_id: Id


class DecisionIn(BaseModel):
    """duplicate: same or different; conflict: take or keep; shrink and sighting: accept or refuse."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"decision": "different"}]})

    decision: Decision


class AttributeChangeOut(BaseModel):
    """An attribute of a device."""

    attribute: str
    before: Any  # Any: the value has the type of the attribute
    now: Any


class MatchOut(BaseModel):
    """A registered device that a row matches or may match."""

    device_id: Id
    score: float
    is_sure: bool = Field(description="Merged; otherwise waiting for a person's decision")
    reasons: list[str]


class ImportedRowOut(BaseModel):
    """An imported row."""

    where: str = Field(examples=["line 12"])
    source: str
    source_id: str
    device_id: Id | None = Field(
        description="null: it is waiting for a person's decision, or is new in a dry run"
    )
    changes: list[AttributeChangeOut]
    conflicts: list[str] = Field(description="The attributes that a person must decide")
    match: MatchOut | None

    @classmethod
    def of(cls, taken: ImportedRow, *, is_dry_run: bool) -> ImportedRowOut:
        is_there = not (is_dry_run and taken.outcome is PutOutcome.NEW)
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
                reasons=[sign.reason for sign in taken.match.likeness.signs],
            )
            if taken.match is not None
            else None,
        )


class MissingDevicesOut(BaseModel):
    """Devices that a list no longer holds."""

    source: str
    count: int
    is_held_back: bool = Field(description="Too many to mark as gone without a person's decision")
    source_ids: list[str] = Field(description=f"At most {MAX_SHOWN}")

    @classmethod
    def of(cls, gone: MissingDevices) -> MissingDevicesOut:
        return cls(
            source=gone.source,
            count=len(gone.source_ids),
            is_held_back=gone.is_held_back,
            source_ids=list(gone.source_ids[:MAX_SHOWN]),
        )


class MendedOut(BaseModel):
    """A value of the file that was mended."""

    kind: FindingKind
    where: str = Field(examples=["row 12"])
    number: int
    before: str
    after: str


class ImportOut(BaseModel):
    """The result of an import or of a dry run. Counts are of all rows; lists hold the first."""

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
                    "merged": 0,
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
                            "match": {
                                "device_id": 17,
                                "score": 0.72,
                                "is_sure": False,
                                "reasons": ["12 m apart"],
                            },
                        }
                    ],
                    "rows_changed": [],
                    "rows_matched": [],
                    "rows_conflicting": [],
                    "no_longer_listed": [],
                    "mended": 1,
                    "values_mended": [
                        {
                            "kind": "date_unreadable",
                            "where": "line 7",
                            "number": 7,
                            "before": "2027年5月",
                            "after": "2027-05-31",
                        }
                    ],
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
    hours_not_understood: int = Field(
        description="Opening hours that could not be parsed: stored as written, treated as unknown"
    )
    merged: int = Field(description="Merged with a device that another list has registered")
    waiting: int = Field(description="Possibly the same as such a device: a person must decide")
    conflicting: int = Field(description="Contradict another list: a person must decide")
    gone: int = Field(description="No longer listed: marked as gone, and out of service")
    held_back: int = Field(description="No longer listed, but so many that a person must decide")
    unnamed: int = Field(
        description="Rows set aside that do not identify a device: then no device is marked as gone"
    )
    rows_set_aside: list[SetAsideOut]
    rows_new: list[ImportedRowOut]
    rows_changed: list[ImportedRowOut]
    rows_matched: list[ImportedRowOut] = Field(description="Merged or waiting for a decision")
    rows_conflicting: list[ImportedRowOut]
    no_longer_listed: list[MissingDevicesOut]
    mended: int = Field(0, description="Values that were mended, of the kinds in `fix`")
    values_mended: list[MendedOut] = []

    @classmethod
    def of(
        cls, report: DeviceReport, *, file: str, is_dry_run: bool, mended: Sequence[MendedOut] = ()
    ) -> ImportOut:
        def shown(rows: Iterable[ImportedRow]) -> list[ImportedRowOut]:
            return [ImportedRowOut.of(row, is_dry_run=is_dry_run) for row in rows]

        return cls(
            file=file,
            is_dry_run=is_dry_run,
            new=report.new,
            changed=report.changed,
            unchanged=report.unchanged,
            set_aside=len(report.bad),
            hours_not_understood=report.hours_not_understood,
            merged=report.merged,
            waiting=report.waiting,
            conflicting=report.conflicting,
            gone=report.gone_count,
            held_back=sum(len(each.source_ids) for each in report.held_back),
            unnamed=report.unnamed,
            rows_set_aside=[
                SetAsideOut(where=row.where, reason=row.reason) for row in report.bad[:MAX_SHOWN]
            ],
            rows_new=shown(report.added),
            rows_changed=shown(report.amended),
            rows_matched=shown(report.matched),
            rows_conflicting=shown(report.disputed),
            no_longer_listed=[MissingDevicesOut.of(each) for each in report.gone],
            mended=len(mended),
            values_mended=list(mended[:MAX_SHOWN]),
        )


class PreviewColumnOut(BaseModel):
    """A column of the file."""

    heading: str
    field: str | None = Field(description="The field that it is read into; null: it is not read")
    example: str


class PreviewRowOut(BaseModel):
    """A row as it would be imported."""

    where: str = Field(examples=["row 5"])
    fields: dict[str, Any]
    estate: str | None = Field(description="The estate whose boundary contains it, as source:id")


class DuplicateQuestionOut(BaseModel):
    """Whether a row is the same device as a registered one or an earlier row. Answer it with the import."""

    number: int = Field(description="The row's number in the file")
    other: str = Field(description="The registered device or the earlier row", examples=["row:4"])
    question: str
    why: Alike
    unanswered: Unanswered = Field(description="What becomes of the row if nobody answers")
    may_answer: bool = Field(description="false: the administrator is asked")
    row: dict[str, Any] = Field(description="Fields of the row")
    known: dict[str, Any] = Field(description="Fields of the other; empty if you may not answer")

    @classmethod
    def of(cls, asked: DuplicateQuestion) -> DuplicateQuestionOut:
        return cls(
            number=asked.number,
            other=asked.other,
            question=str(asked),
            why=asked.why,
            unanswered=asked.unanswered,
            may_answer=asked.may_answer,
            row=shown_fields(asked.row),
            known=shown_fields(asked.known),
        )


class ImportPreviewOut(BaseModel):
    """How a list would be read and imported."""

    file: str
    mapping: str = Field(description="The mapping file (YAML) to correct, keep and send with the import")
    notes: list[str] = Field(description="What a person should check, such as the datum and its evidence")
    columns: list[PreviewColumnOut]
    rows: int
    good: int = Field(description="Rows that can be imported")
    new: int
    changed: int
    unchanged: int
    matched: int = Field(description="Rows that may be a device which another list has registered")
    outside: int = Field(description="Rows in no registered estate, which need a region")
    samples: list[PreviewRowOut] = Field(description="The first five rows that can be imported")
    alike: list[str] = Field(description="The sentences of `questions`")
    questions: list[DuplicateQuestionOut] = Field(
        description="Rows that are like a registered device or an earlier row, such as at the same point or "
        f"with the same words; at most {MAX_SHOWN}"
    )
    rows_set_aside: list[SetAsideOut] = Field(description=f"At most {MAX_SHOWN}")
