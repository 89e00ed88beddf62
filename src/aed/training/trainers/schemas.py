"""Request and response schemas of trainers and their grades."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import FreeText, Id, Name, Phone
from aed.registry.fields import Day
from aed.training.models import TrainerGrade


class TrainerIn(BaseModel):
    """The trainer of a session."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    phone: Phone | None = Field(None, description="Default: that of the trainer of this name there")


class TrainerGradeIn(BaseModel):
    """The grade of a trainer, as the issuer gave it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "trainer": {"name": "Lin Hua", "phone": "+86 571 5550 2000"},
                    "grade": "一级师资",
                    "valid_until": "2028-05-31",
                }
            ]
        },
    )

    trainer: TrainerIn
    grade: Annotated[FreeText, Field(min_length=1, max_length=100, description="As the issuer calls it")]
    valid_until: Day = Field(description="Last day of validity")


class TrainerGradeOut(BaseModel):
    """The grade of a trainer."""

    person_id: Id
    name: str
    grade: str
    valid_until: date
    version: int

    @classmethod
    def of(cls, found: TrainerGrade) -> TrainerGradeOut:
        """Build the response. The person must be loaded."""
        return cls(
            person_id=found.person_id,
            name=found.person.name,
            grade=found.grade,
            valid_until=found.valid_until,
            version=found.version,
        )
