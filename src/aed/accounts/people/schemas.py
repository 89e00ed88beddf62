"""People in requests and responses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Code, Id, Name
from aed.accounts.people.models import Account, Identity, Person, PersonChange
from aed.accounts.people.rules import Language, PhoneChannel
from aed.accounts.roles.schemas import RoleIn

WrittenPhone = Annotated[
    str,
    Field(
        min_length=3,
        max_length=64,
        description="In any common form; without a country code, that of the region applies",
    ),
]

Email = Annotated[
    str,
    Field(
        min_length=3,
        max_length=254,
        pattern=r"^[^@\s]+@[^@\s]+$",
        description="E-mail address by which the operator's identity provider may identify the person",
    ),
]


class PersonIn(BaseModel):
    """A person to add, who can then sign in by code."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "王芳", "phone": "+44 7911 123456", "language": "zh", "channel": "sms"},
                {
                    "name": "Li Wei",
                    "phone": "138 0013 8001",
                    "region": "CN-33",
                    "language": "en",
                    "role": {"role": "responder", "region": "CN-33"},
                },
            ]
        },
    )

    name: Name
    phone: WrittenPhone
    region: Code | None = Field(None, description="Region whose country code applies to a number without one")
    email: Email | None = None
    language: Language = Language.ZH
    channel: PhoneChannel = PhoneChannel.SMS
    role: RoleIn | None = Field(
        None, description="A role to grant; only a network administrator may leave it out"
    )


class PersonAmend(BaseModel):
    """Fields to amend.

    Phone and e-mail address are used to sign in: only a network administrator may change them."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "王芳芳", "language": "en"}]}
    )

    name: Name | None = None
    phone: WrittenPhone | None = None
    region: Code | None = Field(None, description="Region whose country code applies to a number without one")
    email: Email | None = Field(None, description="null removes it")
    language: Language | None = None
    channel: PhoneChannel | None = None


class PersonOut(BaseModel):
    """A person."""

    id: Id
    name: str
    phone: str | None
    email: str | None
    language: str
    channel: PhoneChannel
    has_account: bool
    has_password: bool
    version: int

    @classmethod
    def of(cls, person: Person, account: Account | None) -> PersonOut:
        return cls(
            id=person.id,
            name=person.name,
            phone=account.phone if account is not None else person.phone,
            email=account.email if account is not None else None,
            language=person.language,
            channel=person.channel,
            has_account=account is not None,
            has_password=account is not None and account.password_hash is not None,
            version=person.version,
        )


class PeoplePage(BaseModel):
    """A page of people, ordered by id; `next` is the cursor of the next page."""

    people: list[PersonOut]
    next: str | None = None


class PersonChangeOut(BaseModel):
    """A change of a person. Numbers are masked."""

    at: datetime
    who: str
    fields: dict[str, Any]

    @classmethod
    def of(cls, change: PersonChange) -> PersonChangeOut:
        return cls(at=change.at, who=change.who, fields=change.fields)


class IdentityOut(BaseModel):
    """An identity provider through which the person signs in."""

    provider: str
    linked_at: datetime
    linked_by: str = Field(
        description="The claim by which the identity was linked: phone_number or email; or added"
    )

    @classmethod
    def of(cls, identity: Identity) -> IdentityOut:
        return cls(provider=identity.provider, linked_at=identity.linked_at, linked_by=identity.linked_by)
