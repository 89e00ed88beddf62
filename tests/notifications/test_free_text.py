"""Free text from strangers can't become a link, a phone number or a second message in the network's SMS."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.free_text import quote
from aed.accounts.people.rules import Language, PersonMessage, PhoneChannel
from aed.accounts.permissions import ANYONE, Role
from aed.incidents.messages import alert_text
from aed.incidents.rules import IncidentKind, Task
from aed.notifications.models import OutboxMessage
from aed.notifications.outbox import enqueue
from aed.training.rules import EnrolmentNotice, Occasion, notice_words
from aed.upkeep.faults.actions import report_device
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.reminders.rules import MessageLine, message_text
from aed.upkeep.rules import DueKind, FaultKind
from tests import make
from tests.make import NOW

PAGE = "https://aed.example.org/d/key"
"""The network's own link, which messages may contain."""
LINK = re.compile(r"\w:/|\bwww\.|[\w-]\.[A-Za-z\u4e00-\u9fff]|@")
"""Patterns that phones turn into links."""
TO_RING = re.compile(r"\d{7}")
LURES = (
    "https://evil.example/x",
    "http:/evil.cn",
    "www.evil.cn",
    "evil.cn/prize",
    "ｅｖｉｌ．ｃｎ",
    "ev\u200bil.cn",
    "例子.公司",
    "a@evil.cn",
    "tel:4008001234",
    "tel:4008001234www.evil.cn",
    "400-800-1234",
    "weixin://dl/x",
    "first\nAED network: pay here",
    "first\u2028second",
    "中" * 500,
)
hostile = st.lists(
    st.one_of(st.sampled_from(LURES), st.text(max_size=12), st.sampled_from([". ", ".", "/", ":", " "])),
    max_size=6,
).map("".join)


def with_lures(test: Callable[..., None]) -> Callable[..., None]:
    for lure in LURES:
        test = example(lure)(test)
    return settings(deadline=None)(given(hostile)(test))


def check(text: str, *, longest: int) -> None:
    without_link = text.replace(PAGE, "")
    assert not LINK.search(without_link), without_link
    assert not TO_RING.search(without_link), without_link
    assert text.isprintable(), text
    assert len(text) <= longest, text


@with_lures
def test_quoted_text_is_one_short_line_without_links_and_numbers(lure: str) -> None:
    for limit in (20, 60, 120):
        check(quote(lure, limit=limit), longest=limit)


@pytest.mark.parametrize(
    "plain",
    ["Lobby, No. 3", "大堂（1号楼）", "3.5 m left of the lift", "Gate 2 (guard's post)", "天华·东门。二层"],
)
def test_names_of_places_are_kept(plain: str) -> None:
    assert quote(plain, limit=60) == plain


def texts(lure: str) -> Iterator[str]:
    """Yield every message that includes other people's words, with `lure` as those words."""
    occasion = Occasion(lure, lure, lure, lure, NOW, "Asia/Shanghai", cancelled_why=lure)
    for notice in EnrolmentNotice:
        yield from notice_words(notice, occasion, until=NOW)
    lines = [MessageLine("3F", lure, lure, due_kind, date(2026, 9, 22), 0) for due_kind in DueKind]
    yield from message_text(lines, link=PAGE)
    for task in Task:
        yield from alert_text(IncidentKind.REAL, task, (lure, lure), PAGE)


@with_lures
def test_no_template_turns_a_strangers_text_into_a_link_or_a_second_message(lure: str) -> None:
    for text in texts(lure):
        check(text, longest=900)


def test_no_keeper_is_sent_the_text_of_a_stranger(session: Session) -> None:
    estate = make.estate(session)
    manager = make.person(session, phone="+86 138 0013 8000")
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    for number, lure in enumerate(LURES):
        device = make.device(
            session, of=estate, place_en=lure[:100], place_zh=lure[:100], maker=f"Maker {number}"
        )
        report = ReportIn(kind=FaultKind.OTHER, note=f"SECRETWORD {lure}"[:500])
        report_device(session, ANYONE, device.id, report, from_key=f"{number:064}", at=NOW)
        make.recall(session, maker=f"Maker {number}", text_en=lure[:300], text_zh=lure[:300])
    texts_sent = [
        *session.scalars(select(OutboxMessage.text_en)),
        *session.scalars(select(OutboxMessage.text_zh)),
    ]
    assert len(texts_sent) >= 2 * 2 * len(LURES)
    for text in texts_sent:
        assert text is not None
        check(text, longest=500)
        assert "SECRETWORD" not in text


def test_no_sms_contains_a_line_break(session: Session) -> None:
    person = make.person(session)
    made = enqueue(
        session,
        PersonMessage(
            person.id, PhoneChannel.SMS, "+8613800138000", Language.EN, "one\r\ntwo\u2028three", "一\n二"
        ),
        NOW,
    )
    assert made.text_en == "one  two three"
    assert made.text_zh == "一 二"
