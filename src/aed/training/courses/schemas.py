"""Request and response schemas of courses."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import Code, Id, Name
from aed.responders.rules import CertificateKind
from aed.training.models import Course
from aed.training.rules import CourseState

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
            state=course.state,
            version=course.version,
        )
