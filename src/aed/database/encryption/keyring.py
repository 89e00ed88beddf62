"""Encryption keys, encrypted values, and the blind index to find equal values without decrypting them.

An encrypted value is a text, `1:KEY:INDEX:SEALED`:

KEY      8 characters derived from the key, to recognise a wrong key
INDEX    22 characters, or none: a keyed hash (128 bits of HMAC-SHA256) of the normalised value; without the
         keys, the database alone cannot be used to test guesses
SEALED   AES-256-GCM with a random nonce; bound to the column and to the preceding parts, so that decryption
         fails for a value moved from another column, or with the index of another value
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aed.errors import InvalidInput, KeysUnusable

FORM: Final = "1"
KEY_BYTES: Final = 32
KEY_PREFIX: Final = "aedkey-"
"""Prefix of every key, which makes a misplaced key recognisable."""
MAX_KEYS: Final = 3
"""Maximum number of keys: the current one and earlier ones."""
ID_LENGTH: Final = 8
INDEX_LENGTH: Final = 22
BLIND_INDEX_LENGTH: Final = len(FORM) + 1 + ID_LENGTH + 1 + INDEX_LENGTH
"""Length of the prefix that identifies equal values: form, key and index."""
_NONCE_BYTES: Final = 12
_INDEX_BYTES: Final = 16
_BETWEEN_DIGITS: Final = str.maketrans("", "", " ()/.-\t")


class EncryptedKind(StrEnum):
    """The kind of an encrypted value, which determines how it is normalised for comparison."""

    PHONE = "phone"
    EMAIL = "email"
    IDENTITY = "identity"
    """The number of an identity card or passport."""


def normalized(value: str, kind: EncryptedKind) -> str:
    """Return the value normalised for comparison: half-width, one case, no separators between digits."""
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value)
    if kind is EncryptedKind.EMAIL:
        return value.strip().lower()
    return value.translate(_BETWEEN_DIGITS).upper()


@dataclass(frozen=True, slots=True, repr=False)
class EncryptionKey:
    """One key, with the id, cipher and hash keys that are derived from it."""

    id: str
    sealing: AESGCM
    index: bytes
    audit: bytes
    """The key that signs audit records; stored with them, so that they can be verified after rotation."""

    @classmethod
    def of(cls, written: str) -> EncryptionKey:
        """Parse a key; raise InvalidInput, without repeating the text, if it is invalid."""
        given = written.strip().removeprefix(KEY_PREFIX)
        try:
            secret = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != KEY_BYTES or not written.strip().startswith(KEY_PREFIX):
            raise InvalidInput(
                "This is not a key. A key begins with {key_prefix} and has {key_bytes} bytes "
                "in base64. `aed keys new` makes one.",
                field="AED_ENCRYPTION_KEYS",
                key_prefix=KEY_PREFIX,
                key_bytes=KEY_BYTES,
            )
        named = base64.b32encode(_derived(secret, "id", 5)).decode().lower()
        return cls(
            named,
            AESGCM(_derived(secret, "sealing", 32)),
            _derived(secret, "index", 32),
            _derived(secret, "audit", 32),
        )

    def indexed(self, value: str, kind: EncryptedKind) -> str:
        """Return the INDEX part for a value."""
        digest = hmac.digest(self.index, f"{kind}:{normalized(value, kind)}".encode(), "sha256")
        return _text(digest[:_INDEX_BYTES])


def _derived(secret: bytes, purpose: str, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=f"aed {purpose}".encode()).derive(secret)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def generate_key() -> str:
    """Generate a new random key in its text form."""
    return KEY_PREFIX + _text(secrets.token_bytes(KEY_BYTES))


def parse_keys(written: Iterable[str], *, field: str) -> tuple[EncryptionKey, ...]:
    """Parse keys, keeping their order; raise InvalidInput if there are none, too many, or duplicates."""
    try:
        found = tuple(EncryptionKey.of(each) for each in written if each.strip())
    except InvalidInput as error:
        raise InvalidInput("{name}: {value}", field=field, name=field, value=error.detail) from None
    if not 1 <= len(found) <= MAX_KEYS:
        raise InvalidInput(
            "{name} must contain 1 to {max_keys} keys; it contains {count}.",
            field=field,
            name=field,
            max_keys=MAX_KEYS,
            count=len(found),
        )
    if len({key.id for key in found}) != len(found):
        raise InvalidInput("{name} contains a key twice.", field=field, name=field)
    return found


class KeyRing:
    """The keys of a process: the first one encrypts, all of them decrypt.

    `keys` is called each time, so that a key ring can follow a file; `source` names their origin in messages.
    """

    def __init__(self, keys: Callable[[], tuple[EncryptionKey, ...]], *, source: str) -> None:
        self._keys = keys
        self.source = source

    def __repr__(self) -> str:
        return f"<KeyRing of {self.source}>"

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the keys; the first one is that of the key that encrypts."""
        return tuple(key.id for key in self._keys())

    def encrypt(self, value: str, *, place: str, kind: EncryptedKind | None = None) -> str:
        """Encrypt a value for the column `place`; with a `kind`, include the blind index."""
        key = self._keys()[0]
        header = f"{FORM}:{key.id}:{key.indexed(value, kind) if kind is not None else ''}:"
        nonce = os.urandom(_NONCE_BYTES)
        return header + _text(
            nonce + key.sealing.encrypt(nonce, value.encode(), f"{place}|{header}".encode())
        )

    def decrypt(self, sealed: str, *, place: str) -> str:
        """Decrypt a value; raise KeysUnusable if its key is missing or it belongs to another column."""
        key_id = key_id_of(sealed)
        if key_id is None:
            return sealed  # written by the previous release, not encrypted yet
        key = next((each for each in self._keys() if each.id == key_id), None)
        if key is None:
            raise KeysUnusable(
                "{place} is encrypted with the key {key_id}, which is not in {source} (keys "
                "there: {names}). Add that key again, after the first one.",
                place=place,
                key_id=key_id,
                source=self.source,
                names=", ".join(self.ids),
            )
        header, _, text = sealed.rpartition(":")
        header += ":"
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            opened = key.sealing.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], f"{place}|{header}".encode())
        except (InvalidTag, ValueError):
            raise KeysUnusable(
                "A value in {place} was altered after encryption, or was encrypted for another "
                "column. Restore it from a backup.",
                place=place,
            ) from None
        return opened.decode()

    def blind_index_prefixes(self, value: str, *, kind: EncryptedKind) -> tuple[str, ...]:
        """Return the prefixes of encrypted values equal to `value`, one for each key, current key first."""
        return tuple(f"{FORM}:{key.id}:{key.indexed(value, kind)}" for key in self._keys())

    def audit_key(self, key_id: str | None = None) -> tuple[str, bytes] | None:
        """Return id and audit key of the key with that id (default: the current key); None if missing."""
        keys = self._keys()
        key = keys[0] if key_id is None else next((each for each in keys if each.id == key_id), None)
        return None if key is None else (key.id, key.audit)

    def keyed_hashes(self, purpose: str, value: str) -> tuple[str, ...]:
        """Return keyed hashes of a value that is not stored, one for each key, current key first."""
        return tuple(
            hmac.digest(key.index, f"{purpose}|{value}".encode(), "sha256").hex() for key in self._keys()
        )


def key_id_of(stored: str) -> str | None:
    """Return the id of the key that a stored value is encrypted with; None if it is not encrypted."""
    if stored.startswith(f"{FORM}:") and stored[len(FORM) + 1 + ID_LENGTH : len(FORM) + 2 + ID_LENGTH] == ":":
        return stored[len(FORM) + 1 : len(FORM) + 1 + ID_LENGTH]
    return None
