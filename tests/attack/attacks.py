"""Attacks at rates that one machine, with or without an account, could sustain for hours."""

from __future__ import annotations

import io
import json
import socket
import time
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import httpx2
from PIL import Image
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from tests import make
from tests.attack.load import Sender
from tests.make import PATIENT

PASSWORD: Final = "a long pass phrase of the person's own"
BOMB_PIXELS: Final = 25_000_000
FEW_KEYS: Final = 4_900
MANY_KEYS: Final = 75_000
DEVICES: Final = 200


@dataclass(frozen=True, slots=True)
class Known:
    """What an attacker with an account of an estate knows."""

    token: str
    check_key: str
    phone: str


@dataclass(frozen=True, slots=True)
class Target:
    address: str
    known: Known


def prepare(session: Session) -> Known:
    """Add a district's registry, a token of an estate's member, a check, and a person who can sign in."""
    estate = make.estate(session, around=PATIENT)
    device = make.device(session, of=estate)
    for number in range(DEVICES):
        make.device(session, at=make.north_of(PATIENT, metres=20.0 * number - 5_000))
    check = make.check(session, device).check
    key = make.key(session, TokenRole.MEMBER, estate=estate, writes=True)
    phone = "+8613800138000"
    make.person(session, phone=phone, password=PASSWORD)
    return Known(key["Authorization"], str(check.key), phone)


@lru_cache(maxsize=1)
def _client(address: str) -> httpx2.Client:
    return httpx2.Client(base_url=address, timeout=60)


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    into = io.BytesIO()
    side = int(BOMB_PIXELS**0.5)
    Image.new("RGBA", (side, side), (1, 2, 3, 100)).save(into, "PNG")
    return into.getvalue()[:-2_000]  # truncated: decoded, rejected, and never counted as one of five


@lru_cache(maxsize=2)
def _keys(count: int) -> bytes:
    return json.dumps({f"k{number}": 1 for number in range(count)}, separators=(",", ":")).encode()


def send_photo(target: Target, number: int) -> str:
    """Send a truncated PNG of 0.1 MB that decodes to 100 MB; each is a different file."""
    answer = _client(target.address).post(
        f"/v1/photos?check={target.known.check_key}",
        content=_bomb() + number.to_bytes(8),
        headers={"Authorization": target.known.token},
    )
    return str(answer.status_code)


def _bodies() -> None:
    for count in FEW_KEYS, MANY_KEYS:
        _keys(count)


def send_keys(target: Target, number: int) -> str:
    """Send keys: every other request within 64 kB, the others with 75,000 keys."""
    answer = _client(target.address).post(
        "/v1/reports",
        content=_keys(FEW_KEYS if number % 2 else MANY_KEYS),
        headers={"Content-Type": "application/json"},
    )
    return str(answer.status_code)


def stall(target: Target, number: int) -> str:
    """Open a connection that sends half a header or half a body, then waits."""
    port = urlsplit(target.address).port or 80
    half = b"GET / HTTP/1.1\r\nHost: x\r\n"
    if number % 2:
        half = b"POST /v1/reports HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{"
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.sendall(half)
    _stalled.append(connection)
    if len(_stalled) > 900:  # the limit of open files per process
        _stalled.pop(0).close()
    return "held"


_stalled: list[socket.socket] = []


def report_nobody(target: Target, number: int) -> str:
    """Report a patient who doesn't exist, each time elsewhere in the estate."""
    answer = _client(target.address).post(
        "/v1/incidents",
        headers={"Authorization": target.known.token},
        json={
            "key": str(uuid.uuid4()),
            "kind": "real",
            "position": {"lat": PATIENT.lat + (number % 7) * 0.0001, "lon": PATIENT.lon},
        },
    )
    return str(answer.status_code)


def sign_in(target: Target, number: int) -> str:
    """Sign in with a wrong password, as existing and other people in turn, each from another address."""
    phone = target.known.phone if number % 2 else f"+86138001{number % 100_000:05d}"
    answer = _client(target.address).post(
        "/v1/sign-in",
        json={"phone": phone, "password": f"wrong password {time.time()}"},
        headers={"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"},
    )
    return str(answer.status_code)


ATTACKS: Final = {
    "photos, 9 at once": Sender(send_photo, per_second=2, at_once=9, prepare=_bomb),
    "JSON keys, 20/s": Sender(send_keys, per_second=5, at_once=4, prepare=_bodies),
    "stalls, 100/s": Sender(stall, per_second=25, at_once=4),
    "false incidents, 10/s": Sender(report_nobody, per_second=5, at_once=2),
    "sign-in storm, 20/s": Sender(sign_in, per_second=5, at_once=4),
}
