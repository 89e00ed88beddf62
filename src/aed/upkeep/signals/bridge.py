"""The bridge from an MQTT broker: a process of its own that receives the signals of sources with topics.

It needs the extra `aed[mqtt]`.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from aed import clock
from aed.database.session import Database, transaction
from aed.deadlines import answer_within
from aed.errors import AedError, ChangedMeanwhile, Conflict, DatabaseUnavailable, InvalidInput, TooBusy
from aed.settings import Settings
from aed.settings.services import Mqtt
from aed.upkeep.signals import actions, sources
from aed.upkeep.signals.actions import BridgeCounts
from aed.upkeep.signals.mapping import SourceMapping, messages_in, serial_in_topic, subscription
from aed.upkeep.signals.models import SignalSource
from aed.upkeep.signals.rules import BEAT_SECONDS
from aed.upkeep.signals.sources import SourceMessages, json_in

log = structlog.get_logger("aed")

MAX_BATCH: Final = 100
"""Messages in one transaction. Most brokers send fewer before they wait for acknowledgements."""
LOOP_SECONDS: Final = 0.5
GATHER_SECONDS: Final = 0.01
"""How long the bridge waits for one more message before it stores what it has."""
RETRY_PAUSES: Final = (0.0, 0.5, 1.0, 2.0)
"""Before each attempt to store a batch, in seconds. After the last one, the bridge leaves the broker."""
FIRST_PAUSE: Final = 1.0
STEADY_SECONDS: Final = 30.0
"""A connection that lasted as long was a good one: the next pause is the first again."""
DATABASE_SECONDS: Final = 5.0
MAX_UNKNOWN_LOGGED: Final = 200
"""Serial numbers of unknown devices that are logged between two beats."""
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class _Arrived:
    """A message of the broker, and the number of the connection on which it came."""

    message: mqtt.MQTTMessage
    connection: int


class MqttBridge:
    """Receive messages until `stop` is set.

    1. The broker keeps a session, so that it sends later what was published while the bridge was away.
    2. A message is acknowledged after the transaction that stores it is committed. One that is sent again is
       the same signal.
    3. A message that cannot be read is logged with its topic, counted, and acknowledged: it would not be
       better the next time.
    4. While the database does not respond, the bridge leaves the broker, which keeps the messages.
    5. Everything runs in one thread: an acknowledgement never goes to another connection than its message.
    """

    def __init__(self, database: Database, settings: Settings, *, stop: threading.Event) -> None:
        self._database, self._mqtt, self._stop = database, settings.mqtt, stop
        self._max_bytes = settings.body_limit_bytes
        self._client = _client(settings.mqtt)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._arrived: list[_Arrived] = []
        self._connection = 0
        self._connected_at: float | None = None
        self._sources: list[tuple[SignalSource, SourceMapping]] = []
        self._topics: set[str] = set()
        """The topic filters to which the broker's session is subscribed."""
        self._counts = BridgeCounts()
        self._logged: set[str] = set()
        """Topics of which a malformed message was logged since the last beat."""
        self._unknown: set[str] = set()
        """Serial numbers of no device that were logged since the last beat."""
        self._beat_at = float("-inf")

    def run(self) -> None:
        """Receive until `stop` is set; then finish the batch at hand, and say so to broker and database."""
        self._begin()
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            began = time.monotonic()
            if self._connect():
                self._receive()
            if self._stop.is_set():
                break
            is_steady = time.monotonic() - began >= STEADY_SECONDS
            pause = FIRST_PAUSE if is_steady else min(pause * 2, self._mqtt.max_reconnect_seconds)
            self._wait(pause)
        self._client.disconnect()
        self._client.loop(GATHER_SECONDS)
        self._beat(is_over=True)
        log.info("bridge stopped")

    def _begin(self) -> None:
        """Wait for the database, and read to which topics the session was subscribed before."""
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            try:
                with answer_within(DATABASE_SECONDS), transaction(self._database) as session:
                    row = actions.begin_bridge(session, self._mqtt.client_id, at=clock.now())
                    self._topics = set(row.topics)
                    self._sources = sources.mqtt_sources(session)
            except AedError as error:
                log.warning("bridge not begun", reason=error.detail)
                self._stop.wait(pause)
                pause = min(pause * 2, self._mqtt.max_reconnect_seconds)
            else:
                log.info("bridge begun", topics=sorted(self._wanted()))
                return

    # --- Connection --------------------------------------------------------------------------------------

    def _connect(self) -> bool:
        """Connect, and wait until the broker accepts; return whether it did."""
        parts = urlsplit(self._mqtt.url)
        assert parts.hostname is not None, "the settings have validated it"
        try:
            self._client.connect(
                parts.hostname, parts.port or _PORTS[parts.scheme], self._mqtt.keep_alive_seconds
            )
        except (OSError, ValueError) as error:
            log.warning("broker not reached", reason=str(error))
            return False
        give_up_at = time.monotonic() + self._mqtt.keep_alive_seconds
        while not self._stop.is_set() and time.monotonic() < give_up_at:
            if self._client.loop(LOOP_SECONDS) is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                return False
            if self._connected_at is not None:
                return True
        return False

    def _receive(self) -> None:
        """Receive and store until the connection ends, the database is away, or `stop` is set."""
        self._subscribe(resume=True)
        self._beat()
        is_connected = True
        while is_connected and not self._stop.is_set():
            is_connected = self._client.loop(LOOP_SECONDS) is MQTTErrorCode.MQTT_ERR_SUCCESS
            before = 0
            while is_connected and before < len(self._arrived) < MAX_BATCH:
                before = len(self._arrived)
                is_connected = self._client.loop(GATHER_SECONDS) is MQTTErrorCode.MQTT_ERR_SUCCESS
            arrived, self._arrived = self._arrived, []
            if arrived and not self._store(arrived):
                log.warning(
                    "the broker keeps the messages until the database responds", messages=len(arrived)
                )
                self._client.disconnect()
                return
            self._beat_if_due()

    def _wait(self, seconds: float) -> None:
        """Wait for the time, or until `stop` is set; say meanwhile that the bridge is alive."""
        until = time.monotonic() + seconds
        while not self._stop.wait(max(0.0, min(LOOP_SECONDS, until - time.monotonic()))):
            self._beat_if_due()
            if time.monotonic() >= until:
                return

    def _on_connect(
        self, _client: mqtt.Client, _data: Any, flags: mqtt.ConnectFlags, code: ReasonCode, _properties: Any
    ) -> None:
        if code.is_failure:
            log.error("broker refuses the bridge", reason=str(code), user=self._mqtt.user)
            return
        self._connection += 1
        self._connected_at = time.monotonic()
        log.info("broker connected", session_present=flags.session_present)

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if self._connected_at is None:
            return
        self._connected_at = None
        if not self._stop.is_set():
            log.warning("broker disconnected", reason=str(code))
            self._beat()

    # --- Topics ------------------------------------------------------------------------------------------

    def _wanted(self) -> set[str]:
        return {subscription(topic) for _, mapping in self._sources for topic in mapping.topics}

    def _subscribe(self, *, resume: bool = False) -> None:
        """Subscribe to the topics of the sources, and to no others; all of them again to resume."""
        wanted = self._wanted()
        new = wanted if resume else wanted - self._topics
        old = self._topics - wanted
        if new:
            self._client.subscribe([(topic, 1) for topic in sorted(new)])
        if old:
            self._client.unsubscribe(sorted(old))
        self._topics = wanted

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, codes: Sequence[ReasonCode], _properties: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            log.error(
                "broker refuses a topic", topics=sorted(self._topics), codes=[str(each) for each in codes]
            )

    # --- Messages ----------------------------------------------------------------------------------------

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._arrived.append(_Arrived(message, self._connection))

    def _store(self, arrived: Sequence[_Arrived]) -> bool:
        """Store messages and acknowledge them; return False if the database does not respond."""
        readable: list[tuple[_Arrived, list[SourceMessages]]] = []
        for each in arrived:
            try:
                if bodies := self._read(each.message):
                    readable.append((each, bodies))
            except AedError as error:
                self._count_malformed(each.message, error.detail)
            except Exception as error:  # or the message would come again, and stop the next process too
                log.error("message not read", exc_info=error)
                self._count_malformed(each.message, f"It cannot be read: {type(error).__name__}")
        if not self._commit(readable):
            return False
        for each in arrived:  # in the order of arrival, as the protocol demands
            if each.connection == self._connection and self._connected_at is not None:
                self._client.ack(each.message.mid, each.message.qos)
        self._counts.heard_at = clock.now()
        return True

    def _read(self, message: mqtt.MQTTMessage) -> list[SourceMessages]:
        """Translate a message, once for each source that expects it. Raises InvalidInput.

        A retained message says what was, perhaps long ago, and not that a device is alive: leave it out.
        """
        if message.retain:
            return []
        if len(message.payload) > self._max_bytes:
            raise InvalidInput(
                "The message has more than {limit} bytes.", field="body", limit=self._max_bytes
            )
        try:
            topic = message.topic
        except UnicodeDecodeError:
            raise InvalidInput("The topic is not UTF-8.", field="topic") from None
        found = []
        for source, mapping in self._sources:
            is_expected, serial = serial_in_topic(mapping, topic)
            if is_expected:
                body = json_in(bytes(message.payload))
                found.append(SourceMessages(source, messages_in(mapping, body, topic_serial=serial)))
        if not found:
            raise InvalidInput("No source has this topic.", field="topic")
        return found

    def _commit(self, readable: Sequence[tuple[_Arrived, list[SourceMessages]]]) -> bool:
        """Store messages in one transaction, or each in its own if one of them cannot be stored."""
        if not readable:
            return True
        bodies = [body for _, each in readable for body in each]
        for pause in RETRY_PAUSES:
            time.sleep(pause)  # shorter than the time in which a service is asked to stop
            try:
                with answer_within(DATABASE_SECONDS), transaction(self._database) as session:
                    received = sources.receive_messages(session, bodies, at=clock.now())
            except (DatabaseUnavailable, Conflict, ChangedMeanwhile, TooBusy) as error:
                log.warning("signals not stored", messages=len(readable), reason=error.detail)
            except Exception as error:  # one message must not stop all others: log it, and go on
                if len(readable) > 1:
                    return all(self._commit([each]) for each in readable)
                log.error("signal not stored", exc_info=error)
                self._count_malformed(readable[0][0].message, f"It cannot be stored: {type(error).__name__}")
                return True
            else:
                for each in received:
                    self._counts.is_new += each.is_new
                    self._counts.known += each.known
                    self._counts.unknown_serials += len(each.unknown_serials)
                    self._log_unknown(each.unknown_serials)
                return True
        return False

    def _log_unknown(self, serials: Sequence[str]) -> None:
        """Log the serial numbers of no device, each once between two beats; cut off a long one."""
        new = [short for each in serials[:20] if (short := each[:100]) not in self._unknown]
        if new and len(self._unknown) < MAX_UNKNOWN_LOGGED:
            self._unknown.update(new)
            log.warning("signals of unknown devices", serials=new)

    def _count_malformed(self, message: mqtt.MQTTMessage, reason: str) -> None:
        topic = _printable(message)
        self._counts.malformed += 1
        self._counts.last_malformed = (clock.now(), topic, reason)
        if topic not in self._logged:  # one broken device must not fill the log
            self._logged.add(topic)
            log.warning("message malformed", topic=topic, reason=reason)

    # --- State -------------------------------------------------------------------------------------------

    def _beat_if_due(self) -> None:
        if time.monotonic() >= self._beat_at + BEAT_SECONDS:
            self._beat()

    def _beat(self, *, is_over: bool = False) -> None:
        """Write the state, and read the sources, which may have changed."""
        self._beat_at = time.monotonic()
        self._logged.clear()
        self._unknown.clear()
        is_connected = self._connected_at is not None
        try:
            with answer_within(DATABASE_SECONDS), transaction(self._database) as session:
                now: datetime = clock.now()
                actions.record_beat(
                    session,
                    self._mqtt.client_id,
                    self._counts,
                    topics=sorted(self._topics),
                    is_connected=is_connected,
                    is_over=is_over,
                    at=now,
                )
                self._sources = sources.mqtt_sources(session)
        except AedError as error:
            log.warning("state of the bridge not written", reason=error.detail)
            return
        self._counts = BridgeCounts()
        if is_connected and not is_over and self._wanted() != self._topics:
            self._subscribe()


def _client(settings: Mqtt) -> mqtt.Client:
    """Return a client with a session that the broker keeps. Raises InvalidInput for unusable files."""
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=settings.client_id,
        clean_session=False,
        protocol=MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
    )
    if settings.user is not None:
        password = settings.password.get_secret_value() if settings.password is not None else None
        client.username_pw_set(settings.user, password)
    if settings.url.startswith("mqtts:"):
        client.tls_set_context(_tls(settings))
    return client


def _tls(settings: Mqtt) -> ssl.SSLContext:
    name, path = "AED_MQTT__AUTHORITIES", settings.authorities
    try:
        context = ssl.create_default_context(cafile=path)
        if settings.certificate is not None:
            name, path = "AED_MQTT__CERTIFICATE", settings.certificate
            context.load_cert_chain(settings.certificate, settings.certificate_key)
    except OSError as error:  # ssl.SSLError is one, too
        raise InvalidInput(
            "{name}: {path} cannot be used as PEM: {reason}", field=name, name=name, path=path, reason=error
        ) from None
    return context


def _printable(message: mqtt.MQTTMessage) -> str:
    """Return the topic for logs and pages, with every character that cannot be printed replaced."""
    try:
        topic = message.topic
    except UnicodeDecodeError:
        return "(not UTF-8)"
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in topic)[:300]
