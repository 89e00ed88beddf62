"""The entry points of the API, as programs get them at `/`."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, Field

NEAREST: Final = "/v1/nearest"


class EmergencyNumbersOut(BaseModel):
    mainland_china: str = Field(examples=["120"])
    elsewhere: str = Field(examples=["112"])


class HomeOut(BaseModel):
    """Entry points of the API."""

    title: str
    emergency_numbers: EmergencyNumbersOut = Field(description="Call first, before using this service")
    nearest: str = Field(description="The path of the lookup", examples=[NEAREST])
    documentation: str = Field(examples=["/docs"])
    openapi: str = Field(examples=["/v1/openapi.json"])
    ogc_api_features: str = Field(examples=["/ogc"])
