"""Keeping the photos of checks."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import Conflict, NotFound
from aed.registry.changes import flush_or_conflict
from aed.registry.devices import queries as device_queries
from aed.upkeep.formats.photo import Picture
from aed.upkeep.models import Check, Photo
from aed.upkeep.queries import checks as queries
from aed.upkeep.rules.who import may_check

MOST_OF_A_CHECK: Final = 5


def add_photo(
    session: Session, who: Viewer, check_key: str, sent: bytes, picture: Picture, *, at: datetime
) -> Photo:
    """The picture, which was made anew from what was sent, is kept with its check. The same file again is the
    same photo.

    For whoever may check the device, and holds the key of the check: nobody else was told it. Raises NotFound
    for no such check, Conflict for too many.
    """
    check = _check_to_show(session, who, check_key, for_update=True)
    digest = hashlib.sha256(sent).hexdigest()
    known = _same(session, check, digest)
    if known is not None:
        return known
    photo = Photo(
        check_id=check.id,
        sent_sha256=digest,
        sha256=hashlib.sha256(picture.jpeg).hexdigest(),
        width=picture.width,
        height=picture.height,
        jpeg=picture.jpeg,
        received_at=at,
    )
    session.add(photo)
    flush_or_conflict(session, "This photo arrived twice in the same moment.", "check")
    return photo


def require_photo(session: Session, who: Viewer, check_key: str, sent: bytes | None = None) -> None:
    """Refuse what `add_photo` would refuse, before a photo is read (without `sent`), or decoded."""
    check = _check_to_show(session, who, check_key)
    if sent is not None:
        _same(session, check, hashlib.sha256(sent).hexdigest())


def _check_to_show(session: Session, who: Viewer, check_key: str, *, for_update: bool = False) -> Check:
    check = queries.check_by_key(session, check_key)
    if check is None:
        raise NotFound("There is no check under this key: send the check first.", field="check")
    device = device_queries.device(session, who, check.device_id, for_update=for_update)
    may_check(who, check.kind, device.estate_id, device.region_id)
    return check


def _same(session: Session, check: Check, digest: str) -> Photo | None:
    """The photo that was made of the same file. Raises Conflict where there is none, nor room for another."""
    known = queries.photos_of(session, check.id)
    for each in known:
        if each.sent_sha256 == digest:
            return each
    if len(known) >= MOST_OF_A_CHECK:
        raise Conflict(f"A check has at most {MOST_OF_A_CHECK} photos.", field="check")
    return None
