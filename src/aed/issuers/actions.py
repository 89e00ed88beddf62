"""Add, amend and withdraw issuers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_by_code
from aed.accounts.trust import CertificateTrust
from aed.database.types import require_version
from aed.errors import Conflict, InvalidInput
from aed.issuers import queries
from aed.issuers.models import Issuer, IssuerCourse, IssuerName
from aed.issuers.queries import require_manages_issuer
from aed.issuers.rules import IssuerKind, IssuerState, VerifiedBy, plain_name
from aed.issuers.schemas import IssuerAmend, IssuerCourseIn, IssuerIn
from aed.registry.changes import (
    flush_or_conflict,
    record_amendment,
    record_creation,
    record_note,
    require_not_null,
)


def create_issuer(session: Session, who: Viewer, new: IssuerIn, *, at: datetime) -> Issuer:
    """Add an issuer.

    Raises NotFound, NotSignedIn, NotAllowed, and Conflict for a code or name that is taken.
    """
    region_id = region_by_code(session, new.region).id if new.region is not None else None
    require_manages_issuer(who, region_id)
    _require_trust_granter(who, new.trust_in_lists, new.query_url)
    issuer = Issuer(
        **new.model_dump(exclude={"region", "also_called", "courses", "batch_format"}),
        batch_format=new.batch_format.model_dump(mode="json") if new.batch_format is not None else None,
        region_id=region_id,
        state=IssuerState.ACTIVE,
    )
    session.add(issuer)
    flush_or_conflict(session, f"An issuer with the code '{new.code}' already exists.", "code")
    record_creation(session, who, issuer, at=at)
    _put_names(session, issuer, new.also_called)
    if new.also_called:
        record_note(session, who, issuer, {"also_called": [None, new.also_called]}, at=at)
    if new.courses:
        _put_courses(session, who, issuer, new.courses, at=at)
    return queries.issuer(session, issuer.id)


def amend_issuer(
    session: Session, who: Viewer, issuer_id: int, change: IssuerAmend, *, version: int, at: datetime
) -> Issuer:
    """Amend the given fields of an issuer. Certificates that were verified stay verified."""
    issuer = queries.issuer(session, issuer_id)
    require_manages_issuer(who, issuer.region_id)
    require_version(issuer, version)
    given = change.model_fields_set
    require_not_null(issuer, change, given)
    for name in ("also_called", "courses"):
        if name in given and getattr(change, name) is None:
            raise InvalidInput("{name} cannot be null. An empty list removes all.", field=name, name=name)
    _require_trust_granter(
        who,
        change.trust_in_lists if "trust_in_lists" in given else None,
        change.query_url if "query_url" in given else None,
    )
    before = queries.further_names_of(session, [issuer]).get(issuer.id, [])
    if "batch_format" in given:
        wanted = change.batch_format
        issuer.batch_format = wanted.model_dump(mode="json") if wanted is not None else None
    for name in given - {"also_called", "courses", "batch_format"}:
        setattr(issuer, name, getattr(change, name))
    if (issuer.verified_by is VerifiedBy.QUERY) != (issuer.query_url is not None):
        raise InvalidInput("query_url must be given if and only if verified_by is query.", field="query_url")
    record_amendment(session, who, issuer, at=at)
    names = change.also_called if change.also_called is not None else before
    if "courses" in given:
        _put_courses(session, who, issuer, change.courses or [], at=at)
    if names != before:
        record_note(session, who, issuer, {"also_called": [before or None, names or None]}, at=at)
        _touch(issuer)
    _put_names(session, issuer, names)
    flush_or_conflict(session, "This change would make the issuer invalid.", None)
    return queries.issuer(session, issuer.id)


def withdraw_issuer(session: Session, who: Viewer, issuer_id: int, *, version: int, at: datetime) -> Issuer:
    """Withdraw an issuer: nothing new is linked to it, and it is not queried. Its certificates stay valid."""
    issuer = queries.issuer(session, issuer_id)
    require_manages_issuer(who, issuer.region_id)
    require_version(issuer, version)
    issuer.state = IssuerState.WITHDRAWN
    record_amendment(session, who, issuer, at=at)
    flush_or_conflict(session, "The issuer cannot be withdrawn.", None)
    return issuer


def managed_issuer(session: Session, who: Viewer, name: str, *, at: datetime) -> Issuer:
    """Return the issuer in whose name this network awards certificates; add it if none has that name.

    Its certificates are recorded here, so they need no other verification. The caller has checked that `who`
    may offer courses.
    """
    found = queries.issuer_called(session, name)
    if found is not None:
        return found
    digest = hashlib.sha256(plain_name(name).encode()).hexdigest()[:12]
    issuer = Issuer(
        code=f"own-{digest}",
        name_en=name,
        name_zh=name,
        kind=IssuerKind.TRAINING_OFFICE,
        trust_in_lists=CertificateTrust.DOCUMENTED,
        verified_by=VerifiedBy.NOTHING,
        state=IssuerState.ACTIVE,
    )
    session.add(issuer)
    flush_or_conflict(session, f"The issuer '{name}' is being added by someone else. Try again.", "issuer")
    record_creation(session, who, issuer, at=at)
    _put_names(session, issuer, [])
    return issuer


def _require_trust_granter(who: Viewer, trust: CertificateTrust | None, url: str | None) -> None:
    """Require a network administrator to set `trust_in_lists`, or the URL that receives keys."""
    if trust is CertificateTrust.VERIFIED or url is not None:
        require_administrator(who)


def _touch(issuer: Issuer) -> None:
    """Increase the version of the issuer when only its names or courses change: ETags depend on it."""
    issuer.version = issuer.version + 1


def _put_names(session: Session, issuer: Issuer, further: Iterable[str]) -> None:
    """Store the issuer's code, own names and further names. Raises Conflict for a name that is taken."""
    names = {plain_name(name): name for name in (*further, issuer.name_en, issuer.name_zh, issuer.code)}
    taken = session.execute(
        select(IssuerName.name, Issuer.code)
        .join(Issuer, Issuer.id == IssuerName.issuer_id)
        .where(IssuerName.plain.in_(names), IssuerName.issuer_id != issuer.id)
    ).first()
    if taken is not None:
        raise Conflict(
            "'{taken}' is already a name of the issuer {taken_2}.",
            field="also_called",
            taken=taken[0],
            taken_2=taken[1],
        )
    session.execute(delete(IssuerName).where(IssuerName.issuer_id == issuer.id))
    session.add_all(IssuerName(plain=plain, name=name, issuer_id=issuer.id) for plain, name in names.items())
    flush_or_conflict(session, "Another issuer already has this name.", "also_called")


def _put_courses(
    session: Session, who: Viewer, issuer: Issuer, courses: Sequence[IssuerCourseIn], *, at: datetime
) -> None:
    """Replace the courses of the issuer."""
    before = [
        _course_fields(IssuerCourseIn.of(each))
        for each in queries.courses_of(session, [issuer.id]).get(issuer.id, [])
    ]
    now = [_course_fields(each) for each in sorted(courses, key=lambda each: each.code)]
    if before == now:
        return
    session.execute(delete(IssuerCourse).where(IssuerCourse.issuer_id == issuer.id))
    session.add_all(IssuerCourse(issuer_id=issuer.id, **each.model_dump()) for each in courses)
    record_note(session, who, issuer, {"courses": [before or None, now or None]}, at=at)
    if before:
        _touch(issuer)
    flush_or_conflict(session, "The courses of the issuer are invalid.", "courses")


def _course_fields(course: IssuerCourseIn) -> dict[str, Any]:
    return course.model_dump(mode="json")
