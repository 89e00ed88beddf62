"""Personal tables of messages, endpoints and calendars."""

from __future__ import annotations

from typing import Final

from aed.personal_data.rules.erasure import Erasure, PersonalTable

NOTIFICATION_TABLES: Final = (
    PersonalTable(
        "calendar_addresses",
        "person_id",
        Erasure.DELETED,
        "the person's private calendar",
        hidden=("key_hash",),
    ),
    PersonalTable("outbox", "person_id", Erasure.DELETED, "messages to the person"),
    PersonalTable(
        "endpoints",
        "person_id",
        Erasure.DELETED,
        "messages to the person",
        hidden=("secret", "old_secret"),
    ),
    PersonalTable(
        "wechat_consents",
        "endpoint_id",
        Erasure.DELETED,
        "consents to messages in WeChat",
        through="endpoints",
    ),
)
