"""Notices with a link: each is one SMS, in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.free_text import SMS_CHARACTERS, SMS_CHARACTERS_ASCII
from aed.notifications.models import OutboxMessage
from aed.notifications.short_links import KEY_LENGTH
from aed.settings import Settings
from aed.training.rules import (
    EnrolmentNotice,
    LinkNotice,
    Occasion,
    notice_words,
    short_notice_words,
)
from tests import make

LINK = "https://aed.example.cn/l/" + "8" * KEY_LENGTH
STARTS_AT = datetime(2026, 12, 24, 6, 30, tzinfo=UTC)
NAMES = {
    "ordinary": ("CPR and AED", "心肺复苏与AED", "Community hall", "社区活动室"),
    "long": ("Resuscitation " * 10, "心肺复苏与自动体外除颤器" * 5, "Hall " * 30, "社区党群服务中心二楼" * 5),
    "Chinese alone": ("心肺复苏" * 9, "心肺复苏" * 9, "社区活动室" * 9, "社区活动室" * 9),
    "lures": ("http://evil.example", "加微信 13800138000", "www.evil.example", "http://evil.example"),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("notice", [*EnrolmentNotice, *LinkNotice], ids=str)
def test_each_notice_is_one_sms(
    notice: EnrolmentNotice | LinkNotice, names: tuple[str, str, str, str]
) -> None:
    course_en, course_zh, place_en, place_zh = names
    of = Occasion(course_en, course_zh, place_en, place_zh, STARTS_AT, "Asia/Shanghai", "no trainer")

    for today in (date(2026, 12, 24), date(2026, 12, 23), date(2026, 12, 1)):
        en, zh = short_notice_words(
            notice, of, LINK, until=STARTS_AT - timedelta(hours=3), waiting_place=12, today=today
        )
        assert len(zh) <= SMS_CHARACTERS, zh
        assert len(en) <= (SMS_CHARACTERS_ASCII if en.isascii() else SMS_CHARACTERS), en
        for text in (en, zh):
            assert text.endswith((" " + LINK, "：" + LINK)), text
            assert "evil" not in text.replace(LINK, "")
            assert "13800138000" not in text


def test_the_text_of_a_reminder_names_the_day() -> None:
    of = Occasion("CPR", "心肺复苏", "Hall", "活动室", STARTS_AT, "Asia/Shanghai")

    def zh(today: date) -> str:
        return short_notice_words(EnrolmentNotice.REMINDER, of, LINK, today=today)[1]

    assert zh(date(2026, 12, 23)).startswith("明天14:30急救培训，活动室。不能来请取消：")
    assert zh(date(2026, 12, 24)).startswith("今天14:30")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": "https://aed.example.cn"})


def test_notices_contain_a_link_once_the_public_url_is_set(session: Session) -> None:
    training = make.training(session, capacity=1)
    has, waits = make.enrolment(session, training), make.enrolment(session, training)

    texts = {
        row.person_id: row.text_zh or ""
        for row in session.scalars(select(OutboxMessage).order_by(OutboxMessage.id))
    }
    assert texts[has.person_id].startswith("报名成功：10月2日10:00课程")
    assert texts[waits.person_id].startswith("候补第1位：10月2日10:00课程")
    assert all("https://aed.example.cn/l/" in each for each in texts.values())


def test_a_cancelled_session_is_announced_with_its_reason_if_one_was_given() -> None:
    of = Occasion("CPR", "心肺复苏", "Hall", "活动室", STARTS_AT, "Asia/Shanghai", "no trainer")

    assert all("no trainer" in text for text in notice_words(EnrolmentNotice.CANCELLED, of))
    en, zh = notice_words(EnrolmentNotice.CANCELLED, replace(of, cancelled_why=None))
    assert (en[-1], zh[-1]) == (".", "。")
