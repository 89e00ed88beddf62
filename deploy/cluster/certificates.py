"""A throwaway certificate authority, and a certificate for each host. Real hosts bring their own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from deploy.cluster.render import Inventory

DAYS: Final = 30
FOLDER: Final = "etc/aed-cluster/tls"
"""Where each host has `ca.crt`, `host.crt`, `host.key`, and `host.pem` with both of the latter."""


def make_certificates(inventory: Inventory, folder: Path) -> None:
    """Write a certificate for each host, valid for its name, its address and the floating address."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throwaway authority of a test cluster")])
    root = (
        _builder(authority, authority, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .add_extension(_KEY_CERT_SIGN, critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    for host in inventory.hosts:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host.name)])
        addresses = (host.address, inventory.settings["floating"], "127.0.0.1")
        names = [x509.DNSName(host.name), *(x509.IPAddress(ip_address(each)) for each in addresses)]
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(subject, authority, key)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = certificate.public_bytes(serialization.Encoding.PEM)
        place = folder / host.name / FOLDER
        place.mkdir(parents=True, exist_ok=True)
        for name, content in {
            "ca.crt": root.public_bytes(serialization.Encoding.PEM),
            "host.crt": public,
            "host.key": private,
            "host.pem": public + private,
        }.items():
            (place / name).write_bytes(content)
            (place / name).chmod(0o644 if name.endswith(".crt") else 0o640)


_KEY_CERT_SIGN: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=DAYS))
    )
