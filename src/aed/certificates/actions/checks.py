"""How the verification of certificates stands: kept beside them, one row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from aed.certificates.models import CertificateCheck
from aed.certificates.rules.checking import CheckState
from aed.database.bulk import insert_many


@dataclass(frozen=True, slots=True)
class Checked:
    """How a certificate stands from now on, and why, in a sentence."""

    certificate_id: int
    issuer_id: int
    state: CheckState
    said: str
    tries: int = 0
    next_try_at: datetime | None = None


def put_checks(session: Session, checks: Sequence[Checked], *, at: datetime) -> None:
    """Each stands as is said; what was said before is gone (the certificate's own history stays).

    visibility: written, not read.
    """
    if not checks:
        return
    session.execute(
        delete(CertificateCheck)
        .where(CertificateCheck.certificate_id.in_([each.certificate_id for each in checks]))
        .execution_options(synchronize_session=False)
    )
    insert_many(
        session,
        CertificateCheck,
        [
            {
                "certificate_id": each.certificate_id,
                "issuer_id": each.issuer_id,
                "state": each.state,
                "said": each.said,
                "tries": each.tries,
                "next_try_at": each.next_try_at,
                "changed_at": at,
            }
            for each in checks
        ],
    )
