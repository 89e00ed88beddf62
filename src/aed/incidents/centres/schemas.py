"""Request and response bodies of dispatch centres, and the messages that they send."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter

from aed.accounts.fields import Code, FreeText
from aed.incidents.models import DispatchCentre
from aed.incidents.schemas import AmbulanceIn, CloseIn, PatientReportIn, SignsIn

CaseNumber = Annotated[
    FreeText, Field(min_length=1, max_length=64, description="The centre's number of the case")
]


class CentreIn(BaseModel):
    """A dispatch centre to connect."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "lake-120", "region": "CN-33", "address": "https://120.example.org/hooks/aed"}
            ]
        },
    )

    name: str = Field(min_length=1, max_length=64)
    region: Code = Field(
        description="Code of the region; the centre dispatches there and in all regions below"
    )
    address: str = Field(
        min_length=1,
        max_length=2000,
        description="HTTPS URL that notifications are sent to; never shown again",
    )


class SecretIn(BaseModel):
    """How to change a secret."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"overlap_hours": 24}]})

    overlap_hours: float = Field(
        24, ge=0, le=720, allow_inf_nan=False, description="How long the previous secret stays valid"
    )


class SecretOut(BaseModel):
    secret: str = Field(description="Secret for signing in both directions; shown only once")


class CentreOut(BaseModel):
    """A centre without its address and secret."""

    name: str
    region: str
    since: datetime
    old_secret_until: datetime | None = Field(description="Until when the previous secret is valid")
    waiting: int = Field(description="Number of notifications not delivered yet")
    dead: int = Field(description="Number of notifications given up on: see /v1/outbox")

    @classmethod
    def of(cls, centre: DispatchCentre, backlog: Mapping[int, tuple[int, int]]) -> CentreOut:
        endpoint = centre.endpoint
        waiting, dead = backlog.get(endpoint.id, (0, 0))
        return cls(
            name=endpoint.name,
            region=centre.region.code,
            since=endpoint.created_at,
            old_secret_until=endpoint.old_secret_until,
            waiting=waiting,
            dead=dead,
        )


class CentreMade(CentreOut, SecretOut):
    """A newly connected centre with its secret."""

    @classmethod
    def with_secret(cls, centre: DispatchCentre, secret: str) -> CentreMade:
        return cls(**CentreOut.of(centre, {}).model_dump(), secret=secret)


# --- messages of a centre ----------------------------------------------------------------------------------


class _FromCentre(BaseModel):
    model_config = ConfigDict(extra="forbid")

    timestamp: AwareDatetime | None = Field(
        None,
        description="When the message was written, from which its seconds count; default: when it arrives",
    )


class CaseReport(PatientReportIn):
    case_number: CaseNumber  # by it the centre's later messages find the incident


class CaseAmbulance(AmbulanceIn):
    case_number: CaseNumber


class CaseSigns(SignsIn):
    case_number: CaseNumber


class CaseClose(CloseIn):
    case_number: CaseNumber


class ReportMessage(_FromCentre):
    type: Literal["report"]
    data: CaseReport


class AmbulanceMessage(_FromCentre):
    type: Literal["ambulance"]
    data: CaseAmbulance


class SignsMessage(_FromCentre):
    type: Literal["signs"]
    data: CaseSigns


class CloseMessage(_FromCentre):
    type: Literal["close"]
    data: CaseClose


type CentreMessage = ReportMessage | AmbulanceMessage | SignsMessage | CloseMessage

CENTRE_MESSAGE: Final[TypeAdapter[CentreMessage]] = TypeAdapter(
    Annotated[CentreMessage, Field(discriminator="type")]
)
_REPORT: Final = {
    "key": "7d0a8f2e-8d3b-4b63-9c0e-2f9f2a5f6a10",
    "kind": "exercise",
    "position": {"lat": 30.2901, "lon": 120.1003},
    "case_number": "2026-112-0047",
    "ambulance_seconds": 540,
}
CENTRE_MESSAGE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["type", "data"],
                    "properties": {
                        "type": {"enum": ["report", "ambulance", "signs", "close"]},
                        "timestamp": {"type": "string", "format": "date-time"},
                        "data": {
                            "type": "object",
                            "required": ["case_number"],
                            "description": "Body of the matching route (POST /v1/incidents, PUT …/ambulance, "
                            "PUT …/signs, POST …/close), with case_number",
                        },
                    },
                    "examples": [
                        {"type": "report", "timestamp": "2026-11-27T08:00:00+08:00", "data": _REPORT},
                        {"type": "ambulance", "data": {"case_number": "2026-112-0047", "seconds": 240}},
                        {"type": "signs", "data": {"case_number": "2026-112-0047", "has_cpr": True}},
                        {"type": "close", "data": {"case_number": "2026-112-0047", "outcome": "handed_over"}},
                    ],
                }
            }
        },
    }
}
"""OpenAPI description of the body; it is read as bytes, because those are signed."""
