"""Everything that Apprise can reach: one address for each, as its guide has them."""

from __future__ import annotations

from datetime import datetime

import apprise

from aed.notifications.rules import Letter, Postponed, Refused


def deliver(letter: Letter, *, at: datetime) -> None:
    """Apprise says that it was sent. It says no more than that when it was not, so that is for now.

    Most of what it reaches knows no id; `at` goes nowhere either.
    """
    if letter.endpoint is None:
        raise Refused("It has no endpoint.")
    sender = apprise.Apprise()
    if not sender.add(letter.endpoint.address):
        raise Refused("Apprise does not know this address.")
    if not sender.notify(body=letter.text, title=letter.subject):
        raise Postponed("Apprise could not send it.")
