"""A steady load on the web of a cluster: lookups, checks, incidents, and one register."""

from __future__ import annotations

import http.client
import json
import random
import re
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.cluster.history import NO_ANSWER, Exchange, Work

PER_SECOND: Final[Mapping[Work, float]] = {
    Work.LOOKUP: 5.0,
    Work.CHECK: 2.0,
    Work.INCIDENT: 0.5,
    Work.REGISTER: 1.0,
}
CLIENT_SECONDS: Final = 15.0
"""How long a client waits for an answer. Each request has a connection of its own, as a bystander's has."""
REPEAT_SECONDS: Final = 1.0
REPEAT_FOR_SECONDS: Final = 60.0
"""A write without success is repeated under the same key for so long, after the answer's Retry-After."""
HERE: Final = (30.28588, 120.1049)
"""A place of the demo's district beside the device that has the register, whose building never closes."""
DEVICES: Final = range(1, 43)
"""The devices that are checked, by id."""
_REGISTER: Final = re.compile(r"^register (\d+)$")


@dataclass
class Load:
    """Requests at a constant rate, whatever becomes of earlier ones."""

    address: str
    tokens: Mapping[str, str]
    context: ssl.SSLContext
    per_second: Mapping[Work, float] = field(default_factory=lambda: PER_SECOND)
    history: list[Exchange] = field(default_factory=list)
    incidents: dict[str, int] = field(default_factory=dict)
    """The incident of each acknowledged report, by key."""
    device_id: int = 0
    _value: int = 0
    _version: str | None = None
    _stopped: threading.Event = field(default_factory=threading.Event)
    _random: random.Random = field(default_factory=lambda: random.Random(7))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send requests during the block; at its end, let those under way and their repetitions end."""
        _, _, found = self._send("GET", _lookup(*HERE))
        self.device_id = found["devices"][0]["id"]
        senders = {
            Work.LOOKUP: self._look_up,
            Work.CHECK: self._check,
            Work.INCIDENT: self._report,
            Work.REGISTER: self._set_register,
        }
        with ThreadPoolExecutor(400) as pool:
            clocks = [
                threading.Thread(target=self._keep_time, args=(pool, senders[work], rate), daemon=True)
                for work, rate in self.per_second.items()
            ]
            for each in clocks:
                each.start()
            try:
                yield
            finally:
                self._stopped.set()
                for each in clocks:
                    each.join()

    def _keep_time(self, pool: ThreadPoolExecutor, send: Callable[[], None], per_second: float) -> None:
        next_at = time.monotonic()
        while not self._stopped.wait(max(0.0, next_at - time.monotonic())):
            if send == self._set_register:
                send()  # one writer: its writes are in order
            else:
                pool.submit(send)
            next_at = max(next_at + 1 / per_second, time.monotonic() - 1)

    def _look_up(self) -> None:
        began = time.monotonic()
        lat, lon = HERE if self._random.random() < 0.5 else self._somewhere()
        status, headers, found = self._send("GET", _lookup(lat, lon))
        value = None
        for each in found.get("devices", ()) if status == 200 else ():
            written = _REGISTER.match((each.get("access_instructions") or {}).get("en") or "")
            if each["id"] == self.device_id and written:
                value = int(written[1])
        self._note(Work.LOOKUP, began, status, headers, value=value)

    def _check(self) -> None:
        key = str(uuid.uuid4())
        body = {"key": key, "kind": "glance", "answers": {"status_light": True}, "note": f"op {key}"}
        device = self._random.choice(DEVICES)
        self._repeat(Work.CHECK, f"/v1/devices/{device}/checks", "administrator", key, body)

    def _report(self) -> None:
        key = str(uuid.uuid4())
        lat, lon = self._somewhere()
        body = {"key": key, "position": {"lat": lat, "lon": lon}, "region": "CN-33"}
        opened = self._repeat(Work.INCIDENT, "/v1/incidents", "dispatcher", key, body)
        if opened is not None:
            self.incidents[key] = opened["id"]
            self._send("POST", f"/v1/incidents/{opened['id']}/close", "dispatcher", {"outcome": "called_off"})

    def _set_register(self) -> None:
        path = f"/v1/devices/{self.device_id}"
        if self._version is None:
            status, headers, _ = self._send("GET", path, "administrator", fresh=True)
            self._version = headers.get("etag") if status == 200 else None
            if self._version is None:
                return
        self._value += 1
        began = time.monotonic()
        body = {"access_instructions_en": f"register {self._value}"}
        status, headers, _ = self._send("PATCH", path, "administrator", body, version=self._version)
        self._version = headers.get("etag") if status == 200 else None
        self._note(Work.REGISTER, began, status, headers, value=self._value)

    def _repeat(
        self, work: Work, path: str, role: str, key: str, body: Mapping[str, object]
    ) -> dict[str, Any] | None:
        until = time.monotonic() + REPEAT_FOR_SECONDS
        while True:
            began = time.monotonic()
            status, headers, answer = self._send("POST", path, role, body)
            self._note(work, began, status, headers, key=key)
            if 200 <= status < 300:
                return answer
            if time.monotonic() > until or (400 <= status < 500 and status != 429):
                return None
            time.sleep(float(headers.get("retry-after", REPEAT_SECONDS)) + self._random.random())

    def _somewhere(self) -> tuple[float, float]:
        return HERE[0] + self._random.uniform(-0.006, 0.006), HERE[1] + self._random.uniform(-0.006, 0.006)

    def _note(
        self,
        work: Work,
        began: float,
        status: int,
        headers: Mapping[str, str],
        *,
        key: str = "",
        value: int | None = None,
    ) -> None:
        has_retry_after = status not in (429, 503) or "retry-after" in headers
        self.history.append(Exchange(work, began, time.monotonic(), status, key, value, has_retry_after))

    def _send(
        self,
        method: str,
        path: str,
        role: str | None = None,
        body: Mapping[str, object] | None = None,
        *,
        version: str | None = None,
        fresh: bool = False,
    ) -> tuple[int, dict[str, str], dict[str, Any]]:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if role is not None:
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        if version is not None:
            headers["If-Match"] = version
        if fresh:
            headers["Cache-Control"] = "no-cache"
        connection = http.client.HTTPSConnection(self.address, timeout=CLIENT_SECONDS, context=self.context)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            found = answer.read()
            names = {name.lower(): value for name, value in answer.getheaders()}
            parsed = json.loads(found) if "json" in names.get("content-type", "") else {}
            return answer.status, names, parsed
        except (OSError, http.client.HTTPException, ValueError):
            return NO_ANSWER, {}, {}
        finally:
            connection.close()


def _lookup(lat: float, lon: float) -> str:
    return f"/v1/nearest?lat={lat:.6f}&lon={lon:.6f}"
