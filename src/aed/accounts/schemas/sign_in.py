"""Signing in and who is asking, as they cross the boundary."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from aed.accounts.rules.sign_in import LONGEST_PASSWORD
from aed.accounts.schemas.fields import Id
from aed.accounts.schemas.people import WrittenPhone

Password = Annotated[SecretStr, Field(min_length=1, max_length=LONGEST_PASSWORD)]
OneTimeCode = Annotated[SecretStr, Field(min_length=1, max_length=20)]


class SignInIn(BaseModel):
    """A number, and either its password or the code that was sent to it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"phone": "+86 138 0013 8000", "password": "a long pass phrase"}]},
    )

    phone: WrittenPhone
    password: Password | None = None
    code: OneTimeCode | None = None
    new_password: Password | None = Field(
        None, description="With a code: the password from now on; every other sign-in ends"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.password is None) == (self.code is None):
            raise ValueError("give either the password or the code")
        if self.new_password is not None and self.code is None:
            raise ValueError("a new password is set with a code, also when the old one is known")
        return self


class CodeIn(BaseModel):
    """A number that wants a code."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"phone": "138 0013 8000"}]})

    phone: WrittenPhone


class CodeOut(BaseModel):
    """The same for every number, whether an account has it or not."""

    detail: str
    good_for_minutes: int


class SignedInOut(BaseModel):
    """Who is signed in now, by a cookie. `csrf_token` goes into X-CSRF-Token of every change."""

    person_id: Id
    name: str
    csrf_token: str
    expires_at: datetime
    needs_second_factor: bool = Field(
        description="Until it is given (/v1/sign-in/second-factor) this sign-in is good for nothing else"
    )


class HeldRoleOut(BaseModel):
    """A role as it is held now."""

    role: str
    estate_id: Id | None
    region_ids: list[Id]


class ViewerOut(BaseModel):
    """Who the caller is, as the server understands it."""

    role: str = Field(examples=["anyone", "member", "dispatcher", "administrator"])
    name: str
    scopes: list[str]
    estate_id: int | None
    region_ids: list[int]


class SignedInViewerOut(ViewerOut):
    """The same of a person, with what is held now."""

    person_id: Id
    roles: list[HeldRoleOut]
    csrf_token: str = Field(description="For X-CSRF-Token of every change")
