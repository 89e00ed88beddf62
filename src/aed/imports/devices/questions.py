"""Questions about duplicates: rows that may be a registered device, or the same device as an earlier row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import batched
from typing import Any, Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import InvalidInput
from aed.geo import Datum, Position, position_from
from aed.imports.batches import ROWS_AT_ONCE
from aed.imports.devices import queries, reviews
from aed.imports.devices.answers import OF_DEVICE, OF_ROW, Answers
from aed.imports.devices.import_rows import ListEntry, RegisterBefore
from aed.imports.devices.matching import Match
from aed.imports.devices.permissions import can_import_to
from aed.imports.devices.queries import Identity, RegisteredDevice
from aed.imports.devices.rules import Decision, ReviewKind, metres_apart, plain_words
from aed.imports.formats.records import Record
from aed.imports.rules import printable

MAX_QUESTIONS: Final = 1_000
SAME_POINT_METRES: Final = 1.5
SAME_WORDS_METRES: Final = 75.0
"""Registered devices with the words of a row are asked about up to this distance."""
_SAME_POINT_DIGITS: Final = 5  # about a metre

type ReadRow = tuple[Sequence[Record], ListEntry]


class Alike(StrEnum):
    """Why a row may be the same device."""

    WORDS = "words"
    SERIAL = "serial"
    POINT = "point"
    LIKENESS = "likeness"


class Unanswered(StrEnum):
    """What becomes of a row if nobody answers."""

    JOINED = "joined"
    WAITING = "waiting"
    REGISTERED = "registered"


@dataclass(frozen=True, slots=True)
class DuplicateQuestion:
    """Whether a row is the same device as a registered one or an earlier row, with both side by side."""

    number: int
    where: str
    other: str
    """`device:17` or `row:4`."""
    other_where: str
    """Where the earlier row is; empty for a registered device."""
    why: Alike
    value: str
    """The words or the serial number that both have."""
    row: Mapping[str, Any]
    """Fields of the row."""
    known: Mapping[str, Any]
    """Fields of the other one; empty if the viewer may not answer."""
    unanswered: Unanswered
    may_answer: bool = True
    answer: Decision | None = None

    def __str__(self) -> str:
        other = self.other_where or f"the registered device {self.other.removeprefix(OF_DEVICE)}"
        reason = {
            Alike.WORDS: f"Their words are the same: {self.value}.",
            Alike.SERIAL: f"Their serial numbers are the same: {self.value}.",
            Alike.POINT: "They are at the same point.",
            Alike.LIKENESS: f"{self.value[:1].upper()}{self.value[1:]}.",
        }
        return f"Is {self.where} the same device as {other}? {reason[self.why]}"


SHOWN_FIELDS: Final = (
    "place_zh",
    "place_en",
    "lat",
    "lon",
    "floor",
    "opening_hours",
    "opening_hours_raw",
    "maker",
    "model",
    "serial",
    "keeper_name",
)
"""What is shown side by side."""


def shown_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by which a person recognises a device."""
    return {name: fields[name] for name in SHOWN_FIELDS if fields.get(name) is not None}


def questions(
    session: Session,
    who: Viewer,
    entries: Sequence[ReadRow],
    *,
    matched: Sequence[tuple[Sequence[Record], ListEntry, Match]],
    new: Sequence[ReadRow],
    before: RegisterBefore,
    answers: Answers,
) -> list[DuplicateQuestion]:
    """Return what to ask about the rows of a list, in their order.

    1. Rows that match a registered device.
    2. New rows at the point of a registered device, or near it with its words or serial number, unless the
       list has this device in another row.
    3. Rows with the point, words or serial number of an earlier row. Words of two estates are not compared.

    What a person has decided before is left out; what `answers` holds is not.
    """
    found = [
        _about_device(rows, entry, match.device_id, Alike.LIKENESS, _because(match), match)
        for rows, entry, match in matched
    ]
    listed = {entry.identity for _, entry in entries}
    found += _near_registered(session, new, before=before, listed=listed)
    found += _among_rows(entries)
    found = _undecided(session, who, found, entries, answers)[:MAX_QUESTIONS]
    found.sort(key=lambda each: each.number)
    return _with_devices(session, who, found, answers)


def _because(match: Match) -> str:
    signs = sorted(match.likeness.signs, key=lambda each: -each.weight)
    return ", ".join(each.reason for each in signs if each.weight > 0) or f"{match.likeness.score:.0%}"


def _about_device(
    rows: Sequence[Record],
    entry: ListEntry,
    device_id: int,
    why: Alike,
    value: str,
    match: Match | None = None,
) -> DuplicateQuestion:
    unanswered = Unanswered.REGISTERED
    if match is not None:
        unanswered = Unanswered.JOINED if match.is_sure else Unanswered.WAITING
    return DuplicateQuestion(
        number=rows[0].number,
        where=entry.where,
        other=f"{OF_DEVICE}{device_id}",
        other_where="",
        why=why,
        value=value,
        row=entry.fields,
        known={},
        unanswered=unanswered,
    )


def _near_registered(
    session: Session, new: Sequence[ReadRow], *, before: RegisterBefore, listed: Collection[Identity]
) -> list[DuplicateQuestion]:
    found: list[DuplicateQuestion] = []
    if not before.last_device_id:
        return found
    placed = [(rows, entry, here) for rows, entry in new if (here := _position(entry.fields)) is not None]
    for batch in batched(placed, ROWS_AT_ONCE):
        places = [here for _, _, here in batch]
        near = queries.devices_near(
            session, places, within_metres=SAME_WORDS_METRES, up_to_id=before.last_device_id
        )
        devices = queries.registered_devices(session, {device_id for _, device_id in near})
        own = {
            record.device_id
            for record in queries.records_of(session, devices.keys())
            if (record.source, record.source_id) in listed
        }
        for index, device_id in near:
            rows, entry, here = batch[index]
            device = devices[device_id]
            if device_id in own or (device.source, device.source_id) in listed:
                continue
            why, value = _same_as_registered(entry.fields, here, device)
            if why is not None:
                found.append(_about_device(rows, entry, device_id, why, value))
    return found


def _same_as_registered(
    fields: Mapping[str, Any], here: Position, device: RegisteredDevice
) -> tuple[Alike | None, str]:
    metres = metres_apart({"lat": here.lat, "lon": here.lon}, {"lat": device.lat, "lon": device.lon})
    if metres > SAME_WORDS_METRES:
        return None, ""
    if fields.get("serial") and device.serial and plain_words(fields["serial"]) == plain_words(device.serial):
        return Alike.SERIAL, printable(device.serial, 80)
    for words in (device.place_zh, device.place_en):
        if words and plain_words(words) in _plain_places(fields):
            return Alike.WORDS, printable(words, 80)
    return (Alike.POINT, "") if metres <= SAME_POINT_METRES else (None, "")


def _plain_places(fields: Mapping[str, Any]) -> set[str]:
    return {plain_words(str(fields[name])) for name in ("place_zh", "place_en") if fields.get(name)}


def _among_rows(entries: Iterable[ReadRow]) -> list[DuplicateQuestion]:
    """Return the rows that have the words, the serial number or the point of an earlier row."""
    first: dict[tuple[object, ...], tuple[int, ListEntry]] = {}
    found: list[DuplicateQuestion] = []
    for rows, entry in entries:
        values = _compared_values(entry.fields)
        same = next((each for each in values if each in first), None)
        if same is not None:
            number, earlier = first[same]
            found.append(
                DuplicateQuestion(
                    number=rows[0].number,
                    where=entry.where,
                    other=f"{OF_ROW}{number}",
                    other_where=earlier.where,
                    why=Alike(str(same[0])),
                    value="" if same[0] is Alike.POINT else printable(str(same[1]), 80),
                    row=entry.fields,
                    known=earlier.fields,
                    unanswered=Unanswered.REGISTERED,
                )
            )
        for each in values:
            first.setdefault(each, (rows[0].number, entry))
    return found


def _compared_values(fields: Mapping[str, Any]) -> list[tuple[object, ...]]:
    words = " ".join(str(fields[name]) for name in ("place_zh", "place_en") if fields.get(name))
    estate = fields.get("estate_source"), fields.get("estate")
    values: list[tuple[object, ...]] = [(Alike.WORDS, words, estate)] if words else []
    if fields.get("serial"):
        values.append((Alike.SERIAL, fields["serial"]))
    here = _position(fields)
    if here is None:
        return values
    return [*values, (Alike.POINT, round(here.lat, _SAME_POINT_DIGITS), round(here.lon, _SAME_POINT_DIGITS))]


def _position(fields: Mapping[str, Any]) -> Position | None:
    try:
        return position_from(fields["lat"], fields["lon"], Datum(fields.get("datum") or Datum.WGS84))
    except InvalidInput:
        return None


def _undecided(
    session: Session,
    who: Viewer,
    found: Sequence[DuplicateQuestion],
    entries: Sequence[ReadRow],
    answers: Answers,
) -> list[DuplicateQuestion]:
    """Return the questions that no person has decided before, one for each pair.

    Rows that are two registered devices are merged by administrators alone.
    """
    asked = {each.number for each in found}
    asked |= {int(each.other.removeprefix(OF_ROW)) for each in found if each.other.startswith(OF_ROW)}
    identities = {
        rows[0].number: entry.identity for rows, entry in entries if rows and rows[0].number in asked
    }
    devices = {
        identity: each.device_id
        for identity, each in queries.record_states(session, set(identities.values())).items()
    }
    different = {
        (review.source, review.source_id, review.device_id)
        for some in batched(identities.values(), ROWS_AT_ONCE)
        for review in reviews.reviews_of_records(session, some, ReviewKind.DUPLICATE)
        if review.decision is Decision.DIFFERENT
    }
    rest: dict[tuple[int, str], DuplicateQuestion] = {}
    for each in found:
        identity = identities[each.number]
        device_id = int(each.other.partition(":")[2])
        if each.other.startswith(OF_ROW):
            known = devices.get(identities.get(device_id, ("", "")))
            if known is not None and (devices.get(identity) == known or (*identity, known) in different):
                continue
            if known is not None and devices.get(identity) is not None and not who.is_administrator:
                rest.setdefault((each.number, each.other), replace(each, known={}, may_answer=False))
                continue
        elif (*identity, device_id) in different and each.other not in answers.get(each.number, {}):
            continue
        rest.setdefault((each.number, each.other), each)
    return list(rest.values())


def _with_devices(
    session: Session, who: Viewer, found: Sequence[DuplicateQuestion], answers: Answers
) -> list[DuplicateQuestion]:
    """Add the registered devices, where the viewer may answer about them, and the answers."""
    ids = {int(each.other.removeprefix(OF_DEVICE)) for each in found if each.other.startswith(OF_DEVICE)}
    places = {each.id: each for each in queries.places_of_devices(session, ids)}
    devices = queries.registered_devices(session, ids)
    asked = []
    for each in found:
        answer = answers.get(each.number, {}).get(each.other)
        known, may_answer = each.known, each.may_answer
        if each.other.startswith(OF_DEVICE):
            device = devices[int(each.other.removeprefix(OF_DEVICE))]
            place = places[device.id]
            may_answer = can_import_to(who, estate_id=place.estate_id, region_id=place.region_id)
            known = device._asdict() if may_answer else {}
        asked.append(
            replace(
                each,
                value=each.value if may_answer else "",
                known=known,
                may_answer=may_answer,
                answer=answer,
            )
        )
    return asked
