"""Signatures of the messages that dispatch centres send, at their limits."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from aed.incidents.centres.rules import (
    MAX_ID_LENGTH,
    TOLERANCE,
    SignedMessage,
    WrongSignature,
    require_valid_signature,
)

OLD, NEW = (f"whsec_{base64.b64encode(each).decode()}" for each in (b"old secret", b"new secret"))
NOW = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def signature(secret: str, number: str, timestamp: str) -> str:
    """Sign an empty object as standardwebhooks.com says."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{number}.{timestamp}.{{}}".encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(mac).decode()}"


def signed(secret: str, *, number: str = "msg_1", timestamp: str) -> SignedMessage:
    return SignedMessage(number, timestamp, signature(secret, number, timestamp), b"{}")


def sent_at(moment: datetime) -> SignedMessage:
    return signed(NEW, timestamp=str(int(moment.timestamp())))


def with_signatures(*signatures: str) -> SignedMessage:
    return SignedMessage("msg_1", str(int(NOW.timestamp())), " ".join(signatures), b"{}")


RIGHT, WRONG = (signature(each, "msg_1", str(int(NOW.timestamp()))) for each in (NEW, OLD))


@pytest.mark.parametrize("secrets", [(NEW,), (OLD, NEW), (NEW, OLD)])
def test_one_right_secret_is_enough(secrets: tuple[str, ...]) -> None:
    require_valid_signature(with_signatures(RIGHT), secrets, at=NOW)


@pytest.mark.parametrize(
    "sent",
    [
        with_signatures(RIGHT, WRONG),
        with_signatures(WRONG, RIGHT),
        with_signatures("v2,eHg=", "v1,###", "", RIGHT),  # of another version, no base64, nothing
        with_signatures(*[WRONG] * 9, RIGHT),
        signed(NEW, number="m" * MAX_ID_LENGTH, timestamp=str(int(NOW.timestamp()))),
        signed(NEW, number="m", timestamp=str(int(NOW.timestamp()))),
        sent_at(NOW - TOLERANCE),
        sent_at(NOW + TOLERANCE),
    ],
)
def test_one_right_signature_among_ten_is_enough(sent: SignedMessage) -> None:
    require_valid_signature(sent, [NEW], at=NOW)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (with_signatures(WRONG), "The signature is wrong"),
        (with_signatures(""), "The signature is wrong"),
        (with_signatures(RIGHT.replace("v1,", "v2,")), "The signature is wrong"),
        (with_signatures(*[WRONG] * 10, RIGHT), "The signature is wrong"),  # only ten are compared
        (signed(NEW, number="", timestamp=str(int(NOW.timestamp()))), "The signature is wrong"),
        (
            signed(NEW, number="m" * (MAX_ID_LENGTH + 1), timestamp=str(int(NOW.timestamp()))),
            "The signature is wrong",
        ),
        (sent_at(NOW - TOLERANCE - SECOND), "more than five minutes from now"),
        (sent_at(NOW + TOLERANCE + SECOND), "more than five minutes from now"),
        (signed(NEW, timestamp="99999999999"), "more than five minutes from now"),
        (signed(NEW, timestamp="999999999999"), "must be the Unix time in seconds"),  # twelve digits
        (signed(NEW, timestamp="-1"), "must be the Unix time in seconds"),
        (signed(NEW, timestamp="１７９０"), "must be the Unix time in seconds"),
        (signed(NEW, timestamp=""), "must be the Unix time in seconds"),
    ],
)
def test_a_wrong_signature_or_time_is_refused(sent: SignedMessage, sentence: str) -> None:
    with pytest.raises(WrongSignature, match=sentence):
        require_valid_signature(sent, [NEW], at=NOW)


def test_without_a_secret_nothing_is_accepted() -> None:
    with pytest.raises(WrongSignature, match="The signature is wrong"):
        require_valid_signature(with_signatures(RIGHT), [], at=NOW)
