"""Request and response schemas of training sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import Code, FreeText, Id, Language, Moment
from aed.accounts.permissions import Viewer
from aed.database.geometry import position_of
from aed.registry.fields import Link, PositionIn, PositionOut
from aed.training.models import TrainingSession
from aed.training.permissions import runs_training
from aed.training.queries import SessionPlaces
from aed.training.rules import SessionAudience, SessionState
from aed.training.trainers.rules import SessionWarning
from aed.training.trainers.schemas import TrainerIn

Place = Annotated[FreeText, Field(min_length=1, max_length=500)]
Capacity = Annotated[int, Field(ge=1, le=1000)]
Trainers = Annotated[
    int, Field(ge=1, le=100, description="How many trainers there are, the named one included")
]
Manikins = Annotated[int, Field(ge=0, le=1000)]


class SessionIn(BaseModel):
    """A session to plan, either of an estate or of a region outside any estate."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "course": "FIRST-AID",
                    "region": "CN-33",
                    "audience": "public",
                    "trainer": {"name": "Lin Hua", "phone": "+86 571 5550 2000"},
                    "position": {"lat": 30.2895, "lon": 120.1024},
                    "place_en": "Community hall, ground floor",
                    "place_zh": "社区活动室一楼",
                    "language": "zh",
                    "starts_at": "2030-05-04T09:00:00+08:00",
                    "ends_at": "2030-05-04T13:00:00+08:00",
                    "enrolment_closes_at": "2030-05-02T18:00:00+08:00",
                    "capacity": 20,
                    "minimum": 6,
                }
            ]
        },
    )

    course: Code = Field(description="The course's code")
    estate_id: Id | None = Field(None, description="The estate that organises it; default: the region")
    region: Code | None = Field(None, description="Default: the region of the estate")
    audience: SessionAudience = SessionAudience.ESTATE
    trainer: TrainerIn | None = None
    position: PositionIn | None = Field(None, description="Default: where the estate held its latest session")
    place_en: Place | None = Field(None, description="Default: the place in Chinese, or the estate's")
    place_zh: Place | None = Field(None, description="Default: the place in English, or the estate's")
    language: Language = "zh"
    starts_at: Moment
    ends_at: Moment
    enrolment_closes_at: Moment | None = Field(None, description="Default: the start of the session")
    capacity: Capacity
    minimum: Capacity = 1
    trainers: Trainers = 1
    manikins: Manikins | None = Field(None, description="How many manikins there are; null: unknown")

    @model_validator(mode="after")
    def _check_place_and_audience(self) -> Self:
        if (self.estate_id is None) == (self.region is None):
            raise ValueError("give estate_id, or region for a session without an estate")
        if self.estate_id is None and self.audience is SessionAudience.ESTATE:
            raise ValueError("a session without an estate must have the audience public")
        return self


class SessionAmend(BaseModel):
    """Changes to a session; fields that are left out stay as they are."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"capacity": 24}]})

    audience: SessionAudience | None = None
    trainer: TrainerIn | None = None
    position: PositionIn | None = None
    place_en: Place | None = None
    place_zh: Place | None = None
    language: Language | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    enrolment_closes_at: Moment | None = None
    capacity: Capacity | None = None
    minimum: Capacity | None = None
    trainers: Trainers | None = None
    manikins: Manikins | None = None


class CourseOfSession(BaseModel):
    """The course of a session."""

    id: Id
    code: str
    name_en: str
    name_zh: str


class TrainerOut(BaseModel):
    """The trainer of a session."""

    name: str
    phone: str | None


class SessionOut(BaseModel):
    """A session. The trainer is shown only to those who run the training there."""

    id: Id
    course: CourseOfSession
    estate_id: Id | None
    region: str
    audience: SessionAudience
    trainer: TrainerOut | None
    position: PositionOut
    place_en: str
    place_zh: str
    language: str
    starts_at: datetime
    ends_at: datetime
    enrolment_closes_at: datetime
    time_zone: str
    capacity: int
    minimum: int
    trainers: int
    manikins: int | None
    places_free: int = Field(description="Places that are free for new people, after the waiting list")
    waiting: int
    state: SessionState
    cancelled_why: str | None
    warnings: list[SessionWarning] = Field(description="What to mend; shown to those who run the session")
    version: int

    @classmethod
    def of(
        cls,
        training: TrainingSession,
        places: SessionPlaces,
        viewer: Viewer,
        warnings: Sequence[SessionWarning] = (),
    ) -> SessionOut:
        here = position_of(training.position)
        is_run_by = runs_training(viewer, training.estate_id, training.region_id)
        trainer = training.trainer if is_run_by else None
        course = training.course
        return cls(
            id=training.id,
            course=CourseOfSession(
                id=course.id, code=course.code, name_en=course.name_en, name_zh=course.name_zh
            ),
            estate_id=training.estate_id,
            region=training.region.code,
            audience=training.audience,
            trainer=TrainerOut(name=trainer.name, phone=trainer.phone) if trainer is not None else None,
            position=PositionOut(lat=here.lat, lon=here.lon),
            place_en=training.place_en,
            place_zh=training.place_zh,
            language=training.language,
            starts_at=training.starts_at,
            ends_at=training.ends_at,
            enrolment_closes_at=training.enrolment_closes_at,
            time_zone=training.time_zone,
            capacity=training.capacity,
            minimum=training.minimum,
            trainers=training.trainers,
            manikins=training.manikins,
            places_free=max(0, training.capacity - places.held),
            waiting=places.waiting,
            state=training.state,
            cancelled_why=training.cancelled_why,
            warnings=list(warnings),
            version=training.version,
        )


class SessionPage(BaseModel):
    """A page of sessions."""

    sessions: list[SessionOut]
    links: list[Link] = Field([], description="rel=next: the next page")
