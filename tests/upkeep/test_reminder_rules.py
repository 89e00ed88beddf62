"""When reminders are sent, and how they say when a task is due, in both languages."""

from __future__ import annotations

from datetime import date

import pytest

from aed.settings.upkeep import Reminding
from aed.upkeep.reminders.rules import (
    MessageLine,
    is_written_out,
    level,
    message_text,
    subject,
    threshold,
    thresholds_before,
)
from aed.upkeep.rules import DueKind, ReminderLevel

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


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (1, ReminderLevel.KEEPER),
        (0, ReminderLevel.MANAGER),
        (-6, ReminderLevel.MANAGER),
        (-7, ReminderLevel.REGION),
        (-8, ReminderLevel.REGION),
    ],
)
def test_a_reminder_reaches_the_manager_and_then_the_region(days: int, expected: ReminderLevel) -> None:
    assert level(days, Reminding(manager_from_days=0, region_from_days=-7)) is expected


def test_one_sms_names_the_first_task_and_counts_them_if_there_are_more() -> None:
    lines = [MessageLine(f"100{each}-2", "Lobby", "大堂", DueKind.PADS, DAY, 5) for each in (2, 1)]

    one, two = (message_text(lines[:count], link="/l/x") for count in (1, 2))

    assert one == (
        "AED 1002-2 Lobby: replace pads by 2026-09-22. Answer: /l/x",
        "AED 1002-2 大堂：9月22日前更换电极片 /l/x",
    )
    assert two == (
        "AED 1001-2 Lobby: replace pads by 2026-09-22 (2 tasks). Answer: /l/x",
        "AED 1001-2 大堂：9月22日前更换电极片等2项 /l/x",
    )


def test_a_message_lists_five_tasks_and_counts_the_others() -> None:
    lines = [MessageLine(f"100{each}-2", "Lobby", "大堂", DueKind.PADS, DAY, 5) for each in range(7)]

    five, seven = (message_text(lines[:count], link=None) for count in (5, 7))

    assert [text.count("Lobby") for text in (five[0], seven[0])] == [5, 5]
    assert "more" not in five[0]
    assert seven[0].endswith("; and 2 more.")
    assert seven[1].endswith("；另有2项。")
    assert message_text(lines[:1], in_all=("3 tasks", "3项"), link=None)[0].endswith("; total: 3 tasks.")
