"""Routes of certificates: anyone may ask whether one is valid."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Response

from aed import clock
from aed.accounts.access import ViewerDep
from aed.db import ReadSession, WriteSession
from aed.training.actions import results
from aed.training.queries import certificates as queries
from aed.training.rules.certificate import is_valid, masked
from aed.training.rules.who import may_write
from aed.training.schemas.enrolments import CertificateOut
from aed.training.schemas.sessions import Why

router = APIRouter()

Number = Annotated[
    str,
    Path(min_length=1, max_length=100, pattern="^[A-Za-z0-9._:-]+$", examples=["CPR-AED-2026-0A1B2C3D4E"]),
]


@router.get("/certificates/{number}")
def verify_certificate(session: ReadSession, number: Number, response: Response) -> CertificateOut:
    """Whether the certificate with this number is valid today, whose it is (masked), and until when. The same
    for everyone who has the number, and nothing more."""
    found = queries.by_number(session, number)
    today = clock.now().astimezone(ZoneInfo(found.time_zone)).date()
    response.headers["Cache-Control"] = "no-store"  # a revocation shows at once
    return CertificateOut(
        number=found.number,
        is_valid=is_valid(today=today, valid_until=found.valid_until, revoked_at=found.revoked_at),
        holder=masked(found.name),
        valid_until=found.valid_until,
    )


@router.delete("/certificates/{number}", status_code=204)
def revoke_certificate(
    session: WriteSession,
    viewer: ViewerDep,
    number: Number,
    why: Annotated[Why, Query(description="Kept, and told to nobody else")] = "Awarded by mistake.",
) -> None:
    """Revokes a certificate; for those who run the training that awarded it."""
    may_write(viewer)
    results.revoke(session, viewer, number, why=why, at=clock.now())
