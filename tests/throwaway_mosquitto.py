"""A temporary Mosquitto on loopback, with TLS, passwords and client certificates; removed after use."""

from __future__ import annotations

import contextlib
import getpass
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from aed.settings.services import Mqtt

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
MISSING = "mosquitto is not installed"
START_SECONDS = 30.0
USER, PASSWORD = "bridge", "invented-secret"
PUBLISHER = "cabinets"


@dataclass
class Broker:
    """A broker that can be stopped and started again, with the sessions that it keeps."""

    folder: Path
    port: int
    """With TLS and a user's password."""
    certificate_port: int
    """With TLS and a client's certificate."""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def settings(self, **given: object) -> Mqtt:
        """Return the bridge's settings for this broker, with the user's password."""
        fields: dict[str, object] = {
            "url": f"mqtts://127.0.0.1:{self.port}",
            "authorities": self.folder / "authority.pem",
            "user": USER,
            "password": PASSWORD,
            "max_reconnect_seconds": 1.0,
        }
        return Mqtt.model_validate(fields | given)

    def with_certificate(self, **given: object) -> Mqtt:
        """Return the bridge's settings for this broker, with a client's certificate."""
        return self.settings(
            **{
                "url": f"mqtts://127.0.0.1:{self.certificate_port}",
                "user": None,
                "password": None,
                "certificate": self.folder / "client.pem",
                "certificate_key": self.folder / "client.key",
            }
            | given
        )

    def publish(self, topic: str, *payloads: bytes, retain: bool = False) -> None:
        """Publish with QoS 1, and wait until the broker has acknowledged each."""
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set(PUBLISHER, PASSWORD)
        client.tls_set(str(self.folder / "authority.pem"))
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        for sent in [client.publish(topic, each, qos=1, retain=retain) for each in payloads]:
            sent.wait_for_publish(START_SECONDS)
            assert sent.is_published()
        client.disconnect()
        client.loop_stop()

    def start(self) -> None:
        assert PROGRAM is not None, MISSING
        command = [PROGRAM, "-c", str(self.folder / "mosquitto.conf")]
        if (with_us := shutil.which("setpriv")) is not None:
            command = [with_us, "--pdeathsig", "KILL", *command]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        give_up_at = time.monotonic() + START_SECONDS
        while time.monotonic() < give_up_at and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)  # it does not say when it listens
        raise RuntimeError("mosquitto did not start:\n" + self.log)

    def stop(self) -> None:
        """Stop it as by its service: it writes its sessions and their messages to disk."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
            self._process = None


@contextlib.contextmanager
def throwaway_mosquitto() -> Iterator[Broker]:
    """Yield a running broker."""
    with tempfile.TemporaryDirectory(prefix="aed-mosquitto-") as name:
        folder = Path(name)
        _certificates(folder)
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            port, certificate_port = one.getsockname()[1], other.getsockname()[1]
        # The two secrets of the file are hashed in place by mosquitto's own tool.
        passwords = folder / "passwords"
        passwords.write_text(f"{USER}:{PASSWORD}\n{PUBLISHER}:{PASSWORD}\n", encoding="ascii")
        passwords.chmod(0o600)
        tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
        subprocess.run([tool, "-U", str(passwords)], check=True)
        (folder / "mosquitto.conf").write_text(
            f"""
user {_own_name()}
persistence true
persistence_location {folder}/
log_dest file {folder}/log
log_type all
allow_anonymous false
password_file {passwords}

listener {port} 127.0.0.1
cafile {folder}/authority.pem
certfile {folder}/server.pem
keyfile {folder}/server.key

listener {certificate_port} 127.0.0.1
cafile {folder}/authority.pem
certfile {folder}/server.pem
keyfile {folder}/server.key
require_certificate true
use_identity_as_username true
""",
            encoding="utf-8",
        )
        (folder / "log").touch()
        broker = Broker(folder, port, certificate_port)
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


def _own_name() -> str:

    return getpass.getuser()


def _certificates(folder: Path) -> None:
    """Write an authority, and the certificates of a server on loopback and of a client that it signed."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "invented authority")])

    def signed(name: str, public_key: ec.EllipticCurvePublicKey, *, is_authority: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(authority)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=is_authority,
                    crl_sign=is_authority,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )

    root = signed("invented authority", authority_key.public_key(), is_authority=True)
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(root.public_bytes(pem))
    for name in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        made = signed(name, key.public_key(), is_authority=False)
        (folder / f"{name}.pem").write_bytes(made.public_bytes(pem))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
