"""Sign-in, sessions, second factors and security events in requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from aed.accounts.fields import Id, Name
from aed.accounts.people.rules import Language
from aed.accounts.people.schemas import WrittenPhone
from aed.accounts.security_log import SecurityEvent, SecurityEventKind
from aed.accounts.sessions import SignIn, csrf_token
from aed.accounts.sign_in.rules import MAX_PASSWORD_LENGTH, NewSession

Password = Annotated[SecretStr, Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)]
OneTimeCode = Annotated[SecretStr, Field(min_length=1, max_length=20)]


class SignInIn(BaseModel):
    """A phone number, with its password or with a code."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"phone": "+86 138 0013 8000", "password": "a long pass phrase"}]},
    )

    phone: WrittenPhone
    password: Password | None = None
    code: OneTimeCode | None = None
    new_password: Password | None = Field(
        None, description="With a code: a new password. All other sessions end"
    )
    name: Name | None = Field(
        None, description="With a code: open an account of this name if the number has none"
    )

    language: Language = Field(Language.ZH, description="Language of an account that is opened")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.password is None) == (self.code is None):
            raise ValueError("give either password or code")
        if self.new_password is not None and self.code is None:
            raise ValueError("new_password requires a code, even when the old password is known")
        if self.name is not None and self.code is None:
            raise ValueError("name requires a code: only a code proves that the number is yours")
        return self


class CodeIn(BaseModel):
    """A phone number that requests a code."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"phone": "138 0013 8000"}]})

    phone: WrittenPhone
    sign_up: bool = Field(
        False, description="Send the code also if the number has no account yet, to open one with it"
    )
    language: Language = Field(Language.ZH, description="Of the message, if the number has no account yet")


class CodeOut(BaseModel):
    """The response for every number, with or without an account."""

    detail: str
    good_for_minutes: int


class SignedInOut(BaseModel):
    """A new session. Send `csrf_token` as X-CSRF-Token with every change."""

    person_id: Id
    name: str
    csrf_token: str
    expires_at: datetime
    needs_second_factor: bool = Field(
        description="A second factor (/v1/sign-in/second-factor) is required before anything else"
    )

    @classmethod
    def of(cls, done: NewSession) -> Self:
        return cls(
            person_id=done.person_id,
            name=done.name,
            csrf_token=csrf_token(done.key),
            expires_at=done.expires_at,
            needs_second_factor=done.needs_second_factor,
        )


class SessionTokenOut(BaseModel):
    """A new session of an app. Send `token` as `Authorization: Bearer …`; it is shown only here."""

    token: str = Field(examples=["aeds_jq0lKmVx3yTz8eWcA1sB5dF7gH9kL2nP4rS6tU8vX0Y"])
    person_id: Id
    name: str = Field(examples=["Wang Fang"])
    expires_at: datetime
    needs_second_factor: bool = Field(
        description="A second factor (/v1/sign-in/second-factor) is required before anything else"
    )

    @classmethod
    def of(cls, done: NewSession) -> Self:
        return cls(
            token=done.key,
            person_id=done.person_id,
            name=done.name,
            expires_at=done.expires_at,
            needs_second_factor=done.needs_second_factor,
        )


class HeldRoleOut(BaseModel):
    """A role that the person holds now."""

    role: str
    estate_id: Id | None
    region_ids: list[Id]


class ViewerOut(BaseModel):
    """The caller of the request."""

    role: str = Field(examples=["anyone", "member", "dispatcher", "administrator"])
    name: str
    scopes: list[str]
    estate_id: int | None
    region_ids: list[int]


class SignedInViewerOut(ViewerOut):
    """The signed-in person, with their roles."""

    person_id: Id
    roles: list[HeldRoleOut]
    csrf_token: str = Field(description="Send it as X-CSRF-Token with every change")


class SignInOut(BaseModel):
    """A browser in which you are signed in."""

    id: Id
    signed_in_at: datetime
    last_seen_at: datetime = Field(description="Rounded to 15 minutes")
    expires_at: datetime
    address: str | None = Field(description="IP address at sign-in")
    user_agent: str | None = Field(description="User-Agent of the browser")
    is_current: bool = Field(description="True for the session of this request")

    @classmethod
    def of(cls, row: SignIn, *, own_id: int) -> Self:
        return cls(
            id=row.id,
            signed_in_at=row.created_at,
            last_seen_at=row.last_seen_at or row.created_at,
            expires_at=row.expires_at,
            address=row.address,
            user_agent=row.user_agent,
            is_current=row.id == own_id,
        )


class SecurityEventOut(BaseModel):
    """A security event. It holds no phone number."""

    id: Id
    at: datetime
    kind: SecurityEventKind
    person_id: Id | None
    account: str | None = Field(description="The beginning of a keyed hash; equal for equal phone numbers")
    address: str | None
    detail: str | None

    @classmethod
    def of(cls, row: SecurityEvent) -> Self:
        return cls(
            id=row.id,
            at=row.at,
            kind=row.kind,
            person_id=row.person_id,
            account=row.account_key[:12] if row.account_key is not None else None,
            address=row.address,
            detail=row.detail,
        )


class SecurityEventsPage(BaseModel):
    events: list[SecurityEventOut]
    next: str | None = Field(None, description="The cursor of the next page")
