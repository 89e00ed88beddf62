"""Request and response bodies of apps of estates."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from aed.accounts.fields import Code, FreeText
from aed.timebank.models import ClientApp

Origin = Annotated[
    str,
    Field(
        max_length=200,
        pattern=r"^https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$",
        description="Scheme, host and port of a site, such as https://app.example.org",
    ),
]
MAX_ORIGINS: Final = 10
AppName = Annotated[FreeText, Field(min_length=1, max_length=100)]


class ClientAppIn(BaseModel):
    """An app of an estate, or of a region and all below it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "Lake Life", "estate_id": 1, "origins": ["https://app.example.org"]}]
        },
    )

    name: AppName
    estate_id: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None
    region: Code | None = Field(None, description="Code of a region, in place of an estate")
    origins: list[Origin] = Field(
        default=[],
        max_length=MAX_ORIGINS,
        description="Sites that may show the view in a frame; web views need none",
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.estate_id is None) == (self.region is None):
            raise ValueError("give either estate_id or region")
        return self


class ClientAppOut(BaseModel):
    """An app without its secret."""

    client_id: str
    name: str
    estate_id: int | None
    region_id: int
    origins: list[str]
    created_at: datetime

    @classmethod
    def of(cls, found: ClientApp) -> Self:
        return cls(
            client_id=found.client_id,
            name=found.name,
            estate_id=found.estate_id,
            region_id=found.region_id,
            origins=found.origins,
            created_at=found.created_at,
        )


class ClientAppPage(BaseModel):
    apps: list[ClientAppOut]
    next: str | None = Field(None, description="Cursor of the next page, if there is one")


class ClientAppSecret(BaseModel):
    client_secret: str = Field(description="Shown only once; for the app's server, never on a phone")


class ClientAppMade(BaseModel):
    """A new app with its secret."""

    app: ClientAppOut
    client_secret: str = Field(description="Shown only once; for the app's server, never on a phone")


class AppLinkIn(BaseModel):
    """The app that opens the view."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"client_id": "0a1b2c3d4e5f60718293a4b5", "client_secret": "…"}]},
    )

    client_id: str = Field(min_length=1, max_length=32)
    client_secret: SecretStr = Field(min_length=1, max_length=100)


class AppLinkOut(BaseModel):
    """A link that opens once."""

    url: str = Field(description="Open it in a web view or frame within 60 seconds; it opens once")
    expires_at: datetime
