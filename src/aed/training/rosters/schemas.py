"""Request schemas of attendance and assessments."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from aed.accounts.fields import FreeText, Id, Name
from aed.training.courses.schemas import MAX_RETAKES, MAX_STATIONS, StationCode
from aed.training.rules import FULL_SCORE, AttendanceState

Note = Annotated[FreeText, Field(max_length=500)]
Score = Annotated[StrictInt, Field(ge=0, le=FULL_SCORE)]


class AttendanceRow(BaseModel):
    """Attendance of one person."""

    model_config = ConfigDict(extra="forbid")

    enrolment_id: Id
    attendance: AttendanceState
    parts_present: Annotated[int, Field(ge=0, le=20)] | None = Field(
        None, description="For how many parts of the course the person was present; null: for all"
    )


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
    passed: bool | None = Field(
        None, description="The result; of a course that is assessed by parts it follows from the marks"
    )
    note: Note | None = None
    theory: Score | None = Field(None, description="Score of the theory test, out of 100")
    stations: dict[StationCode, StrictBool | Score] = Field(
        {}, max_length=MAX_STATIONS, description="Score, or passed or not, by code of the station"
    )
    attempt: Annotated[int, Field(ge=1, le=MAX_RETAKES + 1)] | None = Field(
        None, description="Default: the latest attempt. The number after it begins a retake"
    )

    @model_validator(mode="after")
    def _check_result(self) -> Self:
        if self.passed is None and self.theory is None and not self.stations:
            raise ValueError("give passed, theory or stations")
        return self


class AssessmentIn(BaseModel):
    """Assessments of several people. Either all rows are stored or none."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"rows": [{"enrolment_id": 1, "passed": True}]}]},
    )

    rows: list[AssessmentRow] = Field(min_length=1, max_length=1000)
    assessor: Name | None = Field(None, description="Name of the person who assessed; default: you")
