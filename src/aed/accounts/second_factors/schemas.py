"""Second factors in requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from aed.accounts.fields import Id
from aed.accounts.sign_in.models import SecondFactor
from aed.accounts.sign_in.rules import FactorKind

FactorName = Annotated[str, Field(min_length=1, max_length=100, examples=["my telephone"])]
SecondFactorCode = Annotated[SecretStr, Field(min_length=6, max_length=40)]


class FactorOut(BaseModel):
    """A second factor, without its secret."""

    id: Id
    kind: FactorKind
    name: str
    added_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: SecondFactor) -> Self:
        return cls(
            id=row.id, kind=row.kind, name=row.name, added_at=row.added_at, last_used_at=row.last_used_at
        )


class SecondFactorsOut(BaseModel):
    """Your second factors, and whether this session needs one."""

    is_needed: bool = Field(description="This session permits nothing else until one is given")
    factors: list[FactorOut]
    recovery_codes_left: int
    csrf_token: str = Field(description="Send it as X-CSRF-Token with every change")


class SecondFactorIn(BaseModel):
    """A code of an authenticator app, or a recovery code."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "123 456"}]})

    code: SecondFactorCode


class AppIn(BaseModel):
    """An authenticator app to add."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "my telephone"}]})

    name: FactorName = "app"


class AppOut(BaseModel):
    """The secret of the app, shown once. The app is active after its first code."""

    id: Id
    secret: str
    uri: str = Field(description="For a QR code: otpauth://totp/…")


class RecoveryCodesOut(BaseModel):
    """Recovery codes for a lost second factor, each valid once. They are shown only now: print them."""

    recovery_codes: list[str]


class PasskeyIn(BaseModel):
    """The result of `navigator.credentials.create`, as JSON."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"credential": {"id": "AQI"}}]})

    name: FactorName = "passkey"
    credential: dict[str, Any]


class PasskeyGivenIn(BaseModel):
    """The result of `navigator.credentials.get`, as JSON."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"credential": {"id": "AQI"}}]})

    credential: dict[str, Any]


class OptionsOut(BaseModel):
    """Options for `navigator.credentials.create({publicKey})` or `get`."""

    public_key: dict[str, Any]
