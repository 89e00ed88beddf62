"""Merge what all sources claim about a device, attribute by attribute; ask a person about conflicts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import InvalidInput
from aed.imports.batches import EstateIds
from aed.imports.devices import queries, reviews
from aed.imports.devices.likeness import DeviceLikeness
from aed.imports.devices.models import Review
from aed.imports.devices.queries import RegisteredDevice, StoredRecord
from aed.imports.devices.rules import (
    ClaimConflict,
    DecidedConflict,
    Decision,
    ListedRecord,
    MergedClaims,
    Ranks,
    ReviewKind,
    SourceClaim,
    claims_of,
    merge,
)
from aed.registry.changes import PutOutcome
from aed.registry.devices.lists import ImportedDevice, save_devices
from aed.registry.devices.origins import Origin, Origins, origins_in
from aed.registry.devices.rules import EXPIRY, ConsumableKind, DeviceState
from aed.registry.devices.schemas import DeviceIn, KeeperIn
from aed.registry.fields import PositionIn

NO_LONGER_LISTED: Final = "No longer listed by "
"""Prefix of the reason of devices that are out of service because no list contains them any more."""

_KIND_BY_EXPIRY_FIELD: Final = {name: kind for kind, name in EXPIRY.items()}


@dataclass(frozen=True, slots=True)
class MergeResult:
    """The outcome of merging claims into a device."""

    outcome: PutOutcome
    changes: Mapping[str, tuple[Any, Any]]
    """{attribute: (before, now)}."""
    conflicts: tuple[ClaimConflict, ...]


def apply_claims(
    session: Session,
    who: Viewer,
    device_ids: Collection[int],
    *,
    ranks: Ranks,
    estates: EstateIds,
    at: datetime,
) -> dict[int, MergeResult]:
    """Merge the claims of all sources into these devices; open reviews about conflicts.

    A device that no source lists any more stays as it is.
    """
    devices = queries.registered_devices(session, device_ids)
    records = _by_device(queries.records_of(session, device_ids))
    expiry = queries.fitted_expiry(session, device_ids)
    settled = decided_conflicts(session, device_ids)
    given: dict[int, ImportedDevice] = {}
    found: dict[int, tuple[MergedClaims, dict[str, tuple[Any, Any]]]] = {}
    for device_id in sorted(device_ids):
        device, stored = devices[device_id], records.get(device_id, [])
        listed = [_listed(each, estates) for each in stored if each.gone_since is None]
        if not listed:
            continue
        merged, present, origins = _merged(
            device, listed, stored, expiry.get(device_id, {}), ranks=ranks, settled=settled.get(device_id, ())
        )
        changes = {
            name: (present.get(name), one.value)
            for name, one in merged.holds.items()
            if one.source_id and not _is_current(name, one.value, present, expiry.get(device_id, {}))
        }
        if is_out_by_absence(device) and "state" not in merged.holds:
            changes["state"] = ({"state": str(device.state)}, {"state": str(DeviceState.IN_SERVICE)})
        given[device_id] = _device_input(device, changes, _origins(merged, origins, changes, at))
        found[device_id] = merged, changes
    put = save_devices(session, who, list(given.values()), at=at)
    open_conflict_reviews(
        session, {device_id: merged.conflicts for device_id, (merged, _) in found.items()}, at=at
    )
    return {
        device_id: MergeResult(outcome, found[device_id][1], found[device_id][0].conflicts)
        for device_id, outcome in put
    }


def claims_from_sources(claims: Mapping[str, Any], *, source: str, source_id: str) -> ImportedDevice:
    """Return the fields of a new device from its only source."""
    return ImportedDevice(
        device=DeviceIn(source=source, source_id=source_id, **_fields(claims)),
        expiry=_expiry(claims),
        is_withdrawn=_is_withdrawn(claims),
    )


def resolved_claims(fields: Mapping[str, Any], source: str, estates: EstateIds) -> dict[str, Any]:
    """Return a record's claims with the register's id of its estate; raise InvalidInput for none."""
    claims = claims_of(fields)
    named = claims.get("belongs_to", {})
    if "estate" in named:
        claims["belongs_to"] = {"estate_id": estates.id_of(named["estate_source"] or source, named["estate"])}
    if "keeper" in claims and "keeper_name" not in claims["keeper"]:
        raise InvalidInput("keeper_phone is given without keeper_name.", field="keeper_phone")
    return claims


def is_out_by_absence(device: RegisteredDevice) -> bool:
    """Return whether the device is out of service only because no list has it."""
    reason = device.out_of_service_reason or ""
    return device.state is DeviceState.OUT_OF_SERVICE and reason.startswith(NO_LONGER_LISTED)


# --- Claims ---------------------------------------------------------------------------------------------


def _by_device(records: Iterable[StoredRecord]) -> dict[int, list[StoredRecord]]:
    found: dict[int, list[StoredRecord]] = {}
    for record in records:
        found.setdefault(record.device_id or 0, []).append(record)
    return found


def _listed(record: StoredRecord, estates: EstateIds) -> ListedRecord:
    try:
        claims = resolved_claims(record.fields, record.source, estates)
    except InvalidInput:  # an estate that is no longer registered
        claims = claims_of({name: value for name, value in record.fields.items() if name != "estate"})
    return ListedRecord(record.source, record.source_id, claims)


def _merged(
    device: RegisteredDevice,
    listed: Sequence[ListedRecord],
    stored: Sequence[StoredRecord],
    expiry: Mapping[ConsumableKind, Sequence[date]],
    *,
    ranks: Ranks,
    settled: Sequence[DecidedConflict],
) -> tuple[MergedClaims, dict[str, Any], Origins]:
    origins = origins_in(device.origins, device.source)
    present = _present(device, expiry)
    live = {each.source for each in listed}
    known = {each.source for each in stored}
    named = {origins.others.source, *(origin.source for origin in origins.named.values())}
    # The device's own source may predate the stored records; assume that it still lists the device.
    gone = frozenset((named | known) - live - ({device.source} - known))
    merged = merge(listed, present=present, origins=origins, gone=gone, ranks=ranks, settled=settled)
    return merged, present, origins


def _present(device: RegisteredDevice, expiry: Mapping[ConsumableKind, Sequence[date]]) -> dict[str, Any]:
    """Return the device's current values as claims, except out of service for not being listed."""
    checked = device.last_checked_on
    present: dict[str, Any] = {
        "position": {
            "lat": device.lat,
            "lon": device.lon,
            "given": [device.origin_lat, device.origin_lon, str(device.origin_datum)],
        },
        "belongs_to": {"estate_id": device.estate_id} if device.estate_id else {"region": device.region},
        "place_en": device.place_en,
        "place_zh": device.place_zh,
        "floor": device.floor,
        "entry": str(device.entry),
        "access_instructions_en": device.access_instructions_en,
        "access_instructions_zh": device.access_instructions_zh,
        "cabinet": str(device.cabinet),
        "maker": device.maker,
        "model": device.model,
        "serial": device.serial,
        "registration_number": device.registration_number,
        "udi_di": device.udi_di,
        "manufactured_on": device.manufactured_on.isoformat() if device.manufactured_on else None,
        "end_of_life_on": device.end_of_life_on.isoformat() if device.end_of_life_on else None,
        "audience": str(device.audience),
        "last_checked_on": checked.isoformat() if checked is not None else None,
    }
    if device.opening_hours is not None or device.opening_hours_raw is not None:
        present["opening_hours"] = {
            "opening_hours": device.opening_hours,
            "opening_hours_raw": device.opening_hours_raw,
        }
    if device.keeper_name is not None:
        present["keeper"] = {"keeper_name": device.keeper_name}
        if device.keeper_phone is not None:
            present["keeper"]["keeper_phone"] = device.keeper_phone
    if not is_out_by_absence(device):
        present["state"] = {"state": str(device.state)}
        if device.out_of_service_reason is not None:
            present["state"]["out_of_service_reason"] = device.out_of_service_reason
    present |= {EXPIRY[kind]: days[0].isoformat() for kind, days in expiry.items()}
    return {name: value for name, value in present.items() if value is not None}


def _is_current(
    name: str, value: Any, present: Mapping[str, Any], expiry: Mapping[ConsumableKind, Sequence[date]]
) -> bool:
    """Return whether the value is already current. Omitted parts, such as a phone, stay as they are."""
    stands = present.get(name)
    if name in ("keeper", "state") and stands is not None:
        is_same_person = name == "state" or value.get("keeper_name") == stands.get("keeper_name")
        return is_same_person and bool(value.items() <= stands.items())
    if name == "position":
        return bool(stands is not None and stands["given"] == value["given"])
    if name in _KIND_BY_EXPIRY_FIELD:
        return any(day.isoformat() == value for day in expiry.get(_KIND_BY_EXPIRY_FIELD[name], ()))
    return bool(stands == value)


def _origins(
    merged: MergedClaims, origins: Origins, changes: Mapping[str, tuple[Any, Any]], at: datetime
) -> Origins:
    """Return the origin of each value; a value from the same source keeps its first time."""
    for name, claim in merged.holds.items():
        if name in changes or origins.of(name).source != claim.source:
            origins = origins.with_([name], Origin(claim.source, at))
    return origins


# --- Writing --------------------------------------------------------------------------------------------


def _device_input(
    device: RegisteredDevice, changes: Mapping[str, tuple[Any, Any]], origins: Origins
) -> ImportedDevice:
    claims = {name: now for name, (_, now) in changes.items()}
    given = [device.origin_lat, device.origin_lon, str(device.origin_datum)]
    return ImportedDevice(
        device=DeviceIn(
            source=device.source,
            source_id=device.source_id,
            **_fields({"position": {"given": given}, **claims}),
        ),
        expiry=_expiry(claims),
        is_withdrawn=_is_withdrawn(claims),
        device_id=device.id,
        origins=origins,
    )


def _fields(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a DeviceIn."""
    fields: dict[str, Any] = {}
    for name, value in claims.items():
        match name:
            case "position":
                lat, lon, datum = value["given"]
                fields["position"] = PositionIn(lat=lat, lon=lon, datum=datum)
            case "belongs_to" | "opening_hours":
                fields |= value
            case "keeper":
                fields["keeper"] = KeeperIn(name=value["keeper_name"], phone=value.get("keeper_phone"))
            case "state":
                if value.get("state") != DeviceState.WITHDRAWN:
                    fields |= value
            case _ if name not in _KIND_BY_EXPIRY_FIELD:
                fields[name] = value
    return fields


def _expiry(claims: Mapping[str, Any]) -> dict[ConsumableKind, date]:
    return {kind: date.fromisoformat(claims[name]) for kind, name in EXPIRY.items() if claims.get(name)}


def _is_withdrawn(claims: Mapping[str, Any]) -> bool:
    return bool(claims.get("state", {}).get("state") == DeviceState.WITHDRAWN)


def open_review(
    session: Session,
    kind: ReviewKind,
    *,
    source: str,
    source_id: str = "",
    device_id: int | None = None,
    attribute: str = "",
    evidence: Mapping[str, Any],
    among: Sequence[Review],
    at: datetime,
) -> Review:
    """Open or update a review with this evidence; `among` are earlier reviews."""
    for known in among:
        if (known.source, known.source_id, known.device_id, known.attribute) == (
            source,
            source_id,
            device_id,
            attribute,
        ):
            if known.decision is not None:
                known.decision, known.decided_at, known.decided_by = None, None, None
                known.opened_at = at
            if known.evidence != evidence:
                known.evidence = dict(evidence)
            return known
    asked = Review(
        kind=kind,
        source=source,
        source_id=source_id,
        device_id=device_id,
        attribute=attribute,
        evidence=dict(evidence),
        opened_at=at,
    )
    session.add(asked)
    return asked


# --- Conflicts ------------------------------------------------------------------------------------------


def open_conflict_reviews(
    session: Session, conflicts: Mapping[int, Sequence[ClaimConflict]], *, at: datetime
) -> None:
    """Open reviews about these conflicts, and close those about conflicts that no longer exist."""
    known = reviews.reviews_of_devices(session, list(conflicts), ReviewKind.CONFLICT)
    still_open: set[int] = set()
    for device_id, found in conflicts.items():
        for conflict in found:
            asked = open_review(
                session,
                ReviewKind.CONFLICT,
                source=conflict.offered.source,
                source_id=conflict.offered.source_id,
                device_id=device_id,
                attribute=conflict.attribute,
                evidence={"present": _as_json(conflict.present), "offered": _as_json(conflict.offered)},
                among=known,
                at=at,
            )
            still_open.add(id(asked))
    for review in known:
        if review.decision is None and id(review) not in still_open:
            session.delete(review)
    session.flush()


def decided_conflicts(session: Session, device_ids: Collection[int]) -> dict[int, list[DecidedConflict]]:
    """Return people's decisions about attributes of these devices."""
    found: dict[int, list[DecidedConflict]] = {}
    for review in reviews.reviews_of_devices(session, device_ids, ReviewKind.CONFLICT):
        if review.decision is None:
            continue
        present, offered = _claim_from(review.evidence["present"]), _claim_from(review.evidence["offered"])
        right, wrong = (offered, present) if review.decision is Decision.TAKE else (present, offered)
        found.setdefault(review.device_id or 0, []).append(DecidedConflict(review.attribute, right, wrong))
    return found


def _as_json(claim: SourceClaim) -> dict[str, Any]:
    return {"source": claim.source, "source_id": claim.source_id, "value": claim.value}


def _claim_from(evidence: Mapping[str, Any]) -> SourceClaim:
    return SourceClaim(evidence["source"], evidence["source_id"], evidence["value"])


# --- Likeness -------------------------------------------------------------------------------------------


def likeness_as_json(found: DeviceLikeness, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evidence for a duplicate as JSON; `record` holds the list's fields."""
    return {
        "score": found.score,
        "signs": [{"what": sign.what, "weight": sign.weight, "said": sign.reason} for sign in found.signs],
        "record": dict(record),
    }
