"""Verify message signatures as in standardwebhooks.com: HMAC with a shared secret."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from aed.errors import AedError

TOLERANCE: Final = timedelta(minutes=5)
MAX_ID_LENGTH: Final = 256


class WrongSignature(AedError):
    """The message is not signed by a known sender, or not within the time limit."""

    status: ClassVar[int] = 401
    code: ClassVar[str] = "wrong-signature"
    title: ClassVar[str] = "The signature is wrong"


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message as received: the three headers, and the body byte for byte."""

    id: str
    timestamp: str
    """Seconds since 1970, as received."""
    signatures: str
    """`v1,` and base64; several separated by spaces while a secret is being changed."""
    body: bytes


def require_valid_signature(sent: SignedMessage, secrets: Sequence[str], *, at: datetime) -> None:
    """Require a message that was signed with one of the secrets, at most TOLERANCE ago.

    Every secret is compared with every signature in constant time. Raises WrongSignature, without saying
    which.
    """
    signed = b".".join((sent.id.encode(), sent.timestamp.encode(), sent.body))
    given = [each for each in map(_decoded, sent.signatures.split(" ")[:10]) if each is not None]
    is_right = False
    for secret in secrets:
        expected = hmac.new(_key(secret), signed, hashlib.sha256).digest()
        for each in given:
            is_right |= hmac.compare_digest(expected, each)
    if not is_right or not 0 < len(sent.id) <= MAX_ID_LENGTH:
        raise WrongSignature(
            "The signature is wrong: sign webhook-id.webhook-timestamp.body with your secret."
        )
    if not sent.timestamp.isascii() or not sent.timestamp.isdecimal() or len(sent.timestamp) > 11:
        raise WrongSignature("webhook-timestamp must be the Unix time in seconds, in digits.")
    if abs(at - datetime.fromtimestamp(int(sent.timestamp), UTC)) > TOLERANCE:
        raise WrongSignature(
            "webhook-timestamp is more than five minutes from now: correct the sender's clock and sign again."
        )


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_") + "==")


def _decoded(signature: str) -> bytes | None:
    version, _, text = signature.partition(",")
    if version != "v1":
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
