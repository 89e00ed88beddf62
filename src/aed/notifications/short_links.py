"""Short secret links in messages: `/l/KEY` redirects to a page of this site until it expires.

A Chinese SMS holds 70 characters, so a link has to be short. It is a secret too: anyone who has it may act as
the recipient of the message. A key has 12 base58 characters, that is 70 random bits. With a million valid
links, an attacker trying 1,000 keys a second finds one after 2^40 seconds on average. So valid keys are never
refused, however many wrong ones came from the same address: a whole mobile network may share one, and a link
may be that of a call to a patient.

The database cannot reveal a link: the key is stored as its hash, and the path is encrypted with the key.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import CursorResult, LargeBinary, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from aed.accounts.tokens import hash_key
from aed.database.bulk import insert_many
from aed.database.types import Table

PREFIX: Final = "/l/"
ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""Base58: letters and digits without 0, O, I and l, which look alike."""
KEY_LENGTH: Final = 12
MAX_PATH_LENGTH: Final = 500
KEY_IN_PATH: Final = "{key}"
"""Replaced by the key where the link leads, so that the page can check the link again: see `opens`."""
KEPT_FOR: Final = timedelta(days=90)
"""How long an expired link is distinguished from an unknown one."""
_NONCE: Final = bytes(12)  # each key encrypts one path


class ShortLink(Table):
    """A short link in a message. It contains no personal data that can be read without the key."""

    __tablename__ = "short_links"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    encrypted_path: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True, slots=True)
class FoundLink:
    """Where a link leads. An expired one leads there no longer."""

    path: str
    is_expired: bool


def short_link(session: Session, path: str, expires_at: datetime) -> str:
    """Store a link to a page of this site, and return its address without the host, such as `/l/2fJk…`."""
    return short_links(session, [(path, expires_at)])[0]


def short_links(session: Session, targets: Sequence[tuple[str, datetime]]) -> list[str]:
    """Store links to (path, expires at), in one statement, and return their addresses without the host."""
    keys = ["".join(secrets.choice(ALPHABET) for _ in range(KEY_LENGTH)) for _ in targets]
    rows = [
        {
            "key_hash": hash_key(key),
            "encrypted_path": AESGCM(_secret(key)).encrypt(_NONCE, _checked(path).encode(), None),
            "expires_at": expires_at,
        }
        for key, (path, expires_at) in zip(keys, targets, strict=True)
    ]
    insert_many(session, ShortLink, rows)
    return [PREFIX + key for key in keys]


def find_link(session: Session, key: str, *, at: datetime) -> FoundLink | None:
    """Return where the link with this key leads; None if there is none.

    visibility: for anyone with the key.
    """
    row = session.scalar(select(ShortLink).where(ShortLink.key_hash == hash_key(key)))
    if row is None:
        return None
    path = AESGCM(_secret(key)).decrypt(_NONCE, row.encrypted_path, None).decode()
    return FoundLink(path.replace(KEY_IN_PATH, key), is_expired=at >= row.expires_at)


def opens(session: Session, key: str, path: str, *, at: datetime) -> bool:
    """Return True if the link with this key leads to the path and has not expired."""
    found = find_link(session, key, at=at)
    return found is not None and found.path == path and not found.is_expired


def delete_expired_links(session: Session, *, at: datetime) -> int:
    """Delete links that expired more than 90 days ago; return how many."""
    done = session.execute(
        delete(ShortLink).where(ShortLink.expires_at < at - KEPT_FOR),
        execution_options={"synchronize_session": False},
    )
    assert isinstance(done, CursorResult)
    return int(done.rowcount)


def _checked(path: str) -> str:
    """Return the path. Raise ValueError if it leads to another site: a mistake of the caller."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    if not is_ours or len(path) > MAX_PATH_LENGTH:
        raise ValueError(f"not a path of this site: {path!r}")
    return path


def _secret(key: str) -> bytes:
    return hashlib.sha256(f"short link:{key}".encode()).digest()
