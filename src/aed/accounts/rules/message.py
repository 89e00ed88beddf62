"""What is to be told to one person, in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aed.accounts.rules.person import Language, PhoneChannel


@dataclass(frozen=True, slots=True)
class Message:
    person_id: int
    channel: PhoneChannel
    phone: str
    """E.164."""
    language: Language
    text_en: str
    text_zh: str
    expires_at: datetime | None = None
    is_secret: bool = False
    """Then nobody keeps its text once it is sent."""
