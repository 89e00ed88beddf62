"""Translating a vendor's messages into signals, by a mapping that is kept as data."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.errors import InvalidInput
from aed.upkeep.signals.rules import Door, ReadingKind, ReadingValue, SelfTest

MAX_MESSAGES: Final = 500
"""Messages in one request."""

Pointer = Annotated[str, Field(pattern="^(/[^/]*)*$", max_length=300, examples=["/data/battery"])]
"""A JSON Pointer (RFC 6901): keys and indexes, each after a slash; empty for the whole."""


class SignatureScheme(StrEnum):
    """How a vendor proves that a message is theirs, in a header of the request."""

    SECRET = "secret"
    """The header is the secret itself."""
    HMAC_SHA256 = "hmac-sha256"
    """The header is the HMAC-SHA256 of the body in hexadecimal, with or without `sha256=` before it."""


class Signature(BaseModel):
    """The header that proves where a message comes from."""

    model_config = ConfigDict(extra="forbid")

    header: str = Field(pattern="^[A-Za-z0-9-]{1,64}$", examples=["X-Signature"])
    scheme: SignatureScheme = SignatureScheme.HMAC_SHA256


class TimeFormat(StrEnum):
    """How a vendor writes a time."""

    ISO = "iso"
    """ISO 8601; without an offset, UTC."""
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    """Since 1970-01-01 UTC."""


class TimePath(BaseModel):
    model_config = ConfigDict(extra="forbid")

    path: Pointer
    format: TimeFormat = TimeFormat.ISO


class ReadingPath(BaseModel):
    """Where a reading is, and how the vendor writes it.

    `values` translates the vendor's values (as text) into ours; a value that is not listed says nothing.
    Numbers are multiplied by `factor`, then `offset` is added.
    """

    model_config = ConfigDict(extra="forbid")

    path: Pointer
    values: dict[str, str | float | bool] | None = Field(None, max_length=50)
    factor: float = 1
    offset: float = 0


class SourceMapping(BaseModel):
    """Where the messages of a vendor have what. Paths are JSON Pointers (RFC 6901)."""

    model_config = ConfigDict(extra="forbid")

    signature: Signature
    messages: Pointer = Field("", description="The message, or the list of messages, in the body")
    serial: Pointer = Field(description="The device's serial number")
    id: Pointer = Field(description="The message's own id")
    at: TimePath | None = Field(None, description="When it was made; default: when it arrives")
    readings: dict[ReadingKind, ReadingPath] = Field(min_length=0, max_length=len(ReadingKind))

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        for kind, path in self.readings.items():
            for value in (path.values or {}).values():
                if _checked(kind, value) is None:
                    raise ValueError(f"readings: {value!r} is no value of {kind}")
        return self


@dataclass(frozen=True, slots=True)
class VendorMessage:
    """One message of a vendor, translated."""

    serial: str
    key: str
    at: datetime | None
    readings: dict[ReadingKind, ReadingValue]


def is_signed(signature: Signature, secret: str, sent: str | None, body: bytes) -> bool:
    """Return whether the header that was sent proves that the body is of the holder of the secret."""
    if sent is None:
        return False
    expected = secret
    if signature.scheme is SignatureScheme.HMAC_SHA256:
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        sent = sent.removeprefix("sha256=").lower()
    return hmac.compare_digest(expected.encode(), sent.encode("utf-8", "surrogateescape"))


def messages_in(mapping: SourceMapping, body: object) -> list[VendorMessage]:
    """Return the messages of a body, translated.

    A reading that is missing, or that cannot be understood, is left out: what else the message says counts.
    Raises InvalidInput without messages, for too many, and for one without a serial number or an id.
    """
    found = value_at(body, mapping.messages)
    items: Sequence[object] = found if isinstance(found, list) else [found]
    if found is None or len(items) > MAX_MESSAGES:
        raise InvalidInput(
            "At {path} there must be a message, or a list of at most {max_messages}.",
            field="body",
            path=mapping.messages or "/",
            max_messages=MAX_MESSAGES,
        )
    return [_message(mapping, each) for each in items]


def _message(mapping: SourceMapping, item: object) -> VendorMessage:
    serial, key = (_text(value_at(item, path)) for path in (mapping.serial, mapping.id))
    if not serial or not key or len(key) > 64:
        raise InvalidInput(
            "Each message needs a serial number at {serial} and an id of at most 64 characters at {id}.",
            field="body",
            serial=mapping.serial,
            id=mapping.id,
        )
    readings = {
        kind: value
        for kind, path in mapping.readings.items()
        if (value := _reading(kind, path, value_at(item, path.path))) is not None
    }
    return VendorMessage(serial, key, _moment(mapping.at, item), readings)


def value_at(document: object, pointer: str) -> object:
    """Return what a JSON Pointer (RFC 6901) leads to; None if nothing is there."""
    here = document
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict):
            here = here.get(name)
        elif isinstance(here, list) and name.isdecimal() and int(name) < len(here):
            here = here[int(name)]
        else:
            return None
    return here


def _text(value: object) -> str | None:
    """Return a value as text, as it is listed in `values`: JSON's true is `true`, 1.0 is `1`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() if isinstance(value, str | int | float) else None


def _reading(kind: ReadingKind, path: ReadingPath, value: object) -> ReadingValue | None:
    text = _text(value)
    if text is None:
        return None
    if path.values is not None:
        return _checked(kind, path.values.get(text))
    if kind in (ReadingKind.BATTERY, ReadingKind.TEMPERATURE):
        try:
            return _checked(kind, float(text) * path.factor + path.offset)
        except ValueError:
            return None
    return _checked(kind, value)


def _checked(kind: ReadingKind, value: Any) -> ReadingValue | None:  # Any: whatever JSON holds
    """Return a value if it is one of that kind of reading, or None."""
    match kind:
        case ReadingKind.SELF_TEST:
            return value if value in tuple(SelfTest) else None
        case ReadingKind.DOOR:
            return value if value in tuple(Door) else None
        case ReadingKind.MOVED:
            return value if isinstance(value, bool) else None
        case ReadingKind.BATTERY | ReadingKind.TEMPERATURE:
            low, high = (0, 100) if kind is ReadingKind.BATTERY else (-100, 150)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return value if is_number and low <= value <= high else None


def _moment(path: TimePath | None, item: object) -> datetime | None:
    """Return the message's time; None if it has none that can be read."""
    text = _text(value_at(item, path.path)) if path is not None else None
    if path is None or text is None:
        return None
    try:
        if path.format is TimeFormat.ISO:
            moment = datetime.fromisoformat(text)
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        divisor = 1_000 if path.format is TimeFormat.MILLISECONDS else 1
        return datetime.fromtimestamp(float(text) / divisor, UTC)
    except (ValueError, OverflowError, OSError):
        return None
