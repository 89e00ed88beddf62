"""Every message that people answer is one SMS: with its link at most 160 characters in GSM-7, 70 in UCS-2."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest

from aed.incidents.messages import alert_text
from aed.incidents.rules import IncidentKind, Task
from aed.notifications.short_links import KEY_LENGTH
from aed.training.rules import (
    BookingReason,
    EnrolmentNotice,
    LinkNotice,
    Occasion,
    booking_words,
    short_notice_words,
)
from aed.upkeep.reminders.rules import REMINDED, MessageLine, message_text

LINK = "https://aed.example.cn/l/" + "8" * KEY_LENGTH
GSM_7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""GSM 03.38."""
GSM_7_EXTENSION = set("^{}\\[~]|€")
NAMES = {
    "ordinary": ("Lake Court", "湖畔苑"),
    "long": ("The Gardens of the Old Lake " * 5, "湖滨春江花月夜国际花园三期" * 5),
    "Chinese alone": ("湖畔苑", "湖畔苑"),
    "rare characters": ("𠮷野家" * 20, "𠮷野家" * 20),
    "brackets": ("Court [east] {2} ~ `x` " * 6, "湖畔苑[东]"),
    "accents": ("Résidence du Lac " * 9, "湖畔苑"),
}
STARTS_AT = datetime(2026, 12, 24, 6, 30, tzinfo=UTC)


def segments(text: str) -> int:
    """Return how many SMS a text takes."""
    if set(text) <= GSM_7 | GSM_7_EXTENSION:
        septets = sum(2 if each in GSM_7_EXTENSION else 1 for each in text)
        return 1 if septets <= 160 else -(-septets // 153)
    units = len(text.encode("utf-16-le")) // 2
    return 1 if units <= 70 else -(-units // 67)


def test_segments_are_counted_as_a_network_does() -> None:
    assert [segments("x" * 160), segments("x" * 161), segments("[" * 80), segments("[" * 81)] == [1, 2, 1, 2]
    assert [segments("湖" * 70), segments("湖" * 71), segments("𠮷" * 35), segments("𠮷" * 36)] == [
        1,
        2,
        1,
        2,
    ]
    assert segments("`" * 71) == 2, "a backtick is not in GSM-7"


def calls(where: tuple[str, str]) -> Iterator[tuple[str, str]]:
    kinds = (IncidentKind.REAL, IncidentKind.EXERCISE)
    for kind, task, place in product(kinds, Task, (where, None)):
        yield alert_text(kind, task, place, LINK)
        yield alert_text(IncidentKind.REAL, task, place, LINK, leaves_exercise=True)


def reminders(where: tuple[str, str]) -> Iterator[tuple[str, str]]:
    for kind, days, count in product(sorted(REMINDED), (-40, 0, 30), (1, 12)):
        line = MessageLine("1000042-7", *where, kind, date(2026, 12, 24), days)
        yield message_text([line] * count, in_all=("x" * 200, "共" * 80), link=LINK)


def sessions(where: tuple[str, str]) -> Iterator[tuple[str, str]]:
    of = Occasion(where[0], where[1], where[0], where[1], STARTS_AT, "Asia/Shanghai", "no trainer")
    for notice, today in product([*EnrolmentNotice, *LinkNotice], (date(2026, 12, 23), date(2026, 12, 1))):
        until = STARTS_AT - timedelta(hours=3)
        yield short_notice_words(notice, of, LINK, until=until, waiting_place=12, today=today)
    for reason, next_at in product(BookingReason, (STARTS_AT, None)):
        yield booking_words(reason, LINK, since=date(2026, 12, 1), next_at=next_at, time_zone="Asia/Shanghai")


@pytest.mark.parametrize("where", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("made", [calls, reminders, sessions])
def test_each_is_one_sms_with_its_link(made: object, where: tuple[str, str]) -> None:
    assert callable(made)
    for en, zh in made(where):
        for text in (en, zh):
            assert segments(text) == 1, (len(text), text)
            assert text.endswith(LINK)


def test_the_place_is_named_where_it_fits() -> None:
    en, zh = alert_text(IncidentKind.REAL, Task.FETCH, ("Lake Court", "湖畔苑"), LINK)
    assert zh == f"湖畔苑有人疑似心脏骤停，如能到场，请取AED送往患者处：{LINK}"
    assert en == (
        "Suspected cardiac arrest at Lake Court. If you can come now, please bring an AED to the patient: "
        f"{LINK}"
    )
    assert alert_text(IncidentKind.REAL, Task.DIRECT, None, None)[1] == (
        "您附近有人疑似心脏骤停，如能到场，请直接前往患者处。"
    )
