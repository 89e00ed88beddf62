"""Request and response bodies of offers, consents and live locations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

import h3.api.basic_int as h3
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from aed.accounts.fields import Code, Id
from aed.geo import Datum
from aed.registry.fields import Floor, OpeningHours, PositionIn, PositionOut, Storey, StoreyOut
from aed.responders.models import Consent
from aed.responders.queries import HelpOffer
from aed.responders.rules import (
    MAX_ACCURACY_METRES,
    WORDINGS,
    CertificateKind,
    ConsentKind,
    LiveLocation,
    PlaceKind,
    ResponderState,
    current_wording,
)

Until = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
Version = Annotated[str, Field(min_length=1, max_length=32, examples=["2026-11"])]


class OfferPlaceIn(BaseModel):
    """A place where the person can be called. Its exact position is hidden until they accept an alert."""

    model_config = ConfigDict(extra="forbid")

    kind: PlaceKind
    position: PositionIn
    floor: Floor = 0
    storey: Storey | None = None
    hours: OpeningHours | None = Field(None, description="When the person is there; default: not known")


Places = Annotated[list[OfferPlaceIn], Field(max_length=10)]


class OfferIn(BaseModel):
    """An offer to help, with the wording version of each consent given."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "consents": {"being_called": "2026-11"},
                    "region": "CN-33",
                    "availability": "Mo-Fr 08:00-22:00",
                    "places": [{"kind": "home", "position": {"lat": 30.29, "lon": 120.1}, "floor": 3}],
                }
            ]
        },
    )

    consents: dict[ConsentKind, Version]
    estate_id: Id | None = Field(None, description="Estate that the person is at home in")
    region: Code | None = Field(None, description="Region code, if the person is at home in no estate")
    availability: OpeningHours | None = Field(None, description="When the person can be called")
    paused_until: Until | None = None
    of_age: bool | None = Field(
        None,
        description="Whether the person is 18 or older; younger people are never called; default: not known",
    )
    places: Annotated[Places, Field(min_length=1)]


class OfferAmend(BaseModel):
    """Changes to an offer. A consent that is null is withdrawn."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"paused_until": "2026-12-31T00:00:00+08:00"}]}
    )

    consents: dict[ConsentKind, Version | None] | None = None
    availability: OpeningHours | None = None
    paused_until: Until | None = None
    of_age: bool | None = None
    places: Places | None = None

    @property
    def only_withdraws(self) -> bool:
        return self.model_fields_set == {"consents"} and not any((self.consents or {}).values())


class WordingOut(BaseModel):
    """A version of the wording of a consent; `is_in_force` is true for the current one."""

    kind: ConsentKind
    version: str
    en: str
    zh: str
    is_in_force: bool

    @classmethod
    def all(cls) -> list[Self]:
        return [
            cls(
                kind=kind,
                version=each.version,
                en=each.en,
                zh=each.zh,
                is_in_force=each == current_wording(kind),
            )
            for kind, wordings in WORDINGS.items()
            for each in wordings
        ]


class ConsentOut(BaseModel):
    """A consent and its withdrawal, if any."""

    id: Id
    kind: ConsentKind
    wording: str = Field(
        description="Version of the wording; `list` if the owner of an imported list holds the consent"
    )
    given_at: datetime
    given_by: str
    stated_by: str | None = Field(
        description="Imported list that states the consent; null if the person gave it"
    )
    withdrawn_at: datetime | None
    withdrawn_by: str | None

    @classmethod
    def of(cls, consent: Consent) -> ConsentOut:
        return cls(
            id=consent.id,
            kind=consent.kind,
            wording=consent.wording,
            given_at=consent.given_at,
            given_by=consent.given_by,
            stated_by=consent.stated_by,
            withdrawn_at=consent.withdrawn_at,
            withdrawn_by=consent.withdrawn_by,
        )


class ConsentsPage(BaseModel):
    """A page of consents by id; `next` is the cursor of the next page."""

    consents: list[ConsentOut]
    next: str | None = None


class OfferPlaceOut(BaseModel):
    kind: PlaceKind
    position: PositionOut
    floor: int
    storey: StoreyOut | None = Field(description="Storey as the region of the offer counts")
    hours: str | None


class OfferCertificateOut(BaseModel):
    kind: CertificateKind
    issuer: str
    valid_until: str
    is_revoked: bool


class OfferOut(BaseModel):
    """A person's offer, and whether anything prevents calling them."""

    person_id: Id
    state: ResponderState
    availability: str | None
    paused_until: datetime | None
    of_age: bool | None
    places: list[OfferPlaceOut]
    consents: list[ConsentOut] = Field(description="Consents in force")
    certificates: list[OfferCertificateOut]

    @classmethod
    def of(cls, person_id: int, offer: HelpOffer) -> OfferOut:
        entry = offer.entry
        return cls(
            person_id=person_id,
            state=entry.state if entry is not None else ResponderState.WITHDRAWN,
            availability=entry.availability if entry is not None else None,
            paused_until=entry.paused_until if entry is not None else None,
            of_age=entry.of_age if entry is not None else None,
            places=[
                OfferPlaceOut(
                    kind=place.kind,
                    position=PositionOut(lat=here.lat, lon=here.lon),
                    floor=place.floor,
                    storey=StoreyOut.of(place.floor, offer.region) if offer.region is not None else None,
                    hours=place.hours,
                )
                for place, here in offer.places
            ],
            consents=[ConsentOut.of(each) for each in offer.consents],
            certificates=[
                OfferCertificateOut(
                    kind=each.kind,
                    issuer=each.issuer,
                    valid_until=each.valid_until.isoformat(),
                    is_revoked=each.revoked_at is not None,
                )
                for each in offer.certificates
            ],
        )


Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class PhoneLocationIn(BaseModel):
    """The location of a phone."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"lat": 30.29, "lon": 120.1, "datum": "wgs84", "accuracy_metres": 12}]
        },
    )

    lat: float
    lon: float
    datum: Datum = Datum.WGS84
    accuracy_metres: float | None = Field(
        None,
        gt=0,
        le=MAX_ACCURACY_METRES,
        description="Accuracy of the location in metres; less accurate locations are refused",
    )
    at: Moment | None = Field(None, description="When the location was measured; default: now")


class LiveLocationIn(PhoneLocationIn):
    """The location of a phone on duty, of which only the cell is stored."""


class StoredLocationOut(BaseModel):
    cell: str = Field(description="H3 index of the cell")
    at: datetime
    expires_at: datetime


class LiveLocationOut(BaseModel):
    """The stored location of your phone and its expiry, or null."""

    held: StoredLocationOut | None

    @classmethod
    def of(cls, place: LiveLocation | None) -> Self:
        if place is None:
            return cls(held=None)
        return cls(
            held=StoredLocationOut(
                cell=h3.int_to_str(place.cell),
                at=place.at,
                expires_at=place.expires_at,
            )
        )
