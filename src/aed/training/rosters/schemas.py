"""Request and response schemas of attendance and assessments."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import FreeText, Id
from aed.training.rules import AttendanceState

Note = Annotated[FreeText, Field(max_length=500)]


class AttendanceRow(BaseModel):
    """Attendance of one person."""

    model_config = ConfigDict(extra="forbid")

    enrolment_id: Id
    attendance: AttendanceState


class AttendanceIn(BaseModel):
    """Attendance of several people. Either all rows are stored or none."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"rows": [{"enrolment_id": 1, "attendance": "attended"}]}]},
    )

    rows: list[AttendanceRow] = Field(min_length=1, max_length=1000)


class AssessmentRow(BaseModel):
    """Assessment of one person."""

    model_config = ConfigDict(extra="forbid")

    enrolment_id: Id
    passed: bool
    note: Note | None = None


class AssessmentIn(BaseModel):
    """Assessments of several people. Either all rows are stored or none."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"rows": [{"enrolment_id": 1, "passed": True}]}]},
    )

    rows: list[AssessmentRow] = Field(min_length=1, max_length=1000)


class MarkedOut(BaseModel):
    """How many results changed and how many were already recorded."""

    changed: int
    unchanged: int
