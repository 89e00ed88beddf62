"""When reminders are sent, and how they say when a task is due, in both languages."""

from __future__ import annotations

from datetime import date

import pytest

from aed.settings.upkeep import Reminding
from aed.upkeep.reminders.rules import (
    MessageLine,
    is_written_out,
    message_text,
    subject,
    threshold,
    thresholds_before,
)
from aed.upkeep.rules import DueKind

DAY = date(2026, 9, 22)


def test_services_start_30_days_and_checks_7_days_ahead() -> None:
    by = Reminding(days_before=(90, 31, 30, 8, 7, 0))
    assert thresholds_before(DueKind.PADS, by) == (90, 31, 30, 8, 7, 0)
    assert thresholds_before(DueKind.SERVICE, by) == (30, 8, 7, 0)
    assert thresholds_before(DueKind.CHECK, by) == (7, 0)
    assert thresholds_before(DueKind.RETURN, by) == thresholds_before(DueKind.GLANCE, by) == (0,)


@pytest.mark.parametrize(
    ("days_left", "passed"),
    [(31, None), (30, 30), (8, 30), (7, 7), (0, 0), (-1, 0), (-7, -7), (-8, -7)],
)
def test_a_threshold_is_passed_on_its_day(days_left: int, passed: int | None) -> None:
    assert threshold(days_left, (30, 7, 0), repeat_days=7) == passed


@pytest.mark.parametrize("link", [None, "/l/x"])
@pytest.mark.parametrize(
    ("kind", "days_left", "en", "zh", "zh_in_one_sms"),
    [
        (DueKind.PADS, 1, " by 2026-09-22", "（2026-09-22前）", "9月22日前"),
        (DueKind.PADS, 0, ", today", "（今天到期）", "今天"),
        (DueKind.PADS, -1, ", overdue since 2026-09-22", "（2026-09-22已逾期）", "已逾期"),
        (DueKind.RETURN, 0, "2026-09-22", "（自2026-09-22停用）", "恢复使用"),
        (DueKind.RETURN, -1, "2026-09-22", "（自2026-09-22停用）", "恢复使用"),
    ],
)
def test_both_languages_say_when_a_task_is_due(
    kind: DueKind, days_left: int, en: str, zh: str, zh_in_one_sms: str, link: str | None
) -> None:
    words = (", today", "by 2026", "overdue", "今天", "前", "逾期", "停用")
    line = MessageLine("1001-2", "Lobby", "大堂", kind, DAY, days_left)

    text_en, text_zh = message_text([line], in_all=None, link=link)

    body_zh = text_zh if link is not None else text_zh.partition("。")[2]
    expected_zh = zh if link is None else zh_in_one_sms
    assert en in text_en
    assert expected_zh in body_zh
    assert {each for each in words if each in body_zh} == {each for each in words if each in expected_zh}


def test_the_subject_counts_tasks() -> None:
    assert [subject(count) for count in (1, 2)] == [
        ("AED: 1 task is due", "AED：1项待办"),
        ("AED: 2 tasks are due", "AED：2项待办"),
    ]


def test_a_message_of_up_to_five_lines_that_lists_all_is_written_out() -> None:
    assert is_written_out(5, listed=5)
    assert is_written_out(1, listed=1)
    assert not is_written_out(6, listed=6), "five lines fit"
    assert not is_written_out(5, listed=4)
