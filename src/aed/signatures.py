"""Signed short texts (JWS with Ed25519), contents encrypted for other installations, and the keys.

The keys are a JWK set: the first one signs, all of them verify. `add_key` puts a new key first, so that
texts signed with older keys stay valid.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwe, jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from aed.errors import InvalidInput, SigningKeysUnusable
from aed.settings import Settings

ALGORITHM: Final = "Ed25519"
MAX_TOKEN_LENGTH: Final = 1_000
"""Longest accepted token, in characters."""
MAX_ENCRYPTED_BYTES: Final = 200_000_000
_ID_LENGTH: Final = 12
"""72 bits of the key's thumbprint (RFC 7638): enough to tell keys apart, and short, for a smaller QR code."""


class TokenPurpose(StrEnum):
    """What a text was signed for. A token for one purpose is not valid for another."""

    CERTIFICATE = "aed-cert"
    PRESENCE = "aed-here"
    SERVICE = "aed-service"
    CELL_TABLE = "aed-cell-table"
    CELL_REQUEST = "aed-cell-request"
    CELL_ANSWER = "aed-cell-answer"
    CELL_ESTATE = "aed-cell-estate"
    CELL_RECEIPT = "aed-cell-receipt"
    ACCOUNT_LINK = "aed-link"


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """One or more signing keys; the first one signs."""

    keys: tuple[OKPKey, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids (`kid`) of the keys."""
        return tuple(str(each.kid) for each in self.keys)


def signed(keys: SigningKeys, purpose: TokenPurpose, text: str) -> str:
    """Sign the text and return a token, which `opened` verifies. The text is not encrypted."""
    key = keys.keys[0]
    header = {"alg": ALGORITHM, "kid": str(key.kid), "typ": purpose.value}
    return jws.serialize_compact(header, text.encode(), key, algorithms=[ALGORITHM])


def opened(keys: SigningKeys, purpose: TokenPurpose, token: str) -> str | None:
    """Return the text of a token signed for this purpose by one of the keys; None for anything else."""
    if len(token) > MAX_TOKEN_LENGTH or not _is_canonical(token):
        return None
    try:
        found = jws.deserialize_compact(token, KeySet(list(keys.keys)), algorithms=[ALGORITHM])
        header = found.headers()
        is_ours = header.get("typ") == purpose.value and header.get("kid") in keys.ids
        return bytes(found.payload).decode() if is_ours else None
    except (JoseError, ValueError):
        return None


def _is_canonical(token: str) -> bool:
    """Return True if each part is canonical Base64.

    Otherwise some altered characters would not change the decoded token.
    """
    if not token.isascii():
        return False
    try:
        parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
    except (binascii.Error, ValueError):
        return False
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) == token


def public_keys(keys: SigningKeys) -> dict[str, Any]:
    """Return the public keys as a JWK set (RFC 7517), for third parties to verify tokens with."""
    return {"keys": [each.as_dict(private=False) for each in keys.keys]}


def public_key_texts(keys: SigningKeys) -> tuple[str, ...]:
    """Return the public keys as text of 43 characters each (`x` of a JWK), the one that signs first."""
    return tuple(str(each.as_dict(private=False)["x"]) for each in keys.keys)


def keys_of_others(public_keys: Sequence[str]) -> SigningKeys:
    """Return the keys of these texts, which verify and cannot sign. Raises ValueError for other texts."""
    return SigningKeys(tuple(_public_key(each) for each in public_keys))


def _public_key(text: str, curve: str = ALGORITHM) -> OKPKey:
    try:
        if not re.fullmatch(r"[A-Za-z0-9_-]{43}", text) or len(base64.urlsafe_b64decode(text + "=")) != 32:
            raise ValueError(text)
        given: dict[str, str | list[str]] = {"kty": "OKP", "crv": curve, "x": text}
        key = OKPKey.import_key(given)
        return OKPKey.import_key({**given, "kid": key.thumbprint()[:_ID_LENGTH]})
    except JoseError as error:
        raise ValueError(text) from error


# --- encryption for other installations -----------------------------------------------------------------


def encryption_key_texts(keys: SigningKeys) -> tuple[str, ...]:
    """Return the public keys with which others encrypt for this installation, that of the first key first."""
    return tuple(str(each.as_dict(private=False)["x"]) for each in _decryption_keys(keys))


def encryption_key_of(text: str) -> OKPKey:
    """Return the key of such a text, which encrypts and cannot decrypt. Raises ValueError for other texts."""
    return _public_key(text, _CURVE)


def encrypt(key: OKPKey, content: bytes) -> str:
    """Encrypt for the installation that has the private key (JWE: ECDH-ES with X25519, AES-256-GCM)."""
    header = {"alg": _ENCRYPTION[0], "enc": _ENCRYPTION[1], "kid": str(key.kid)}
    return jwe.encrypt_compact(header, content, key, registry=_large_contents())


def decrypt(keys: SigningKeys, text: str) -> bytes | None:
    """Return the content that was encrypted for one of the keys; None for anything else."""
    mine = _decryption_keys(keys)
    try:
        return jwe.decrypt_compact(text, KeySet(list(mine)), registry=_large_contents()).plaintext
    except (JoseError, ValueError):
        return None


_CURVE: Final = "X25519"
_ENCRYPTION: Final = ("ECDH-ES", "A256GCM")


def _large_contents() -> jwe.JWERegistry:
    registry = jwe.JWERegistry(algorithms=list(_ENCRYPTION))
    registry.max_ciphertext_length = MAX_ENCRYPTED_BYTES
    return registry


def _decryption_keys(keys: SigningKeys) -> tuple[OKPKey, ...]:
    """Return the private keys that decrypt, each derived from a signing key, so that one file has both."""
    return tuple(_decryption_key(str(each.as_dict(private=True)["d"])) for each in keys.keys)


def _decryption_key(signing_key: str) -> OKPKey:
    secret = base64.urlsafe_b64decode(signing_key + "=")
    derived = HKDF(SHA256(), 32, salt=None, info=b"aed encryption between cells").derive(secret)
    public = X25519PrivateKey.from_private_bytes(derived).public_key().public_bytes_raw()
    given: dict[str, str | list[str]] = {"kty": "OKP", "crv": _CURVE, "x": _text(public), "d": _text(derived)}
    key = OKPKey.import_key(given)
    return OKPKey.import_key({**given, "kid": key.thumbprint()[:_ID_LENGTH]})


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


# --- storage of the keys --------------------------------------------------------------------------------


def signing_keys(settings: Settings) -> SigningKeys:
    """Return the configured keys. Create the file with a new key if it does not exist.

    Raises SigningKeysUnusable if the content is not a JWK set of private Ed25519 keys, or on an I/O error.
    """
    if settings.signing_key_set is not None:
        return _read(settings.signing_key_set.get_secret_value(), "AED_SIGNING_KEY_SET")
    path = settings.signing_keys
    try:
        if not path.exists():
            _write(path, [_new_key()], replacing=False)
        about = path.stat()
        return _read_file(path, about.st_mtime_ns, about.st_ino)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def add_key(settings: Settings) -> SigningKeys:
    """Add a new key that signs from now on; older keys still verify.

    Raises InvalidInput if the keys come from the environment, and SigningKeysUnusable on an I/O error.
    """
    if settings.signing_key_set is not None:
        raise InvalidInput(
            "The keys are in AED_SIGNING_KEY_SET. Add the new key as the first one there, "
            "and keep the others.",
            field="AED_SIGNING_KEY_SET",
        )
    before = signing_keys(settings).keys if settings.signing_keys.exists() else ()
    try:
        _write(settings.signing_keys, [_new_key(), *before], replacing=True)
    except OSError as error:
        raise _unusable(settings.signing_keys, error.strerror or str(error)) from error
    return signing_keys(settings)


@lru_cache(maxsize=8)
def _read_file(path: Path, changed_ns: int, inode: int) -> SigningKeys:
    """Read the keys. Cached until the file changes, so that a new key takes effect without a restart."""
    return _read(path.read_text(encoding="utf-8"), str(path))


def _read(text: str, where: str) -> SigningKeys:
    """Parse a JWK set. Raise SigningKeysUnusable if it is not a set of private Ed25519 keys."""
    try:
        found = tuple(_key_in(each) for each in json.loads(text)["keys"])
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise _unusable(where, f"not a JWK set of private {ALGORITHM} keys") from error
    if not found:
        raise _unusable(where, "it contains no key")
    return SigningKeys(found)


def _key_in(given: dict[str, str | list[str]]) -> OKPKey:
    if given["crv"] != ALGORITHM:
        raise ValueError(given["crv"])
    key = OKPKey.import_key(given)
    if not key.is_private or not given.get("kid"):
        raise ValueError("d, kid")
    return key


def _new_key() -> OKPKey:
    key = OKPKey.generate_key(ALGORITHM)
    return OKPKey.import_key(
        {**key.as_dict(private=True), "kid": key.thumbprint()[:_ID_LENGTH], "use": "sig", "alg": ALGORITHM}
    )


def _write(path: Path, keys: list[OKPKey], *, replacing: bool) -> None:
    """Write the file atomically, readable by its owner only.

    Without `replacing`, an existing file is kept: if two processes create it at once, the first one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    text = json.dumps({"keys": [each.as_dict(private=True) for each in keys]}, indent=1) + "\n"
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if replacing:
            unfinished.replace(path)
        else:
            try:
                path.hardlink_to(unfinished)
            except FileExistsError:
                return  # another process created the file first; use that one
    finally:
        unfinished.unlink(missing_ok=True)


def _unusable(where: object, reason: str) -> SigningKeysUnusable:
    return SigningKeysUnusable(
        "The keys that sign certificates cannot be used ({where}: {reason}). Inform "
        "the operator of this server: AED_SIGNING_KEYS names the file.",
        where=where,
        reason=reason,
    )
