"""Request and response schemas of courses."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import Code, Id, Name
from aed.responders.rules import CertificateKind
from aed.training.models import Course
from aed.training.rules import FULL_SCORE, THEORY, CourseState
from aed.training.trainers.rules import DEFAULT_LEARNERS_PER_MANIKIN, DEFAULT_LEARNERS_PER_TRAINER

Hours = Annotated[float, Field(gt=0, le=400, allow_inf_nan=False, description="Hours of teaching")]
Validity = Annotated[
    int, Field(ge=1, le=120, description="Validity of the certificate in months; 36 for most Red Cross cards")
]
Refreshing = Annotated[
    int, Field(ge=1, le=60, description="Months after which skills should be refreshed; usually 3 to 6")
]
Prerequisites = Annotated[
    list[Code], Field(max_length=20, description="Codes of courses that must be passed first")
]
Parts = Annotated[
    int, Field(ge=1, le=20, description="Parts for which presence is counted, such as half days")
]
Percent = Annotated[
    int, Field(ge=1, le=100, description="For how many per cent of the parts people must be present to pass")
]
Learners = Annotated[int, Field(ge=1, le=100)]


StationCode = Annotated[
    str,
    Field(
        min_length=1,
        max_length=32,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Short code of the station",
        examples=["cpr"],
    ),
]
MAX_STATIONS: Final = 10
MAX_RETAKES: Final = 5


class StationIn(BaseModel):
    """A practical station."""

    model_config = ConfigDict(extra="forbid")

    code: StationCode
    name_en: Name
    name_zh: Name
    pass_mark: Annotated[int, Field(ge=0, le=FULL_SCORE)] | None = Field(
        None, description="Lowest score that passes; null: the station is passed or failed without a score"
    )


class AssessmentPlanIn(BaseModel):
    """How a course is assessed. Who passes every part passes the course."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "theory_pass_mark": 80,
                    "stations": [{"code": "cpr", "name_en": "Resuscitation", "name_zh": "心肺复苏"}],
                    "retakes": 1,
                    "retake_within_days": 30,
                }
            ]
        },
    )

    theory_pass_mark: Annotated[int, Field(ge=0, le=FULL_SCORE)] | None = Field(
        None, description="Lowest score of the theory test that passes, out of 100; null: no theory test"
    )
    stations: Annotated[list[StationIn], Field(max_length=MAX_STATIONS)] = []
    retakes: Annotated[int, Field(ge=0, le=MAX_RETAKES)] = Field(
        0, description="How many further attempts a person has at the parts that they failed"
    )
    retake_within_days: Annotated[int, Field(ge=0, le=365)] = Field(
        0, description="Days after the session within which parts can be retaken"
    )

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        codes = [each.code for each in self.stations]
        if self.theory_pass_mark is None and not codes:
            raise ValueError("give theory_pass_mark, or at least one station")
        if len(set(codes)) < len(codes) or THEORY in codes:
            raise ValueError(f"the stations must have different codes, and none may be '{THEORY}'")
        return self


class CourseIn(BaseModel):
    """A course to create."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "code": "CPR-AED",
                    "name_en": "Resuscitation with a defibrillator",
                    "name_zh": "心肺复苏与除颤",
                    "hours": 4,
                    "certificate_kind": "cpr_aed",
                    "issuer": "West Lake training office",
                    "validity_months": 24,
                    "refresher_months": 6,
                    "assessment": {
                        "theory_pass_mark": 80,
                        "stations": [{"code": "cpr", "name_en": "Resuscitation", "name_zh": "心肺复苏"}],
                        "retakes": 1,
                        "retake_within_days": 30,
                    },
                }
            ]
        },
    )

    code: Code
    name_en: Name
    name_zh: Name
    hours: Hours
    certificate_kind: CertificateKind | None = Field(
        None, description="The certificate that the course awards"
    )
    issuer: Name | None = Field(None, description="The issuer named on the certificate")
    validity_months: Validity | None = None
    refresher_months: Refreshing | None = None
    prerequisites: Prerequisites = []
    assessment: AssessmentPlanIn | None = Field(
        None, description="Theory and stations; without it the trainer only says passed or not"
    )
    parts: Parts = 1
    min_presence_percent: Percent | None = Field(
        None, description="For how many per cent of the parts people must be present to pass; null: any"
    )
    learners_per_trainer: Learners | None = Field(
        DEFAULT_LEARNERS_PER_TRAINER, description="More of them are a warning; null: no limit"
    )
    learners_per_manikin: Learners | None = Field(
        DEFAULT_LEARNERS_PER_MANIKIN, description="More of them are a warning; null: no limit"
    )

    @model_validator(mode="after")
    def _check_certificate(self) -> Self:
        given = [self.certificate_kind, self.issuer, self.validity_months]
        if any(each is None for each in given) and any(each is not None for each in given):
            raise ValueError(
                "certificate_kind, issuer and validity_months must be given together or not at all"
            )
        return self


class CourseAmend(BaseModel):
    """Changes to a course; fields that are left out stay as they are, and so do awarded certificates."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"refresher_months": 4}]})

    name_en: Name | None = None
    name_zh: Name | None = None
    hours: Hours | None = None
    issuer: Name | None = None
    validity_months: Validity | None = None
    refresher_months: Refreshing | None = None
    prerequisites: Prerequisites | None = None
    assessment: AssessmentPlanIn | None = Field(
        None, description="Replaces the whole plan; results that were recorded stay"
    )
    parts: Parts | None = None
    min_presence_percent: Percent | None = None
    learners_per_trainer: Learners | None = None
    learners_per_manikin: Learners | None = None


class CourseOut(BaseModel):
    """A course with the codes of its prerequisites."""

    id: Id
    code: str
    name_en: str
    name_zh: str
    hours: float
    certificate_kind: CertificateKind | None
    issuer: str | None
    validity_months: int | None
    refresher_months: int | None
    prerequisites: list[str]
    assessment: AssessmentPlanIn | None
    parts: int
    min_presence_percent: int | None
    learners_per_trainer: int | None
    learners_per_manikin: int | None
    state: CourseState
    version: int

    @classmethod
    def of(cls, course: Course, prerequisites: list[str]) -> CourseOut:
        return cls(
            id=course.id,
            code=course.code,
            name_en=course.name_en,
            name_zh=course.name_zh,
            hours=course.hours,
            certificate_kind=course.certificate_kind,
            issuer=course.issuer,
            validity_months=course.validity_months,
            refresher_months=course.refresher_months,
            prerequisites=prerequisites,
            assessment=AssessmentPlanIn.model_validate(course.assessment) if course.assessment else None,
            parts=course.parts,
            min_presence_percent=course.min_presence_percent,
            learners_per_trainer=course.learners_per_trainer,
            learners_per_manikin=course.learners_per_manikin,
            state=course.state,
            version=course.version,
        )
