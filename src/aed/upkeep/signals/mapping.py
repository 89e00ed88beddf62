"""Translating a vendor's messages into signals, by a mapping that is kept as data."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from aed.errors import InvalidInput
from aed.upkeep.signals.rules import Door, ReadingKind, ReadingValue, SelfTest

MAX_MESSAGES: Final = 500
"""Messages in one request."""


def _check_printable(text: str) -> str:
    """Return a text without control characters: PostgreSQL stores no NUL. Raises ValueError."""
    if not text.isprintable():
        raise ValueError(f"{text!r} must not contain control characters")
    return text


Pointer = Annotated[
    str,
    Field(pattern="^(/[^/]*)*$", max_length=300, examples=["/data/battery"]),
    AfterValidator(_check_printable),
]
"""A JSON Pointer (RFC 6901): keys and indexes, each after a slash; empty for the whole."""
VendorValue = Annotated[str, AfterValidator(_check_printable)]
"""A value as the vendor writes it."""


SERIAL_LEVEL: Final = "{serial}"
"""The level of a topic that is the device's serial number."""


def _check_topic(topic: str) -> str:
    """Return a topic if it is well formed. Raises ValueError with what would be right."""
    levels = topic.split("/")
    wrong = [
        each
        for each in levels
        if each not in ("+", "#", SERIAL_LEVEL) and any(mark in each for mark in "+#{}")
    ]
    if wrong or "#" in levels[:-1] or levels.count(SERIAL_LEVEL) > 1:
        raise ValueError(
            f"'{topic}' must be names between slashes, + for any one, {SERIAL_LEVEL} once, # at the end"
        )
    if not topic.isprintable() or levels[0].startswith("$") or levels[0] == "#":
        raise ValueError(f"'{topic}' must begin with a name, + or {SERIAL_LEVEL}, without control characters")
    return topic


Topic = Annotated[
    str,
    Field(min_length=1, max_length=200, examples=["cabinets/{serial}/status"]),
    AfterValidator(_check_topic),
]
"""A topic filter of MQTT, in which one level may be the device's serial number."""


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
    values: dict[VendorValue, str | float | bool] | None = Field(None, max_length=50)
    factor: FiniteFloat = 1
    offset: FiniteFloat = 0


class SourceMapping(BaseModel):
    """Where the messages of a vendor have what. Paths are JSON Pointers (RFC 6901)."""

    model_config = ConfigDict(extra="forbid")

    signature: Signature | None = Field(None, description="Without it, the source sends over MQTT alone")
    topics: list[Topic] = Field([], max_length=20, description="Topics of MQTT; none: over HTTP alone")
    messages: Pointer = Field("", description="The message, or the list of messages, in the body")
    serial: Pointer | None = Field(
        None, description="The device's serial number; default: the level {serial} of the topic"
    )
    id: Pointer | None = Field(
        None, description="The message's own id; default: a digest of the message, which then needs a time"
    )
    at: TimePath | None = Field(None, description="When it was made; default: when it arrives")
    readings: dict[ReadingKind, ReadingPath] = Field(min_length=0, max_length=len(ReadingKind))

    @model_validator(mode="after")
    def _check_origin(self) -> Self:
        if self.signature is None and not self.topics:
            raise ValueError("give a signature for messages over HTTP, or topics for messages over MQTT")
        if self.serial is None and (
            self.signature is not None or any(SERIAL_LEVEL not in each.split("/") for each in self.topics)
        ):
            raise ValueError(f"give serial, or {SERIAL_LEVEL} as a level of each topic and no signature")
        if self.id is None and self.at is None:
            raise ValueError("give id or at: without either, a message that is repeated counts twice")
        return self

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


def subscription(topic: str) -> str:
    """Return the topic filter to subscribe to: `{serial}` is any one level there."""
    return topic.replace(SERIAL_LEVEL, "+")


def serial_in_topic(mapping: SourceMapping, topic: str) -> tuple[bool, str | None]:
    """Return whether a topic is one of the mapping's, and the serial number in it, if it has one."""
    for each in mapping.topics:
        parts = [_LEVELS.get(level, re.escape(level)) for level in each.split("/")]
        pattern = "/".join(parts).replace("/.*", "(?:/.*)?")  # a/# includes a
        if found := re.fullmatch(pattern, topic, re.DOTALL):
            return True, found.groupdict().get("serial")
    return False, None


_LEVELS: Final = {"+": "[^/]*", "#": ".*", SERIAL_LEVEL: "(?P<serial>[^/]*)"}


def messages_in(
    mapping: SourceMapping, body: object, *, topic_serial: str | None = None
) -> list[VendorMessage]:
    """Return the messages of a body, translated. `topic_serial` is the serial number in an MQTT topic.

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
    return [_message(mapping, each, topic_serial) for each in items]


def _message(mapping: SourceMapping, item: object, topic_serial: str | None) -> VendorMessage:
    serial = topic_serial if mapping.serial is None else _text(value_at(item, mapping.serial))
    if not serial or not serial.isprintable():
        raise InvalidInput(
            "Each message needs a serial number at {serial}.",
            field="body",
            serial=mapping.serial or SERIAL_LEVEL,
        )
    moment = _moment(mapping.at, item)
    key = _digest(item) if mapping.id is None else _text(value_at(item, mapping.id))
    if not key or len(key) > 64 or not key.isprintable():
        raise InvalidInput(
            "Each message needs an id of at most 64 characters at {id}.", field="body", id=mapping.id or ""
        )
    if mapping.id is None and moment is None:
        raise InvalidInput(
            "Each message without an id needs a time at {at}.",
            field="body",
            at=mapping.at.path if mapping.at is not None else "",
        )
    readings = {
        kind: value
        for kind, path in mapping.readings.items()
        if (value := _reading(kind, path, value_at(item, path.path))) is not None
    }
    return VendorMessage(serial, key, moment, readings)


def _digest(item: object) -> str:
    """Return an id for a message without one: the same message again has the same. Raises InvalidInput."""
    try:
        content = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # orjson reads more levels than it writes
        raise InvalidInput(
            "The message has too many levels of lists and objects within each other.", field="body"
        ) from None
    return "sha256:" + hashlib.sha256(content).hexdigest()[:48]


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
