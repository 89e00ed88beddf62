"""Keep drafts of sightings, send them to the reviews, and delete what is no longer needed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from aed.accounts.free_text import one_line
from aed.accounts.people.rules import Language
from aed.accounts.permissions import ANYONE, Viewer
from aed.accounts.tokens import hash_key
from aed.errors import InvalidInput, TooBusy
from aed.geo import Position
from aed.imports.batches import EstateIds
from aed.imports.devices.import_rows import keep, list_entry
from aed.imports.devices.matching import Match, match_entries
from aed.imports.devices.merging import likeness_as_json, open_review, resolved_claims
from aed.imports.devices.models import ListSource
from aed.imports.devices.queries import last_device_id
from aed.imports.devices.rules import ReviewKind, Thresholds
from aed.imports.schemas import DeviceRow
from aed.registry.estates.queries import estate_at
from aed.upkeep.checks.photo import Picture
from aed.upkeep.labels.queries import labelled_device
from aed.upkeep.messages import notify_keepers
from aed.upkeep.models import Sighting
from aed.upkeep.sightings import queries
from aed.upkeep.sightings.rules import (
    DRAFT_KEPT_FOR,
    MAX_PER_ADDRESS,
    MAX_PER_DAY,
    PHOTO_KEPT_FOR,
    RANK,
    SAME_FROM,
    SOURCE,
)

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_NEVER_SURE: Final = 2.0
"""A score that is never reached: a person decides about every sighting."""


def require_few_sightings(session: Session, *, from_key: str, at: datetime) -> None:
    """Raise TooBusy if the address, or all addresses together, have sent too many."""
    if queries.count_recent(session, since=at - _HOUR, from_key=from_key) >= MAX_PER_ADDRESS:
        raise TooBusy(
            "Thank you. You have reported several AEDs: please wait an hour before the next.",
            retry_after_seconds=3600,
        )
    if queries.count_recent(session, since=at - _DAY) >= MAX_PER_DAY:
        raise TooBusy(
            "Too many AEDs have been reported today. Please try again tomorrow.", retry_after_seconds=3600
        )


def draft_sighting(
    session: Session,
    *,
    here: Position | None,
    words: str,
    language: Language,
    picture: Picture | None,
    taken_at: str | None,
    from_key: str,
    at: datetime,
) -> str:
    """Store a draft, which its sender completes; return its secret. Raises TooBusy for too many."""
    require_few_sightings(session, from_key=from_key, at=at)
    key = secrets.token_urlsafe(18)
    sighting = Sighting(
        key_hash=hash_key(key),
        at=at,
        from_key=from_key,
        taken_at=taken_at,
        jpeg=picture.jpeg if picture is not None else None,
    )
    amend_draft(sighting, here=here, words=words, language=language)
    session.add(sighting)
    session.flush()
    return key


def amend_draft(sighting: Sighting, *, here: Position | None, words: str, language: Language) -> None:
    """Set the place of a draft; keep the position if none is given."""
    if here is not None:
        sighting.lat, sighting.lon = here.lat, here.lon
    place = one_line(words).strip() or None
    sighting.place_zh, sighting.place_en = (place, None) if language is Language.ZH else (None, place)


def discard_draft(session: Session, sighting: Sighting) -> None:
    """Delete a draft whose sender has recognised a registered device. A sent sighting stays."""
    if sighting.sent_at is None:
        session.delete(sighting)
        session.flush()


def send_sighting(session: Session, who: Viewer, sighting: Sighting, *, at: datetime) -> None:
    """Hand a sighting to the administrators; sending it again changes nothing.

    1. It becomes a record of the list `passers-by`, of no device yet. It names the estate or region it is in.
    2. Compare its position with all registered devices, those that the sender may not see included.
    3. Open a review: whether it is the likeliest device, else whether there is such a device.
    4. Ask the keepers of the likeliest device; the sender does not learn of it.

    Raises InvalidInput without a position. The sighting was read for update.
    """
    if sighting.sent_at is not None:
        return
    if sighting.lat is None or sighting.lon is None:
        raise InvalidInput("Say where the AED is.", field="where")
    if session.get(ListSource, SOURCE) is None:
        session.add(ListSource(name=SOURCE, rank=RANK, title="Reports of passers-by"))
    sighting.sent_at = at
    session.flush()
    here = Position(sighting.lat, sighting.lon)
    entry = list_entry(DeviceRow.model_validate(_row(session, sighting, here)), "")
    keep(session, [entry], {}, {}, at=at)
    claims = resolved_claims(entry.fields, entry.source, EstateIds(session))
    match = match_entries(
        session,
        {entry.identity: {"position": claims["position"]}},  # passers-by word it otherwise than lists
        thresholds=Thresholds(same_device_score=_NEVER_SURE, maybe_same_score=SAME_FROM),
        up_to_id=last_device_id(session),
    ).get(entry.identity)
    open_review(
        session,
        ReviewKind.DUPLICATE if match is not None else ReviewKind.SIGHTING,
        source=entry.source,
        source_id=entry.source_id,
        device_id=match.device_id if match is not None else None,
        evidence=_evidence(sighting, entry.fields, match),
        among=(),
        at=at,
    )
    session.flush()
    if match is not None:
        _ask_keepers(session, who, match, at=at)


def _row(session: Session, sighting: Sighting, here: Position) -> dict[str, Any]:
    row: dict[str, Any] = {
        "source": SOURCE,
        "source_id": str(sighting.id),
        "lat": here.lat,
        "lon": here.lon,
        "entry": "unknown",
    }
    row |= {
        name: value for name in ("place_en", "place_zh") if (value := getattr(sighting, name)) is not None
    }
    estate = estate_at(session, here)
    if estate is not None:
        return row | {"estate": estate.source_id, "estate_source": estate.source}
    region = queries.region_around(session, here)
    # Outside of estates a passer-by sees what is public.
    return row | {"audience": "public"} | ({"region": region} if region is not None else {})


def _evidence(sighting: Sighting, fields: Mapping[str, Any], match: Match | None) -> dict[str, Any]:
    evidence: dict[str, Any] = {"record": dict(fields)}
    if match is not None:
        evidence |= likeness_as_json(match.likeness, fields)
    evidence["photo"] = f"/v1/sightings/{sighting.id}/photo" if sighting.jpeg is not None else None
    evidence["taken_at"] = sighting.taken_at
    return evidence


def _ask_keepers(session: Session, who: Viewer, match: Match, *, at: datetime) -> None:
    device = labelled_device(session, match.device_id)
    if device is None:
        return
    notify_keepers(
        session,
        who if who.is_signed_in else ANYONE,
        [device],
        en="a passer-by has reported an AED close to this one as not registered. Please look whether it is "
        "this one, and whether its place and way in are described well.",
        zh="有路人反映附近有一台未登记的AED。请查看是否就是这一台，并核对登记的位置和取用方式。",
        at=at,
    )


def tidy_sightings(session: Session, *, at: datetime) -> None:
    """Delete drafts after a day, addresses after a day, and photos after a year."""
    session.execute(delete(Sighting).where(Sighting.sent_at.is_(None), Sighting.at <= at - DRAFT_KEPT_FOR))
    session.execute(
        update(Sighting).where(Sighting.at <= at - _DAY, Sighting.from_key.is_not(None)).values(from_key=None)
    )
    session.execute(
        update(Sighting)
        .where(Sighting.at <= at - PHOTO_KEPT_FOR, Sighting.jpeg.is_not(None))
        .values(jpeg=None)
    )
