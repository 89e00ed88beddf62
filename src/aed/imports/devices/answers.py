"""A person's answers to questions about duplicates in a list."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import InvalidInput, NotAllowed
from aed.imports.devices import queries
from aed.imports.devices.import_rows import ListEntry
from aed.imports.devices.permissions import can_import_to
from aed.imports.devices.queries import Identity
from aed.imports.devices.rules import Decision
from aed.imports.formats.records import Record
from aed.registry.devices.rules import DeviceState

type Answers = Mapping[int, Mapping[str, Decision]]
"""{row's number in the file: {`device:17` or `row:4`: same or different}}."""

MAX_ANSWERS: Final = 2_000
OF_DEVICE: Final = "device:"
OF_ROW: Final = "row:"
_OTHER: Final = re.compile(r"(device|row):([1-9][0-9]{0,17})")
_ANSWERS: Final = (Decision.SAME, Decision.DIFFERENT)


def with_answer(answers: Answers, row: str, other: str, answer: str) -> Answers:
    """Return the answers with one more; an empty answer takes an earlier one back. Raises InvalidInput.

    A row is the same device as one other at most, so a later "same" replaces an earlier one.
    """
    match = _OTHER.fullmatch(other)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", row) or match is None:
        raise InvalidInput(
            "An answer about a duplicate names a row and an AED or an earlier row, such as 12 and device:17, "
            "or 12 and row:4.",
            field="answer",
        )
    number = int(row)
    if match[1] == "row" and int(match[2]) >= number:
        raise InvalidInput(
            "Row {row} can only be compared with an earlier row, not with row {other}.",
            field="answer",
            row=number,
            other=int(match[2]),
        )
    if answer and answer not in _ANSWERS:
        raise InvalidInput(
            "The answer about row {row} must be same or different.", field="answer", row=number
        )
    given = {name: each for name, each in answers.get(number, {}).items() if name != other}
    if answer == Decision.SAME:
        given = {name: each for name, each in given.items() if each is not Decision.SAME}
    if answer:
        given[other] = Decision(answer)
    rest = {each: some for each, some in answers.items() if each != number}
    if given and len(rest) >= MAX_ANSWERS:
        raise InvalidInput("At most {most} rows can be answered.", field="answer", most=MAX_ANSWERS)
    return {**rest, number: given} if given else rest


def answers_from(given: Mapping[str, Mapping[str, str]]) -> Answers:
    """Return answers that were stored as JSON."""
    return {int(row): {name: Decision(each) for name, each in some.items()} for row, some in given.items()}


def answers_as_json(answers: Answers) -> dict[str, dict[str, str]]:
    return {
        str(row): {name: each.value for name, each in sorted(some.items())}
        for row, some in sorted(answers.items())
    }


def devices_in(answers: Answers) -> set[int]:
    """Return the ids of the registered devices that answers name."""
    return {
        int(name.removeprefix(OF_DEVICE))
        for some in answers.values()
        for name in some
        if name.startswith(OF_DEVICE)
    }


def require_may_answer(session: Session, who: Viewer, answers: Answers) -> None:
    """Require that the viewer imports for the estates of the devices that they answered about.

    Raises InvalidInput for a device that does not exist or is withdrawn, and NotAllowed.
    """
    ids = devices_in(answers)
    places = {each.id: each for each in queries.places_of_devices(session, ids)}
    for device_id in sorted(ids):
        place = places.get(device_id)
        if place is None or place.state is DeviceState.WITHDRAWN:
            raise InvalidInput(
                "There is no AED {device_id} any more that a row could be. Look at the list again.",
                field="answer",
                device_id=device_id,
            )
        if not can_import_to(who, estate_id=place.estate_id, region_id=place.region_id):
            raise NotAllowed(
                "AED {device_id} is of an estate that you do not manage. Leave it to the administrator.",
                device_id=device_id,
            )


@dataclass
class AnsweredRows:
    """The answers of a person, by the identities that the rows turn out to have."""

    answers: Answers
    held: list[tuple[Sequence[Record], ListEntry]] = field(default_factory=list)
    """Rows that are the device of an earlier row: imported after all others."""
    _identities: dict[int, Identity] = field(default_factory=dict)
    _same: dict[Identity, int] = field(default_factory=dict)
    _different: dict[Identity, set[int]] = field(default_factory=dict)

    def others(
        self, entries: Iterable[tuple[Sequence[Record], ListEntry]]
    ) -> Iterator[tuple[Sequence[Record], ListEntry]]:
        """Yield the rows that are not held."""
        asked = {
            int(name.removeprefix(OF_ROW))
            for some in self.answers.values()
            for name in some
            if name.startswith(OF_ROW)
        } | set(self.answers)
        for rows, entry in entries:
            number = rows[0].number
            if number in asked:
                self._identities[number] = entry.identity
                self._add_devices(entry.identity, self.answers.get(number, {}))
            if self._earlier(number) in self._identities:
                self.held.append((rows, entry))
            else:
                yield rows, entry

    def _add_devices(self, identity: Identity, given: Mapping[str, Decision]) -> None:
        for name, answer in given.items():
            if not name.startswith(OF_DEVICE):
                continue
            device_id = int(name.removeprefix(OF_DEVICE))
            if answer is Decision.SAME:
                self._same[identity] = device_id
            else:
                self._different.setdefault(identity, set()).add(device_id)

    def _earlier(self, number: int) -> int | None:
        """Return the earlier row that a row is the same device as."""
        given = self.answers.get(number, {})
        return next(
            (
                int(name.removeprefix(OF_ROW))
                for name, answer in given.items()
                if answer is Decision.SAME and name.startswith(OF_ROW)
            ),
            None,
        )

    def resolve_rows(self, session: Session) -> None:
        """Take the devices of the earlier rows, once these are imported."""
        known = queries.record_states(session, self._identities.values())
        devices = {identity: each.device_id for identity, each in known.items()}
        for number in sorted(self._identities):
            identity = self._identities[number]
            earlier = self._earlier(number)
            first = self._identities.get(earlier) if earlier is not None else None
            if first is not None:
                device_id = self._same.get(first) or devices.get(first)
                if device_id is not None:
                    self._same[identity] = device_id
            for name, answer in self.answers.get(number, {}).items():
                other = self._identities.get(int(name.removeprefix(OF_ROW))) if OF_ROW in name else None
                device_id = devices.get(other) if other is not None else None
                if answer is Decision.DIFFERENT and device_id is not None:
                    self._different.setdefault(identity, set()).add(device_id)

    def same_device(self, identity: Identity) -> int | None:
        """Return the registered device that a row is, by an answer."""
        return self._same.get(identity)

    def different(self, identities: Collection[Identity]) -> set[tuple[str, str, int]]:
        """Return the pairs that are different by an answer, as (source, source_id, device id)."""
        return {
            (*identity, device_id)
            for identity in identities
            for device_id in self._different.get(identity, ())
        }

    def decisions(self) -> list[tuple[Identity, int, Decision]]:
        """Return each answered pair of a row and a device."""
        found = [(identity, device_id, Decision.SAME) for identity, device_id in self._same.items()]
        for identity, some in self._different.items():
            found += [(identity, device_id, Decision.DIFFERENT) for device_id in sorted(some)]
        return found
