"""E-mail over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from aed.notifications.rules import Delivery, DeliveryFailed, PermanentFailure, TemporaryFailure
from aed.settings.messages import MailSecurity

SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class Mailer:
    """The SMTP server, and the sender of messages."""

    host: str
    port: int
    security: MailSecurity
    user: str | None
    password: str | None
    sender: str
    authorities: str | None = None
    """A file of trusted CA certificates, in place of the system's."""


def deliver(letter: Delivery, mailer: Mailer, *, at: datetime) -> None:
    """Send an e-mail. Most mailboxes detect duplicates by the Message-ID."""
    message = written(letter, mailer, at=at)
    try:
        with _connected(mailer) as server:
            server.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise _failure_of(error, mailer.host) from None


def written(letter: Delivery, mailer: Mailer, *, at: datetime) -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["From"] = mailer.sender
    message["To"] = letter.recipient
    # A line break in a header would begin another header.
    message["Subject"] = " ".join(letter.subject.split()) or next(iter(letter.text.splitlines()), "")[:78]
    message["Date"] = format_datetime(at.astimezone(UTC))
    message["Message-ID"] = f"<{letter.key}@{mailer.sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Content-Language"] = str(letter.language)
    message.set_content(letter.text)
    return message


def _connected(mailer: Mailer) -> smtplib.SMTP:
    trusted = ssl.create_default_context(cafile=mailer.authorities)
    if mailer.security is MailSecurity.TLS:
        server: smtplib.SMTP = smtplib.SMTP_SSL(mailer.host, mailer.port, timeout=SECONDS, context=trusted)
    else:
        server = smtplib.SMTP(mailer.host, mailer.port, timeout=SECONDS)
    try:
        if mailer.security is MailSecurity.STARTTLS:
            server.starttls(context=trusted)
        if mailer.user is not None:
            server.login(mailer.user, mailer.password or "")
    except BaseException:  # closes the connection after any error, which is raised again
        server.close()
        raise
    return server


def _failure_of(error: Exception, host: str) -> DeliveryFailed:
    """Classify an SMTP error: 4xx is temporary, 5xx permanent.

    A refused password or sender is a mistake in the settings, and so is temporary. The server's reply is left
    out, since it may repeat the address.
    """
    match error:
        case smtplib.SMTPRecipientsRefused():
            code = max((code for code, _ in error.recipients.values()), default=450)
            return _by_code(code, f"{host} does not accept mail for this address ({code}).")
        case smtplib.SMTPAuthenticationError():
            return TemporaryFailure(
                f"{host} does not accept the user name and password ({error.smtp_code}).",
                is_channel_down=True,
            )
        case smtplib.SMTPSenderRefused():
            return TemporaryFailure(
                f"{host} does not accept the sender's address ({error.smtp_code}).", is_channel_down=True
            )
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError() | smtplib.SMTPServerDisconnected():
            return TemporaryFailure(f"{host} closed the connection.", is_channel_down=True)
        case smtplib.SMTPResponseException():
            return _by_code(error.smtp_code, f"{host} does not accept this message ({error.smtp_code}).")
        case smtplib.SMTPNotSupportedError():
            return TemporaryFailure(
                f"{host} does not support what the settings require.", is_channel_down=True
            )
        case ssl.SSLError():
            return TemporaryFailure(f"{host} has no trusted certificate.", is_channel_down=True)
        case OSError():
            return TemporaryFailure(f"{host} cannot be reached.", is_channel_down=True)
        case _:
            return TemporaryFailure(f"{host} sent a response that is not SMTP.", is_channel_down=True)


def _by_code(code: int, message: str) -> DeliveryFailed:
    return PermanentFailure(message) if 500 <= code < 600 else TemporaryFailure(message)
