"""Endpoints: recipients of messages that have more than a phone number."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from aed.accounts.people.models import Identity, Person
from aed.accounts.people.rules import Language
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn, requires_extra
from aed.http.outbound_urls import refusal_reason, target_of
from aed.notifications import queries
from aed.notifications.models import EndpointRow, OutboxMessage
from aed.notifications.rules import OWN_CHANNELS, PHONE_CHANNELS, Channel, apprise_refusal

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MAILBOX: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[A-Za-z0-9.-]{1,189}")

HOSTS: Final = {
    Channel.DINGTALK: ("oapi.dingtalk.com",),
    Channel.WECOM: ("qyapi.weixin.qq.com",),
    Channel.FEISHU: ("open.feishu.cn", "open.larksuite.com"),
}
"""Hosts of the platforms' bots. A bot's address must have one of these, unless private targets are allowed.
"""


@dataclass(frozen=True, slots=True)
class EndpointInput:
    """A new endpoint."""

    name: str
    channel: Channel
    address: str
    secret: str | None = None
    language: Language = Language.ZH
    person_id: int | None = None


def save_endpoint(
    session: Session, who: Viewer, given: EndpointInput, *, at: datetime, is_private_allowed: bool = False
) -> EndpointRow:
    """Add an endpoint.

    Raises InvalidInput, NotFound for an unknown person, and Conflict for a name that is taken.
    """
    require_administrator(who)
    _check(session, given, is_private_allowed=is_private_allowed)
    if queries.endpoint(session, given.name) is not None:
        raise Conflict(
            "An endpoint named '{name}' already exists. Remove it first, or use another name.",
            name=given.name,
        )
    return _add_endpoint(session, given, at=at)


def add_webhook(
    session: Session, name: str, address: str, *, at: datetime, is_private_allowed: bool
) -> tuple[EndpointRow, str]:
    """Add a webhook that an answer of 410 closes; return it with its new secret.

    The caller checks who may. Raises InvalidInput for an address to which nothing is sent.
    """
    secret = new_secret()
    given = EndpointInput(name, Channel.WEBHOOK, address, secret)
    _check(session, given, is_private_allowed=is_private_allowed)
    made = _add_endpoint(session, given, at=at)
    made.is_closed_when_gone = True
    session.flush()
    return made, secret


def require_webhook_address(address: str, *, is_private_allowed: bool) -> None:
    """Require that a webhook may have the address. Raises InvalidInput."""
    _check_url(
        EndpointInput("webhook", Channel.WEBHOOK, address, new_secret()),
        is_private_allowed=is_private_allowed,
    )


def subscribe(
    session: Session, who: Viewer, given: EndpointInput, *, at: datetime, is_private_allowed: bool = False
) -> EndpointRow:
    """Add the person's own browser as an endpoint; if it exists, replace its keys."""
    if who.person_id is None or given.person_id != who.person_id or given.channel is not Channel.WEB_PUSH:
        raise InvalidInput("Browsers are subscribed by the person who is signed in there.")
    _check(session, given, is_private_allowed=is_private_allowed)
    found = queries.endpoint(session, given.name)
    if found is None:
        return _add_endpoint(session, given, at=at)
    found.address, found.secret, found.language = given.address, given.secret, given.language
    session.flush()
    return found


def _add_endpoint(session: Session, given: EndpointInput, *, at: datetime) -> EndpointRow:
    row = EndpointRow(
        name=given.name,
        channel=given.channel,
        person_id=given.person_id,
        language=given.language,
        address=given.address,
        secret=given.secret,
        created_at=at,
    )
    session.add(row)
    session.flush()
    return row


def remove_endpoint(session: Session, who: Viewer, name: str, *, at: datetime) -> None:
    """Remove an endpoint, and cancel the messages that wait for it. Raises NotFound."""
    require_administrator(who)
    found = queries.endpoint(session, name)
    if found is None:
        raise NotFound("There is no endpoint '{name}'.", field="name", name=name)
    close_endpoint(session, found.id, reason="Its endpoint was removed.", at=at)


def add_own_account(
    session: Session, who: Viewer, channel: Channel, issuer: str, *, at: datetime
) -> EndpointRow:
    """Add the account at a platform by which the person signed in last as their endpoint, once.

    Raises NotSignedIn, NotAllowed for a token, Conflict for a person who has not signed in there.
    visibility: the person's own.
    """
    person_id = own_person_id(who)
    exclusive_lock(session, f"endpoint of person {person_id} on {channel}")
    known = own_account(session, who, channel)
    if known is not None:
        return known
    identity = session.scalar(
        select(Identity)
        .where(Identity.person_id == person_id, Identity.provider == issuer)
        .order_by(Identity.id.desc())
        .limit(1)
    )
    if identity is None:
        raise Conflict("Sign in with your account there first, so that it is known to be yours.")
    person = session.get_one(Person, person_id)
    digest = hashlib.sha256(f"{issuer} {identity.subject}".encode()).hexdigest()
    given = EndpointInput(
        name=f"{channel.replace('_', '-')}-{digest[:40]}",
        channel=channel,
        address=identity.subject,
        language=Language.EN if person.language == Language.EN else Language.ZH,
        person_id=person_id,
    )
    return _add_endpoint(session, given, at=at)


def own_account(session: Session, who: Viewer, channel: Channel) -> EndpointRow | None:
    """Return the person's own endpoint on a channel, if any.

    visibility: the person's own.
    """
    return session.scalar(
        select(EndpointRow).where(
            EndpointRow.person_id == own_person_id(who),
            EndpointRow.channel == channel,
            EndpointRow.closed_at.is_(None),
        )
    )


def remove_own_account(session: Session, who: Viewer, channel: Channel, *, at: datetime) -> None:
    """Remove the person's own endpoint on a channel; without one, nothing changes."""
    found = own_account(session, who, channel)
    if found is not None:
        close_endpoint(session, found.id, reason="Its endpoint was removed.", at=at)


def own_person_id(who: Viewer) -> int:
    """Return the id of the viewer's person. Raises NotSignedIn; NotAllowed for a token."""
    if not who.is_signed_in:
        raise NotSignedIn("Sign in first.")
    if who.person_id is None:
        raise NotAllowed("A token is not a person, who alone can consent.")
    return who.person_id


def unsubscribe(session: Session, who: Viewer, name: str, *, at: datetime) -> None:
    """Remove the person's own browser; an unknown one changes nothing."""
    found = queries.endpoint(session, name)
    if found is not None and found.person_id is not None and found.person_id == who.person_id:
        close_endpoint(session, found.id, reason="Its endpoint was removed.", at=at)


def close_endpoint(session: Session, endpoint_id: int, *, reason: str, at: datetime) -> None:
    """Close an endpoint: delete its address and keys, and cancel the messages that wait for it."""
    unsynchronized = {"synchronize_session": False}
    session.execute(
        update(EndpointRow)
        .where(EndpointRow.id == endpoint_id)
        .values(closed_at=at, secret=None, old_secret=None, old_secret_until=None, address=""),
        execution_options=unsynchronized,
    )
    session.execute(
        update(OutboxMessage)
        .where(
            OutboxMessage.endpoint_id == endpoint_id,
            OutboxMessage.sent_at.is_(None),
            OutboxMessage.given_up_at.is_(None),
        )
        .values(given_up_at=at, reason=reason, claim=None, claimed_until=None),
        execution_options=unsynchronized,
    )


# --- Secrets of webhooks --------------------------------------------------------------------------------


def new_secret() -> str:
    """Return a secret of 256 random bits, in the format of standardwebhooks.com."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def change_secret(session: Session, endpoint: EndpointRow, *, at: datetime, overlap: timedelta) -> str:
    """Replace the secret of an endpoint; return the new one, which is never shown again.

    The previous secret stays valid for `overlap`: messages sent until then are signed with both. A secret
    before that one is deleted.
    """
    endpoint.old_secret, endpoint.old_secret_until = None, None
    if overlap > timedelta(0):
        endpoint.old_secret, endpoint.old_secret_until = endpoint.secret, at + overlap
    endpoint.secret = made = new_secret()
    session.flush()
    return made


# --- Validation -----------------------------------------------------------------------------------------


def _check(session: Session, given: EndpointInput, *, is_private_allowed: bool) -> None:
    """Raise InvalidInput or Conflict if the endpoint cannot be added, NotFound if the person is unknown.

    visibility: only whether the person exists.
    """
    if not _NAME.fullmatch(given.name):
        raise InvalidInput(
            "The name of an endpoint must have 1 to 64 characters out of a-z, 0-9, '-', '_' "
            "and '.', such as gate-group.",
            field="name",
        )
    if given.person_id is not None and session.get(Person, given.person_id) is None:
        raise NotFound("There is no person {person_id}.", field="person_id", person_id=given.person_id)
    match given.channel:
        case channel if channel in PHONE_CHANNELS:
            raise InvalidInput(
                "Phone numbers need no endpoint: messages go to the person's own number.", field="channel"
            )
        case channel if channel in OWN_CHANNELS:
            raise InvalidInput(
                "People add their own accounts in WeChat, WeCom and DingTalk themselves.",
                field="channel",
            )
        case Channel.EMAIL:
            if not _MAILBOX.fullmatch(given.address):
                raise InvalidInput("An e-mail address must have the form name@example.org.", field="address")
        case Channel.APPRISE:
            refusal = apprise_refusal(given.address)
            if refusal is not None:
                raise InvalidInput(refusal, field="address")
            with requires_extra("apprise", needed_by="The channel 'apprise'", field="channel"):
                import apprise  # imported here because it takes 6 MB

            if not apprise.Apprise.instantiate(given.address, suppress_exceptions=True):
                raise InvalidInput(
                    "Apprise does not support this URL. See its documentation.", field="address"
                )
        case _:
            _check_url(given, is_private_allowed=is_private_allowed)


def _check_url(given: EndpointInput, *, is_private_allowed: bool) -> None:
    target = target_of(given.address)
    if not is_private_allowed:
        if target.scheme != "https":
            raise InvalidInput("The URL must begin with https://.", field="address")
        hosts = HOSTS.get(given.channel)
        if hosts is not None and target.host not in hosts:
            raise InvalidInput(
                "The URL of a bot of this kind must begin with https://{hosts}/.",
                field="address",
                hosts=hosts[0],
            )
    reason = (
        refusal_reason(target.address, is_private_allowed=is_private_allowed)
        if target.address is not None
        else None
    )
    if reason is not None:
        raise InvalidInput(
            "{host} is {reason}. Messages are not sent there.",
            field="address",
            host=target.host,
            reason=reason,
        )
    if given.channel is Channel.WEBHOOK:
        if given.secret is None:
            raise InvalidInput(
                "A webhook needs a secret (whsec_…), which signs its messages.", field="secret"
            )
        try:
            Webhook(given.secret)
        except (ValueError, RuntimeError, EmptyWebhookSecretError):
            raise InvalidInput(
                "The secret of a webhook must be whsec_ followed by base64, as "
                "standardwebhooks.com defines it.",
                field="secret",
            ) from None
    if given.channel is Channel.WEB_PUSH and given.secret is None:
        raise InvalidInput("The subscription of a browser must have the keys p256dh and auth.", field="keys")
