"""Schemas of issuers in requests and responses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import Code, Id, Name
from aed.accounts.trust import CertificateTrust
from aed.issuers.models import Issuer, IssuerCourse
from aed.issuers.rules import (
    ANSWER_FIELDS,
    BatchField,
    CertificateKind,
    HolderIds,
    IssuerKind,
    IssuerState,
    VerifiedBy,
    plain_name,
)

CourseCode = Annotated[
    Name, Field(max_length=64, description="As written in the issuer's rosters", examples=["救护员"])
]
Names = Annotated[list[Name], Field(max_length=20, description="Other names of the issuer in lists")]


def _over_https(url: str) -> str:
    if not url.startswith("https://") and not url.startswith("http://"):
        raise ValueError("must begin with https:// (http:// is allowed inside a private network)")
    return url


Url = Annotated[
    str, Field(max_length=500, examples=["https://chapter.example/certificates"]), AfterValidator(_over_https)
]


class IssuerCourseIn(BaseModel):
    """A course of an issuer."""

    model_config = ConfigDict(extra="forbid")

    code: CourseCode
    name_en: Name
    name_zh: Name
    kind: CertificateKind
    validity_months: Annotated[int, Field(ge=1, le=120)]

    @classmethod
    def of(cls, course: IssuerCourse) -> IssuerCourseIn:
        return cls.model_validate({name: getattr(course, name) for name in cls.model_fields})


Courses = Annotated[list[IssuerCourseIn], Field(max_length=100)]


class BatchColumnIn(BaseModel):
    """A column of an issuer's batch."""

    model_config = ConfigDict(extra="forbid")

    field: BatchField
    heading: Annotated[Name, Field(max_length=100, description="As the issuer writes it")]


class BatchFormatIn(BaseModel):
    """The file in which an issuer takes the results of learners, and answers."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "columns": [
                        {"field": "row", "heading": "序号"},
                        {"field": "name", "heading": "姓名"},
                        {"field": "holder_id", "heading": "身份证号"},
                        {"field": "passed_on", "heading": "考核日期"},
                        {"field": "certificate_number", "heading": "证书编号"},
                        {"field": "reason", "heading": "退回原因"},
                    ],
                    "date_format": "2027/05/31",
                    "holder_ids": "whole",
                }
            ]
        },
    )

    columns: Annotated[list[BatchColumnIn], Field(min_length=3, max_length=20)] = Field(
        description="In the order of the file; row, certificate_number and reason are needed"
    )
    date_format: Literal[
        "2027-05-31", "2027/05/31", "2027.05.31", "20270531", "31.05.2027", "2027年05月31日"
    ] = Field("2027-05-31", description="How dates are written, by an example")
    holder_ids: HolderIds = Field(
        HolderIds.NONE, description="Whether learners give an identity number, and how it is sent"
    )
    wants_photo: bool = Field(False, description="Whether learners give a photo")

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        given = [each.field for each in self.columns]
        headings = {plain_name(each.heading) for each in self.columns}
        if len(set(given)) < len(given) or len(headings) < len(given):
            raise ValueError("each field and each heading may be used once")
        if not ANSWER_FIELDS.issubset(given):
            raise ValueError("the columns row, certificate_number and reason are needed to read the answer")
        if (BatchField.HOLDER_ID in given) != (self.holder_ids is not HolderIds.NONE):
            raise ValueError("a column holder_id is needed if and only if holder_ids is masked or whole")
        return self


def _require_distinct_codes(courses: list[IssuerCourseIn] | None) -> None:
    codes = [each.code for each in courses or []]
    if len(set(codes)) < len(codes):
        raise ValueError("the courses must have different codes")


class IssuerIn(BaseModel):
    """An issuer to add."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "code": "lake-red-cross",
                    "name_en": "Lake City Red Cross",
                    "name_zh": "湖城红十字会",
                    "kind": "red_cross",
                    "region": "CN-33",
                    "verified_by": "roster",
                    "also_called": ["湖城红会"],
                    "courses": [
                        {
                            "code": "救护员",
                            "name_en": "First-aider",
                            "name_zh": "救护员",
                            "kind": "first_aid",
                            "validity_months": 36,
                        }
                    ],
                }
            ]
        },
    )

    code: Code
    name_en: Name
    name_zh: Name
    kind: IssuerKind
    region: Code | None = Field(
        None, description="Region whose officers manage the issuer; default: only network administrators"
    )
    trust_in_lists: CertificateTrust = Field(
        CertificateTrust.DOCUMENTED, description="Trust in its certificates that are only listed"
    )
    verified_by: VerifiedBy = VerifiedBy.NOTHING
    query_url: Url | None = Field(None, description="URL of the issuer's service, with verified_by=query")
    assessor_not_trainer: bool = Field(
        False, description="Whether the assessor must be another person than the trainer"
    )
    requires_trainer_grade: bool = Field(
        False,
        description="Whether sessions need a trainer with a valid grade; false: an expired one is a warning",
    )
    batch_format: BatchFormatIn | None = Field(
        None, description="The file of results that it takes; null: it takes none"
    )
    also_called: Names = []
    courses: Courses = []

    @model_validator(mode="after")
    def _check_query_and_courses(self) -> Self:
        if (self.verified_by is VerifiedBy.QUERY) != (self.query_url is not None):
            raise ValueError("query_url must be given if and only if verified_by is query")
        _require_distinct_codes(self.courses)
        return self


class IssuerAmend(BaseModel):
    """An amendment of an issuer: only the given fields change; courses and further names are replaced."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"also_called": ["湖城急救培训中心"]}]}
    )

    name_en: Name | None = None
    name_zh: Name | None = None
    kind: IssuerKind | None = None
    trust_in_lists: CertificateTrust | None = None
    verified_by: VerifiedBy | None = None
    query_url: Url | None = None
    assessor_not_trainer: bool | None = None
    requires_trainer_grade: bool | None = None
    batch_format: BatchFormatIn | None = None
    also_called: Names | None = None
    courses: Courses | None = None

    @model_validator(mode="after")
    def _check_courses(self) -> Self:
        _require_distinct_codes(self.courses)
        return self


class IssuerOut(BaseModel):
    id: Id
    code: str
    name_en: str
    name_zh: str
    kind: IssuerKind
    region: str | None
    trust_in_lists: CertificateTrust
    verified_by: VerifiedBy
    query_url: str | None = Field(description="Visible to the officers of the issuer")
    assessor_not_trainer: bool
    requires_trainer_grade: bool
    batch_format: BatchFormatIn | None
    also_called: list[str]
    courses: list[IssuerCourseIn]
    state: IssuerState
    version: int

    @classmethod
    def of(
        cls, issuer: Issuer, names: Sequence[str], courses: Sequence[IssuerCourse], *, is_url_shown: bool
    ) -> IssuerOut:
        """Build the response. The issuer's region must be loaded."""
        return cls(
            id=issuer.id,
            code=issuer.code,
            name_en=issuer.name_en,
            name_zh=issuer.name_zh,
            kind=issuer.kind,
            region=issuer.region.code if issuer.region is not None else None,
            trust_in_lists=issuer.trust_in_lists,
            verified_by=issuer.verified_by,
            query_url=issuer.query_url if is_url_shown else None,
            assessor_not_trainer=issuer.assessor_not_trainer,
            requires_trainer_grade=issuer.requires_trainer_grade,
            batch_format=BatchFormatIn.model_validate(issuer.batch_format) if issuer.batch_format else None,
            also_called=list(names),
            courses=[IssuerCourseIn.of(each) for each in courses],
            state=issuer.state,
            version=issuer.version,
        )


class IssuersPage(BaseModel):
    """A page of issuers, ordered by id; `next` is the cursor of the next page."""

    issuers: list[IssuerOut]
    next: str | None = None
