"""Short texts that only this network can have written (JWS, Ed25519), and the keys that sign them.

The keys are a JWK set: the first signs, all verify. So a new one is put in front (`add_key`), and what was
printed with the old ones is still good.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from aed.errors import InvalidInput, SigningKeysUnusable
from aed.settings import Settings

ALGORITHM: Final = "Ed25519"
LONGEST: Final = 1_000
_ID_LENGTH: Final = 12
"""72 bits of the key's thumbprint (RFC 7638): enough to tell a network's keys apart, and a smaller code."""


class Purpose(StrEnum):
    """What a text was signed for: one is never taken for the other."""

    CERTIFICATE = "aed-cert"
    PRESENCE = "aed-here"


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """At least one; the first signs."""

    keys: tuple[OKPKey, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(str(each.kid) for each in self.keys)


def signed(keys: SigningKeys, purpose: Purpose, said: str) -> str:
    """The text in a form that `opened` takes back; it can be read by anyone."""
    key = keys.keys[0]
    header = {"alg": ALGORITHM, "kid": str(key.kid), "typ": purpose.value}
    return jws.serialize_compact(header, said.encode(), key, algorithms=[ALGORITHM])


def opened(keys: SigningKeys, purpose: Purpose, token: str) -> str | None:
    """What was signed for this purpose by one of the keys; None for everything else."""
    if len(token) > LONGEST or not _is_canonical(token):
        return None
    try:
        found = jws.deserialize_compact(token, KeySet(list(keys.keys)), algorithms=[ALGORITHM])
        header = found.headers()
        is_ours = header.get("typ") == purpose.value and header.get("kid") in keys.ids
        return bytes(found.payload).decode() if is_ours else None
    except (JoseError, ValueError):
        return None


def _is_canonical(token: str) -> bool:
    """Each part as it would be written again: else some altered letters would make no difference."""
    if not token.isascii():
        return False
    try:
        parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")]
    except (binascii.Error, ValueError):
        return False
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) == token


def public_keys(keys: SigningKeys) -> dict[str, Any]:
    """The JWK set by which others verify (RFC 7517), without what is secret."""
    return {"keys": [each.as_dict(private=False) for each in keys.keys]}


# --- where they are kept --------------------------------------------------------------------------------


def signing_keys(settings: Settings) -> SigningKeys:
    """The keys that the settings name. Where there is no file yet, one is made with a new key.

    Raises SigningKeysUnusable for what is no set of such keys, or cannot be read or written.
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
    """A new key signs from now on; those before still verify."""
    if settings.signing_key_set is not None:
        raise InvalidInput(
            "The keys come from AED_SIGNING_KEY_SET: put a new one first in it and keep the others.",
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
    """Kept until the file is another: a new key signs without a restart."""
    return _read(path.read_text(encoding="utf-8"), str(path))


def _read(text: str, where: str) -> SigningKeys:
    try:
        found = tuple(_key_in(each) for each in json.loads(text)["keys"])
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise _unusable(where, f"it is no JWK set of private {ALGORITHM} keys") from error
    if not found:
        raise _unusable(where, "it holds no key")
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
    """The file is there whole, for its owner alone. Not `replacing`: of two who make it, one does."""
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
                return  # somebody else was first, and that one is used
    finally:
        unfinished.unlink(missing_ok=True)


def _unusable(where: object, why: str) -> SigningKeysUnusable:
    return SigningKeysUnusable(
        f"The keys that sign certificates cannot be used ({where}: {why}). Tell who runs this server: "
        "AED_SIGNING_KEYS names the file."
    )
