"""Any service that Apprise supports, by one address in Apprise's format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from aed.errors import ExtraNotInstalled, requires_extra
from aed.notifications.channels.posting import addresses
from aed.notifications.rules import Delivery, PermanentFailure, TemporaryFailure, apprise_refusal

if TYPE_CHECKING:
    import apprise


def deliver(letter: Delivery, *, at: datetime, is_private_allowed: bool) -> None:
    """Send a message through Apprise. A failed delivery counts as temporary: Apprise gives no reason.

    Most services cannot detect duplicates, and `at` is not used. A server that the address names is resolved
    and checked before Apprise resolves it again: this prevents mistakes, not attacks by the owner of the
    name. Only administrators add endpoints.
    """
    try:
        with requires_extra("apprise", needed_by="The channel 'apprise'"):
            import apprise  # imported here because it takes 6 MB
    except ExtraNotInstalled as error:
        raise TemporaryFailure(error.detail, is_channel_down=True) from error
    if letter.endpoint is None:
        raise PermanentFailure("The message has no endpoint.")
    refusal = apprise_refusal(letter.endpoint.address)
    if refusal is not None:  # an endpoint that was added before schemes were limited
        raise PermanentFailure(refusal)
    way = apprise.Apprise.instantiate(letter.endpoint.address, suppress_exceptions=True)
    if not isinstance(way, apprise.NotifyBase):
        raise PermanentFailure("Apprise does not support this URL.")
    for host, port in _servers(way):
        addresses(host, port, is_private_allowed=is_private_allowed)
    sender = apprise.Apprise()
    sender.add(way)
    if not sender.notify(body=letter.text, title=letter.subject):
        raise TemporaryFailure("Apprise could not send the message.")


def _servers(way: apprise.NotifyBase) -> Iterator[tuple[str, int]]:
    """Yield the servers that the address names; if its format has no server, `host` is a token."""
    forms: Sequence[str] = way.templates
    if any("{host}" in form for form in forms) and way.host:
        yield str(getattr(way, "smtp_host", None) or way.host).strip("[]"), way.port or 443
