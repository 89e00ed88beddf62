"""Whom to thank after a call and to ask again after a day, and the texts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID, uuid5

from aed.incidents.rules import AlertReply, AlertState, IncidentKind, IncidentOutcome, StopReason


class FetchingAlert(Protocol):
    """What is read of the alert of a person who was to fetch a device."""

    @property
    def state(self) -> AlertState: ...
    @property
    def device_taken_at(self) -> datetime | None: ...
    @property
    def there_at(self) -> datetime | None: ...
    @property
    def stop_reason(self) -> str | None: ...


FOLLOW_UP_AFTER: Final = timedelta(hours=20)
"""After a night, because memories of what one has seen come back then."""
_DEVICES: Final = UUID("8c1f0c52-6d1c-4a3e-9a57-0f3f0f6c2b11")
"""UUID namespace of the keys of fetches."""


def fetch_key(alert_id: int) -> UUID:
    """Return the key of the device question of a fetch: the same fetch has the same question."""
    return uuid5(_DEVICES, f"alert {alert_id}")


def alerts_that_used_a_device(record: Iterable[tuple[str, str]]) -> set[int]:
    """Return the alerts whose device is on a patient, from the record's entries (kind, payload)."""
    used = set()
    for kind, text in record:
        payload = json.loads(text)
        if kind == "said" and payload["said"] in (AlertReply.DEVICE_ATTACHED, AlertReply.SHOCK_GIVEN):
            used.add(int(payload["alert"]))
    return used


_LEFT: Final = (StopReason.CALLED_AWAY, StopReason.COMES_ELSEWHERE)


def may_have_fetched_device(alert: FetchingAlert, kind: IncidentKind) -> bool:
    """True if the person may have taken the device: upkeep asks about it, and quarantines it after
    silence.

    For a real patient anybody who set out to fetch it, and neither declined nor left for another patient
    first. In an exercise only people who took it or arrived, so that no exercise costs a real patient a
    device that nobody has touched.
    """
    if alert.device_taken_at is not None or alert.there_at is not None:
        return True
    has_left = alert.state is AlertState.DECLINED or alert.stop_reason in _LEFT
    return kind is IncidentKind.REAL and not has_left


def needs_follow_up(kind: IncidentKind, there_at: datetime | None) -> bool:
    """True if the person was at a real patient's side, and is asked how they are."""
    return kind is IncidentKind.REAL and there_at is not None


def thank_you_text(
    kind: IncidentKind, outcome: IncidentOutcome | None, contact: str | None, *, set_out: bool
) -> tuple[str, str]:
    """Return the thank-you message in English and Chinese. It says how the call ended, not what became of the
    patient.
    """
    if kind is IncidentKind.EXERCISE:
        return (
            "EXERCISE over. Thank you for taking part: every exercise makes the next call faster.",
            "【演练】已结束。感谢您的参与，每一次演练都会让下一次救援更快。",
        )
    en, zh = _THANKS[set_out]
    if outcome is not None:
        ended_en, ended_zh = _ENDED[outcome]
        en, zh = f"{en} {ended_en}", zh + ended_zh
    talk_en, talk_zh = _support_offer(contact)
    return en + talk_en, zh + talk_zh


_THANKS: Final = {
    True: (
        "Thank you for setting out to help today. Whatever the outcome, your effort matters.",
        "感谢您今天伸出援手。无论结果如何，您的行动都有意义。",
    ),
    False: (
        "You were called to an emergency today. Thank you for being ready to help.",
        "今天曾就一起急救呼叫您。感谢您愿意随时待命。",
    ),
}
"""By whether the person set out."""
_ENDED: Final = {
    IncidentOutcome.HANDED_OVER: ("The ambulance has taken over.", "患者已移交120急救人员。"),
    IncidentOutcome.FALSE_ALARM: ("It was a false alarm.", "事后确认为误报。"),
    IncidentOutcome.CALLED_OFF: ("Help was no longer needed.", "后来已不再需要支援。"),
    IncidentOutcome.LAPSED: ("The call has ended.", "呼叫已结束。"),
}


def follow_up_text(contact: str | None) -> tuple[str, str]:
    """Return the question of the day after in English and Chinese."""
    talk_en, talk_zh = _support_offer(contact)
    return (
        "Yesterday you helped in an emergency. How are you today? Poor sleep and recurring images are "
        "common at first and usually pass." + talk_en,
        "昨天您参与了一次急救。今天感觉怎么样？一开始睡不好、画面反复出现都很常见，多数会慢慢好转。"
        + talk_zh,
    )


def _support_offer(contact: str | None) -> tuple[str, str]:
    if contact is None:
        return "", ""
    return f" If you would like to talk about it: {contact}.", f"如想找人聊聊，请联系：{contact}。"
