"""Opening hours in free text: parsed fully, in part or not at all, and never as more open than written."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from aed.errors import InvalidInput
from aed.hours.columns import hours_of_geodae, hours_of_japan, hours_of_taiwan, hours_of_week
from aed.hours.evaluation import Opening, hours_at, parse_hours
from aed.hours.text import UnderstoodHours, understand_hours
from tests.examples import examples

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
NO_DAYS = 'unknown "days not stated"'

CHINESE = [
    ("24小時", "24/7"),
    ("24小时", "24/7"),
    ("全天", "24/7"),
    ("全天候開放", "24/7"),
    ("24小時營業", "24/7"),
    ("24小時全年無休", "24/7"),
    ("全天、全年皆可使用", "24/7"),
    ("星期一至星期日 (24小時)", "24/7"),
    ("0:00-23:59 每日", "24/7"),
    ("週一至週五 08:00~17:00", "Mo-Fr 08:00-17:00"),
    ("週一～週五 8:00 AM - 5:00 PM", "Mo-Fr 08:00-17:00"),
    ("週一~週五 AM8:00~PM5:00", "Mo-Fr 08:00-17:00"),
    ("周一至周五 8:00-17:00，周六 8:00-12:00", "Mo-Fr 08:00-17:00; Sa 08:00-12:00"),
    ("周一至周五：08:00~17:00<br>周六：08:00~12:00<br>", "Mo-Fr 08:00-17:00; Sa 08:00-12:00"),
    ("星期一至五上午8點至下午5點，假日除外", "Mo-Fr 08:00-17:00; PH off"),
    (
        "星期一至五：上午九時至下午五時；星期六：上午九時至下午一時",
        "Mo-Fr 09:00-17:00; Sa 09:00-13:00",
    ),
    ("週一到週五 早上八點到下午五點半", "Mo-Fr 08:00-17:30"),
    ("禮拜一到五 8:00-17:00", "Mo-Fr 08:00-17:00"),
    ("每日 08:00-22:00", "Mo-Su 08:00-22:00"),
    ("早上8點到晚上10點 每天", "Mo-Su 08:00-22:00"),
    ("凌晨5點至晚上11點，全年無休", "Mo-Su 05:00-23:00"),
    ("晚上10點至早上6點 每日", "Mo-Su 22:00-06:00"),
    ("工作日 9:00-18:00", "Mo-Fr 09:00-18:00; PH off"),
    ("周一至周五 9:00-17:00（法定节假日除外）", "Mo-Fr 09:00-17:00; PH off"),
    ("平日 08:00-17:00 假日 09:00-12:00", "Mo-Fr 08:00-17:00; Sa-Su 09:00-12:00; PH 09:00-12:00"),
    ("週一至週五 08:00-17:00（國定假日休息）", "Mo-Fr 08:00-17:00; PH off"),
    ("除國定假日外，每日8:00-17:00", "Mo-Su 08:00-17:00; PH off"),
    ("週一至週五08:00-12:00及13:30-17:30", "Mo-Fr 08:00-12:00,13:30-17:30"),
    ("週二公休 10:00-18:00", "Mo,We-Su 10:00-18:00"),
    ("13:00-21:00 公休：週一", "Tu-Su 13:00-21:00"),
    ("08:00-17:00 假日除外", "Mo-Fr 08:00-17:00; PH off"),
    ("週六日 09:00-12:00", "Sa-Su 09:00-12:00"),
    ("星期一、三、五 14:00-16:00", "Mo,We,Fr 14:00-16:00"),
    ("上班時間 週一至週五 8:00-17:00", "Mo-Fr 08:00-17:00"),
    ("08:00~17:00", f"Mo-Su 08:00-17:00 {NO_DAYS}"),
    ("上午8點至下午5點", f"Mo-Su 08:00-17:00 {NO_DAYS}"),
    ("08:00-17:00 國定假日休息", f"Mo-Su 08:00-17:00 {NO_DAYS}; PH off"),
    ("例假日 08:00-12:00", 'Sa 08:00-12:00 unknown "perhaps Sa"; Su 08:00-12:00; PH 08:00-12:00'),
    (
        "每日 9:00-17:00 除夕休館",
        'Mo-Su 09:00-17:00; Jan 19-Mar 07 Mo-Su 09:00-17:00 unknown "除夕"',
    ),
    ("全日開放", "24/7"),
    ("24小時全天開放", "24/7"),
    ("7*24小时", "24/7"),
    ("全年全天開放大眾使用", "24/7"),
    ("全年無休", None),
    ("營業時間", None),
    ("依營業時間", None),
    ("早上8點到5點", None),
    ("周一至周五 08:00-05:00", None),
    ("06:00-06:00 每日", None),
    ("24小時制", None),
    ("非24小時", None),
    ("不是24小時開放", None),
    ("8小時", None),
    ("星期一三點到五點", None),
    ("二十六日 9:00-17:00", None),
    ("24小時值班", None),
    ("大廳24小時", None),
    ("因校園補強工程作業，目前校園暫不開放", None),
    ("除了上課時間，皆開放民眾入校園運動", None),
    ("2026/1/1-2026/12/31 每日 8:00-17:00", None),
]
JAPANESE = [
    ("24時間", "24/7"),
    ("24時間365日", "24/7"),
    ("終日", "24/7"),
    ("終日利用可能", "24/7"),
    ("常時", "24/7"),
    ("平日 9:00~17:00", "Mo-Fr 09:00-17:00; PH off"),
    ("平日の9:00から17:00", None),
    ("月〜金 9:00-17:00（祝日を除く）", "Mo-Fr 09:00-17:00; PH off"),
    ("月火水木金 9時から17時", "Mo-Fr 09:00-17:00"),
    ("月~金 午前9時〜午後5時", "Mo-Fr 09:00-17:00"),
    ("月曜から土曜まで 9時から17時まで", "Mo-Sa 09:00-17:00"),
    ("午前9時〜12時 月~土", "Mo-Sa 09:00-12:00"),
    ("午後1時〜5時 毎日", "Mo-Su 13:00-17:00"),
    ("土日祝 10:00〜17:00", "Sa-Su 10:00-17:00; PH 10:00-17:00"),
    ("土日祝以外 9:00-17:00", "Mo-Fr 09:00-17:00; PH off"),
    ("第2・第4土曜日 9:00-12:00", "Sa[2,4] 09:00-12:00"),
    ("第１・３土曜 9:00-12:00", "Sa[1,3] 09:00-12:00"),
    ("毎日 9:00-17:00 第１・第３水曜日除く", "Mo-Su 09:00-17:00; We[1,3] off"),
    ("月〜土 9:00-19:00、土曜日は17:00まで", "Mo-Fr 09:00-19:00; Sa 09:00-17:00"),
    ("毎日 9:00-21:00、日曜日は9：00～17：00", "Mo-Sa 09:00-21:00; Su 09:00-17:00"),
    ("7:00～18:00(平日)、8:00～16:00(土曜日)", "Mo-Fr 07:00-18:00; Sa 08:00-16:00; PH off"),
    ("月曜定休 9:00-17:00", "Tu-Su 09:00-17:00"),
    ("9:00-17:00 定休日:月曜日", "Tu-Su 09:00-17:00"),
    ("12/29～1/3を除く 毎日 9:00-17:00", "Mo-Su 09:00-17:00; Dec 29-Jan 03 off"),
    ("毎日 9:00-17:00（8月13日〜15日休み）", "Mo-Su 09:00-17:00; Aug 13-15 off"),
    (
        "月〜金 9:00〜17:00 年末年始を除く",
        'Mo-Fr 09:00-17:00; Dec 25-Jan 07 Mo-Fr 09:00-17:00 unknown "年末年始"',
    ),
    ("毎日 9:00-17:00 休館日を除く", 'Mo-Su 09:00-17:00 unknown "休館日"'),
    (
        "日曜は9:00-17:00、火~土 9:00-21:00、祝日の翌日を除く",
        "Tu-Sa 09:00-21:00; Su 09:00-17:00; PH +1 day off",
    ),
    (
        "火曜日～金曜日8：30～21：00\n月曜日8：30～17：00\n土日祝10：00～21：00\n"
        "土・日、祝日10：00～21：00\n（12/29～1/3除く）",
        "Mo 08:30-17:00; Tu-Fr 08:30-21:00; Sa-Su 10:00-21:00; PH 10:00-21:00; Dec 29-Jan 03 off",
    ),
    ("18:00〜25:00 毎日", "Mo-Su 18:00-01:00"),
    ("9時から17時", f"Mo-Su 09:00-17:00 {NO_DAYS}"),
    ("平日のみ 9:00-17:00", "Mo-Fr 09:00-17:00; PH off"),
    ("平日のみ（時間は要確認）", None),
    ("学校開校日に随時", None),
    ("開館時のみ利用可能", None),
    ("平日以外 9:00-17:00", None),
    ("月〜金（祝日を除く）9:00-17:00", "Mo-Fr 09:00-17:00; PH off"),
    ("月〜金、祝日を除く 9:00-17:00", "Mo-Fr 09:00-17:00; PH off"),
    (
        "9:00〜17:00 月〜金 年末年始を除く",
        'Mo-Fr 09:00-17:00; Dec 25-Jan 07 Mo-Fr 09:00-17:00 unknown "年末年始"',
    ),
    ("9:00-17:00 土日（祝日を除く）", "Sa-Su 09:00-17:00; PH off"),
    ("土日（祝日を除く）9:00-17:00", "Sa-Su 09:00-17:00; PH off"),
    ("9:00-17:00（土日祝除く）", "Mo-Fr 09:00-17:00; PH off"),
    ("9:00-17:00 土日、祝日を除く", None),  # closed on these days, or open on these only?
    ("土日、祝日を除く 9:00-17:00", None),
    ("9:00-17:00 月・火 祝日を除く", None),
    ("月曜（休み）9:00-17:00", "Tu-Su 09:00-17:00"),
    ("9:00-21:00、日曜日は9：00～17：00 毎日", None),
    ("月曜定休 :00-17:00", None),
    ("開館日 9:00-17:00", None),
    ("開館の日 9:00-17:00", None),
    ("9-17日", None),
    ("4月-10月 9:00-17:00", None),
    ("月1回 9:00-17:00", None),
    ("毎月 9:00-17:00", None),
    ("月〜祝 9:00-17:00", None),
    ("9時間", None),
    ("24時間利用不可", None),
    ("常時（月〜金 9:00-17:00）", None),
    ("24時間営業ではない", None),
    ("8:00〜20:00頃", None),
    ("月~金 8時~5時", None),
    ("午前9時~5時", None),
    ("月~金 9:00-17:00 昼休みを除く", None),
    ("月~金 9:00-17:00 要連絡", None),
    ("月曜日(祝日の場合は翌日)休館 9:00-17:00", None),
    ("①9：00～21時（日曜日・祝休日は9：00～17：00）②10：00～17：00※火曜休館日", None),
]
KOREAN = [
    ("24시간", "24/7"),
    ("연중무휴 24시간", "24/7"),
    ("상시", "24/7"),
    ("평일 09:00~18:00", "Mo-Fr 09:00-18:00; PH off"),
    (
        "평일 09:00~18:00, 토요일 09:00~13:00, 공휴일 휴무",
        "Mo-Fr 09:00-18:00; Sa 09:00-13:00; PH off",
    ),
    ("연중무휴 오전 9시~오후 6시", "Mo-Su 09:00-18:00"),
    ("월~금 09:00~18:00", "Mo-Fr 09:00-18:00"),
    ("월요일~금요일 9시부터 18시까지", "Mo-Fr 09:00-18:00"),
    ("월요일부터 토요일까지 오전 8시 30분~오후 5시", "Mo-Sa 08:30-17:00"),
    ("월·수·금 10:00-16:00", "Mo,We,Fr 10:00-16:00"),
    ("10:00~18:00 (일요일 휴무)", "Mo-Sa 10:00-18:00"),
    ("매일 06:00~24:00", "Mo-Su 06:00-24:00"),
    ("매일 밤 9시~아침 6시", "Mo-Su 21:00-06:00"),
    ("주말 10:00~17:00", "Sa-Su 10:00-17:00"),
    ("매일 9:00-18:00 공휴일 제외", "Mo-Su 09:00-18:00; PH off"),
    ("오전 9시~오후 6시", f"Mo-Su 09:00-18:00 {NO_DAYS}"),
    ("평일 9시~6시", None),
    ("평일 9시-18시 점심시간 제외", None),
    ("근무시간", None),
    ("1월~3월 10:00-16:00", None),
    ("2일 10:00-16:00", None),
    ("매월 둘째주 월요일 휴무 10:00-18:00", None),
    ("연중무휴", None),
]
FRENCH = [
    ("24h/24", "24/7"),
    ("7j/7 24h/24", "24/7"),
    ("24h/24 et 7j/7", "24/7"),
    ("24 heures sur 24, 7 jours sur 7", "24/7"),
    ("lundi-vendredi 8h-18h", "Mo-Fr 08:00-18:00"),
    ("Du lundi au vendredi de 8h à 12h et de 14h à 18h", "Mo-Fr 08:00-12:00,14:00-18:00"),
    ("du lundi au samedi de 9h30 à 19h, fermé dimanche et jours fériés", "Mo-Sa 09:30-19:00; PH off"),
    ("du lundi au vendredi sauf jours fériés 8h - 18h", "Mo-Fr 08:00-18:00; PH off"),
    ("tous les jours de 7h à 22h", "Mo-Su 07:00-22:00"),
    ("lun-ven 9h-17h30", "Mo-Fr 09:00-17:30"),
    ("samedi 9h-12h", "Sa 09:00-12:00"),
    ("lundi 8h à midi", "Mo 08:00-12:00"),
    ("7j/7", None),
    ("lundi au vendredi", None),
    ("heures ouvrables", None),
    ("jours ouvrables 8h-18h", None),
    ("lundi au vendredi 8h-12h 14h-18h sauf mercredi après-midi", None),
    ("8h-6h lundi", None),
    ("non renseigné", None),
    ("Mar 10:00-12:00", None),
]
ENGLISH = [
    ("24 hours", "24/7"),
    ("24 hrs daily", "24/7"),
    ("Open 24 hours a day, 7 days a week", "24/7"),
    ("24/7", "24/7"),
    ("Mon-Fri 9am-5pm", "Mo-Fr 09:00-17:00"),
    ("Mon-Fri 9-5pm", "Mo-Fr 09:00-17:00"),
    ("Mon-Fri 9-17", "Mo-Fr 09:00-17:00"),
    ("Mon-Fri 0900-1800", "Mo-Fr 09:00-18:00"),
    ("weekdays 9am - noon", "Mo-Fr 09:00-12:00"),
    ("daily 6am to midnight", "Mo-Su 06:00-24:00"),
    ("Mon to Fri 09:00-18:00; Sat 09:00-13:00; Sun & PH Closed", "Mo-Fr 09:00-18:00; Sa 09:00-13:00; PH off"),
    (
        "Monday to Friday: 9:00 a.m. to 6:00 p.m.; Sat: 9:00am-1:00pm; Closed on Sundays and Public Holidays",
        "Mo-Fr 09:00-18:00; Sa 09:00-13:00; PH off",
    ),
    ("Monday to Friday (except public holidays): 9am-5pm", "Mo-Fr 09:00-17:00; PH off"),
    ("Mon-Sun (including public holidays): 24 hours", "Mo-Su 00:00-24:00; PH 00:00-24:00"),
    ("9am-5pm Monday to Friday", "Mo-Fr 09:00-17:00"),
    ("8:00-12:00 daily", "Mo-Su 08:00-12:00"),
    ("Mo - Fr 7:00 - 17:00", "Mo-Fr 07:00-17:00"),
    ("0900-1800", f"Mo-Su 09:00-18:00 {NO_DAYS}"),
    ("8:00-17:00", f"Mo-Su 08:00-17:00 {NO_DAYS}"),
    ("8-5", None),
    ("Mon-Fri 9-5", None),
    ("Mon-Fri 9am-5", None),
    ("Mon-Fri 1-5pm", None),
    ("Mon-Fri 8-10pm", None),
    ("9:00-5:00", None),
    ("Mo-Fr 9:00-5:00", None),
    ("1:00-5:00 daily", None),
    ("8-12 daily", None),
    ("2020-2025 daily", None),
    ("Mo-Fr 2024-2025", None),
    ("open", None),
    ("closed", None),
    ("unknown", None),
    ("off", None),
    ("by appointment", None),
    ("school hours", None),
    ("office hours", None),
    ("24/7 except at night", None),
    ("not 24 hours", None),
    ("24 hours (staff only)", None),
    ("24 hours notice", None),
    ("<s>24 hours</s>", None),
    ("daily Mo-Fr 9am-5pm", None),
    ("24/7, Mon-Fri 9am-5pm", None),
    ("daily 8am-10pm, Mon-Fri 8am-5pm", None),
    ("daily 8am-10pm, Sunday 9am-5pm", "Mo-Sa 08:00-22:00; Su 09:00-17:00"),
    ("Mo-Fr 1:00-7:00", None),
    ("9am-5pm except holidays, Monday to Friday", None),
    ("9am-5pm Monday to Friday except public holidays", "Mo-Fr 09:00-17:00; PH off"),
    ("9am-5pm, closed Sundays and public holidays", "Mo-Sa 09:00-17:00; PH off"),
    ("closed Monday to Friday (except public holidays): 9am-5pm", None),
    ("Friday Monday to 9am-5pm", None),
    (":00-17:00 daily", None),
    ("Mo-Fr 13:00-7:00", None),
    ("Mo-Fr 9-12 13:30-17:00 Sa", None),
    ("Mon-Fri 9am-5pm (by appointment)", None),
    ("Mon-Fri 9am-5pm?", None),
    ("Mon-Fri approx 9am-5pm", None),
    ("24:00-08:00 daily", None),
    ("Mo-Fr ٠٩:٠٠-١٧:٠٠", None),
    ("Mon-Fri 9am-5\u0336pm", None),
]
GERMAN = [
    ("rund um die Uhr", "24/7"),
    ("24 Stunden täglich", "24/7"),
    ("0-24 Uhr", "24/7"),
    ("Montag bis Freitag 8-17 Uhr", "Mo-Fr 08:00-17:00"),
    ("Mo.-Fr. 8-12 Uhr, 13-17 Uhr", "Mo-Fr 08:00-12:00,13:00-17:00"),
    ("Montag - Freitag: 08.00 - 12.00 / 13.30 - 17.00 Uhr", "Mo-Fr 08:00-12:00,13:30-17:00"),
    ("Mo-Do 7:30 - 16:00 Uhr, Fr 7:30 - 12:00 Uhr", "Mo-Th 07:30-16:00; Fr 07:30-12:00"),
    ("Mo+Mi 8.00-12.00 Uhr", "Mo,We 08:00-12:00"),
    ("Di 8-12 Uhr", "Tu 08:00-12:00"),
    ("täglich 8-20 Uhr", "Mo-Su 08:00-20:00"),
    ("Sa 10-14, So geschlossen", "Sa 10:00-14:00"),
    ("Mo-Fr 8-17 Uhr, Feiertage ausgenommen", "Mo-Fr 08:00-17:00; PH off"),
    ("werktags 8-17 Uhr", None),
    ("werktags", None),
    ("nach Vereinbarung", None),
    ("Mo-Fr 8-17 Uhr nach Vereinbarung", None),
    ("während der Öffnungszeiten", None),
]
HOLIDAYS_APART = [
    ("月～土(祝日を除く)8:30～22:00,日・祝8:30～17:00", "Mo-Sa 08:30-22:00; Su 08:30-17:00; PH 08:30-17:00"),
    ("Mon-Sat 9:00-17:00, holidays 10:00-12:00, closed on holidays", None),
]
POLISH = [
    ("całodobowo", "24/7"),
    ("Czynne całą dobę", "24/7"),
    ("24h na dobę przez 7 dni w tygodniu", "24/7"),
    ("pon-pt 8-16", "Mo-Fr 08:00-16:00"),
    ("pon.-pt. w godz. 8.00-16.00", "Mo-Fr 08:00-16:00"),
    ("od poniedziałku do piątku w godz. 8.00-16.00, sobota 9-13", "Mo-Fr 08:00-16:00; Sa 09:00-13:00"),
    ("pn-pt 7:30-15:30, sob. 8-13, niedz. nieczynne", "Mo-Fr 07:30-15:30; Sa 08:00-13:00"),
    ("od pn do pt od 7 do 15", "Mo-Fr 07:00-15:00"),
    ("codziennie 8:00-20:00", "Mo-Su 08:00-20:00"),
    ("codziennie oprócz niedzieli 8:00-20:00", "Mo-Sa 08:00-20:00"),
    ("w godzinach pracy", None),
    ("w godzinach otwarcia", None),
    ("w dni robocze 8-16", None),
    ("pon-pt", None),
]
LEFT_EMPTY = [
    ("Monday 9:00-17:00, Tuesday - , Wednesday 9:00-17:00", None),
    ("Monday: 9:00-17:00, Tuesday: , Wednesday: 9:00-17:00", None),
    ("Monday: 9:00-17:00; Tuesday; Wednesday: 9:00-17:00", None),
    ("Monday: 9:00-17:00\nTuesday:\nWednesday: 9:00-17:00", None),
    ("Monday 9:00-17:00, Tuesday /, Wednesday 9:00-17:00", None),
    ("Monday 9:00-17:00, Tuesday (), Wednesday 9:00-17:00", None),
    ("Saturday: Sunday: 10:00-12:00", None),
    ("Saturday open, Sunday 10:00-12:00", None),
    ("Saturday\nSunday closed\nMo-Fr 9:00-17:00", None),
    ("Mo 09:00-12:00; Tu; We 09:00-12:00", None),
    ("Mo-Fr; Sa 09:00-12:00", None),
    ("周一至周五：9:00-17:00，周六：－，周日：10:00-12:00", None),
    ("周六：；周日：9:00-17:00", None),
    ("土曜：、日曜：9:00-17:00", None),
    ("lundi : , mardi : 9h-17h", None),
    ("Samstag: –, Sonntag: 9-17 Uhr", None),
    ("sobota: ; niedziela: 9:00-17:00", None),
    ("Mon, Tue and Wed 9:00-17:00", "Mo-We 09:00-17:00"),
    ("Weekdays: Mon-Fri 9:00-17:00", "Mo-Fr 09:00-17:00"),
    ("Mon-Fri:\n9:00-17:00\nSat:\n9:00-12:00", "Mo-Fr 09:00-17:00; Sa 09:00-12:00"),
]
"""Days without hours, and similar texts."""
BY_LANGUAGE = {
    "left empty": LEFT_EMPTY,
    "holidays apart": HOLIDAYS_APART,
    "zh": CHINESE,
    "ja": JAPANESE,
    "ko": KOREAN,
    "fr": FRENCH,
    "en": ENGLISH,
    "de": GERMAN,
    "pl": POLISH,
}
TEXTS = [
    pytest.param(text, expression, id=f"{language}: {text[:40]}")
    for language, table in BY_LANGUAGE.items()
    for text, expression in table
]


@pytest.mark.parametrize(("text", "expression"), TEXTS)
def test_hours_are_parsed_or_left_unknown(text: str, expression: str | None) -> None:
    understood = understand_hours(text)

    assert understood.expression == expression
    if expression is None:
        assert understood.rest == text.strip()
        assert not understood.certain
    else:
        assert parse_hours(expression) == expression
        assert understood.certain is ("unknown" not in expression)


@pytest.mark.parametrize(
    ("text", "language", "expression"),
    [
        ("Mar 10:00-12:00", "fr", "Tu 10:00-12:00"),
        ("mar 10h-12h", "fr-FR", "Tu 10:00-12:00"),
        ("mar 9:00-12:00", "it", "Tu 09:00-12:00"),
        ("ma 9:00-12:00", "nl", "Mo 09:00-12:00"),
        ("horario de oficina", "es", None),
        ("da lunedì a venerdì 15:00-22:00, sabato 9-13", "it", "Mo-Fr 15:00-22:00; Sa 09:00-13:00"),
        (
            "L-V de 8:00 a 22:00, sábados y domingos de 9:00 a 14:00",
            "es",
            "Mo-Fr 08:00-22:00; Sa-Su 09:00-14:00",
        ),
        ("de lunes a sábado de 9 a 21 h, festivos cerrado", "es", "Mo-Sa 09:00-21:00; PH off"),
        ("ma t/m vr 8.00 - 23.00 uur, za en zo 9.00-18.00 uur", "nl", "Mo-Fr 08:00-23:00; Sa-Su 09:00-18:00"),
        ("M-F 8am-5pm", "en", "Mo-Fr 08:00-17:00"),
        ("So 10-14", None, None),  # Sunday in German, Saturday in Polish
        ("So 10-14", "de", "Su 10:00-14:00"),
        ("So 10-14", "pl", "Sa 10:00-14:00"),
        ("Di 10h-14h", None, None),  # Tuesday in German, Sunday in French
        ("Di 10h-14h", "fr", "Su 10:00-14:00"),
        ("週一至週五 8:00-17:00", "zh-Hant-TW", "Mo-Fr 08:00-17:00"),
        ("週一至週五 8:00-17:00", "fr", None),
        ("W1-5 08:00-18:00", "zh", "Mo-Fr 08:00-18:00"),
        ("W1-5 08:00-18:00", None, None),
        ("w 1-5 08:00-18:00", "pl", None),
        ("lundi 8h-18h", "tlh", "Mo 08:00-18:00"),  # an unsupported language has no effect
        ("8:00-22:00", "osm", "08:00-22:00"),  # in an OpenStreetMap tag, times without days apply daily
        ("Mar-Oct Mo-Fr 8:00-17:00", "osm", "Mar-Oct Mo-Fr 08:00-17:00"),
        ("9:00-5:00", "osm", None),
        ("open", "osm", None),
        ("Mo - Fr 7:30 - 17:00 ", "osm", "Mo-Fr 07:30-17:00"),
        ("Montag bis Freitag 8-17 Uhr", "osm", "Mo-Fr 08:00-17:00"),
    ],
)
def test_the_language_of_the_list_decides_how_hours_are_read(
    text: str, language: str | None, expression: str | None
) -> None:
    assert understand_hours(text, language=language).expression == expression


def test_empty_text_yields_no_hours() -> None:
    assert understand_hours(" \n") == UnderstoodHours(None, None)
    assert understand_hours("9" * 2_000).expression is None


# --- Columns -------------------------------------------------------------------------------------------

SHUT: tuple[str, str] = ("", "")
MIDNIGHTS = ("00:00", "00:00")
ALL_DAY = ("00:00", "23:59")


@pytest.mark.parametrize(
    ("weekdays", "saturday", "sunday", "note", "expression"),
    [
        (ALL_DAY, ALL_DAY, ALL_DAY, "", "24/7"),
        (("06:00", "00:00"),) * 3 + ("", "Mo-Su 06:00-24:00"),
        (("07:00", "01:00"),) * 3 + ("", "Mo-Su 07:00-01:00"),
        (
            ("16:30", "07:00"),
            ("00:00", "23:00"),
            ("00:00", "23:00"),
            "",
            "Mo-Fr 16:30-07:00; Sa-Su 00:00-23:00",
        ),
        (MIDNIGHTS, MIDNIGHTS, MIDNIGHTS, "", None),
        (MIDNIGHTS, MIDNIGHTS, MIDNIGHTS, "24小時全年無休", "24/7"),
        (MIDNIGHTS, MIDNIGHTS, MIDNIGHTS, "1F警衛室", None),
        (("06:00", "06:00"),) * 3 + ("", None),
        (("08:00", "05:00"),) * 3 + ("", None),
        (("08:00", "17:00"), MIDNIGHTS, MIDNIGHTS, "", "Mo-Fr 08:00-17:00; Sa-Su 00:00-24:00 unknown"),
        (("08:00", "17:00"), SHUT, SHUT, "", "Mo-Fr 08:00-17:00; Sa-Su 00:00-24:00 unknown"),
        (("08:00", "17:00"), SHUT, SHUT, "假日不開放", "Mo-Fr 08:00-17:00; PH off"),
        (("08:00", "17:00"), MIDNIGHTS, MIDNIGHTS, "六日不開放", "Mo-Fr 08:00-17:00"),
        (("08:00", "16:00"), SHUT, SHUT, "只開禮拜一到五", "Mo-Fr 08:00-16:00"),
        (
            ("13:00", "21:00"),
            ("09:00", "17:00"),
            ("09:00", "17:00"),
            "星期一、四公休",
            "Tu-We,Fr 13:00-21:00; Sa-Su 09:00-17:00",
        ),
        (("10:00", "18:00"),) * 3 + ("星期一為休館日，不對外開放", "Tu-Su 10:00-18:00"),
        (("05:00", "22:00"),) * 3
        + ("周一至周五7:00-17:30不開放", "Mo-Fr 05:00-07:00,17:30-22:00; Sa-Su 05:00-22:00"),
        (ALL_DAY, ALL_DAY, ALL_DAY, "1.星期一休市\n2.24hr開放", "Tu-Su 00:00-24:00"),
        (("08:00", "17:00"),) * 3
        + ("除夕及天災假 不開放", 'Mo-Su 08:00-17:00 unknown "除夕及天災假 不開放"'),
        (
            ("08:00", "17:00"),
            ("08:00", "17:00"),
            ("08:00", "17:00"),
            "全天開放",
            'Mo-Su 08:00-17:00, Mo-Su 00:00-08:00,17:00-24:00 unknown "table and note differ"',
        ),
        (("08:00", "17:30"), SHUT, SHUT, "假日可通報警衛協助取得AED", None),
        (("08:00", "17:00"), SHUT, SHUT, "衛生所", None),
        (("08:00", "17:00"), SHUT, SHUT, "閘門內", None),
        (("00:00", ""), ("00:13", ""), ("00:13", ""), "24小時開放", None),
        (("morning", "17:00"), SHUT, SHUT, "", None),
        (SHUT, SHUT, SHUT, "全天", "24/7"),
        (SHUT, SHUT, SHUT, "航機值勤時用", None),
        (SHUT, SHUT, SHUT, "", None),
    ],
)
def test_the_hour_columns_of_taiwan_are_read(
    weekdays: tuple[str, str],
    saturday: tuple[str, str],
    sunday: tuple[str, str],
    note: str,
    expression: str | None,
) -> None:
    understood = hours_of_taiwan(weekdays=weekdays, saturday=saturday, sunday=sunday, always="X", note=note)

    assert understood.expression == expression
    if expression is not None:
        assert understood.certain is ("unknown" not in expression)


def test_a_flag_that_contradicts_the_columns_yields_unknown_hours() -> None:
    def all_week(times: tuple[str, str], flag: str) -> str | None:
        return hours_of_taiwan(weekdays=times, saturday=times, sunday=times, always=flag).expression

    assert all_week(SHUT, "Y") == "24/7"
    assert all_week(SHUT, "X") is None
    assert all_week(ALL_DAY, "Y") == "24/7"
    assert all_week(ALL_DAY, "N") is None

    office = hours_of_taiwan(weekdays=("08:00", "17:00"), saturday=SHUT, sunday=SHUT, always="Y")
    assert state_in_taipei(office, "2026-11-18T10:00") is Opening.OPEN
    assert state_in_taipei(office, "2026-11-18T20:00") is Opening.UNKNOWN
    assert state_in_taipei(office, "2026-11-21T10:00") is Opening.UNKNOWN


def state_in_taipei(understood: UnderstoodHours, at: str) -> Opening:
    zone = ZoneInfo("Asia/Taipei")
    moment = datetime.fromisoformat(at).replace(tzinfo=zone)
    return hours_at(understood.expression, moment, time_zone="Asia/Taipei").state


@pytest.mark.parametrize(
    ("days", "opens", "closes", "note", "expression"),
    [
        ("月火水木金土日", "0:00", "23:59", "終日利用可能", "24/7"),
        ("月火水木金", "9:00", "17:00", "", "Mo-Fr 09:00-17:00"),
        ("月～金", "900", "1700", "", "Mo-Fr 09:00-17:00"),
        ("月;水;金", "9時", "17時30分", "", "Mo,We,Fr 09:00-17:30"),
        ("月水木金土日", "9:00", "22:00", "", "Mo,We-Su 09:00-22:00"),
        ("平日", "9:00", "17:00", "", "Mo-Fr 09:00-17:00; PH off"),
        ("土日祝以外", "8:50", "17:25", "", "Mo-Fr 08:50-17:25; PH off"),
        ("土日祝以外", "8:50", "17:25", "使用の際は守衛に確認してください", None),
        ("毎日", "7:00", "1700", "", "Mo-Su 07:00-17:00"),
        ("", "9:00", "17:00", "", f"Mo-Su 09:00-17:00 {NO_DAYS}"),
        ("月火水木金", "", "", "", "Mo-Fr 00:00-24:00 unknown"),
        ("月火水木金土日", "", "", "開園時間中利用可", None),
        ("月火水木金土日", "9:00", "", "", None),
        ("開館日", "9:00", "17:00", "", None),
        ("", "", "", "学校開校日に随時", None),
        (
            "月火水木金土日",
            "9:00",
            "21:00",
            "日曜日は9：00～17：00、8/13～8/15、12/29～1/3を除く",
            "Mo-Sa 09:00-21:00; Su 09:00-17:00; Aug 13-15 off; Dec 29-Jan 03 off",
        ),
        (
            "月火水木金土",
            "7:30",
            "19:00",
            "開所日のみ。土曜日は17:00まで。",
            'Mo-Fr 07:30-19:00 unknown "開所日のみ"; Sa 07:30-17:00 unknown "開所日のみ"',
        ),
        (
            "月火水木金",
            "8:30",
            "17:15",
            "祝日、12/29～1/3を除く",
            "Mo-Fr 08:30-17:15; PH off; Dec 29-Jan 03 off",
        ),
        ("月火水木金土日", "9:00", "17:00", "第１・第３水曜日除く", "Mo-Su 09:00-17:00; We[1,3] off"),
        (
            "月火水木金土日",
            "8:30",
            "17:15",
            "友引、1/1を除く",
            'Mo-Su 08:30-17:15 unknown "友引"; Jan 01 off',
        ),
        (
            "月火水木金土",
            "9:00",
            "22:00",
            "土曜日及び祝日は9:00～17：00。12/29～1/3を除く。",
            "Mo-Fr 09:00-22:00; Sa 09:00-17:00; PH 09:00-17:00; Dec 29-Jan 03 off",
        ),
        (
            "火水木金土日",
            "13:00",
            "20:30",
            "土日は10:00～20:30",
            'Tu-Fr 13:00-20:30; Sa-Su 13:00-20:30, Sa-Su 10:00-13:00 unknown "table and note differ"',
        ),
        (
            "火水木金土日",
            "9:00",
            "21:00",
            "日曜は17:00まで。祝日の翌日及び12/29～1/3を除く",
            "Tu-Sa 09:00-21:00; Su 09:00-17:00; PH +1 day off; Dec 29-Jan 03 off",
        ),
        ("月火水木金土日", "8:00", "17:00", "8/1～8/20は8:00～18:10", None),
        ("月水木金土日", "9:00", "17:00", "金・土・祝日前日は21:00まで。", None),
        ("月火水木金", "9:00", "17:00", "平日のみ", "Mo-Fr 09:00-17:00; PH off"),
        ("月火水木金", "9:00", "17:00", "年中無休", None),
        ("月火水木金", "9:00", "17:00", "駅改札内", None),
    ],
)
def test_the_hour_columns_of_japan_are_read(
    days: str, opens: str, closes: str, note: str, expression: str | None
) -> None:
    assert hours_of_japan(days=days, opens=opens, closes=closes, note=note).expression == expression


@pytest.mark.parametrize(
    ("days", "hours", "note", "expression"),
    [
        ("{7j/7}", "{24h/24}", "", "24/7"),
        ('{7j/7,"jours fériés"}', "{24h/24}", "", "Mo-Su 00:00-24:00; PH 00:00-24:00"),
        ("{lundi,mardi,mercredi,jeudi,vendredi}", "{24h/24}", "", "Mo-Fr 00:00-24:00"),
        ("{lundi,mardi}", "{heures ouvrables}", "", 'Mo-Tu 00:00-24:00 unknown "heures ouvrables"'),
        ("{7j/7}", "{heures ouvrables}", "", None),
        ("{7j/7}", "{non renseigné}", "", None),
        ("{non renseigné}", "{24h/24}", "", None),
        ("{non renseigné}", "{non renseigné}", "", None),
        ("{samedi,événements}", "{24h/24}", "", None),
        ("{lundi}", "{8h-18h}", "", None),
        ("", "", "", None),
        ("{7j/7}", "{24h/24}", "fermé le dimanche", "Mo-Sa 00:00-24:00"),
        ("{7j/7}", "{24h/24}", "dans le hall", None),
        ("{7j/7}", "{24h/24}", "uniquement pendant les manifestations", None),
        (
            "{7j/7}",
            "{24h/24}",
            "8h-18h",
            'Mo-Su 08:00-18:00, Mo-Su 00:00-08:00,18:00-24:00 unknown "table and note differ"',
        ),
    ],
)
def test_the_hour_columns_of_france_are_read(
    days: str, hours: str, note: str, expression: str | None
) -> None:
    assert hours_of_geodae(days=days, hours=hours, note=note).expression == expression


def test_hour_columns_are_read_for_any_days() -> None:
    times = {"Mo-Th": ("08:00", "17:00"), "Fr": ("08:00", "12:00"), "Sa,Su": ALL_DAY, "PH": ("", "")}

    assert hours_of_week(times).expression == "Mo-Th 08:00-17:00; Fr 08:00-12:00; Sa-Su 00:00-24:00"
    assert hours_of_week({"Mo-Su": ("09:00", "17:00"), "PH": ("10:00", "12:00")}).expression == (
        "Mo-Su 09:00-17:00; PH 10:00-12:00"
    )
    assert hours_of_week({"Mo-Su": ALL_DAY}, note="closed on public holidays", language="en").expression == (
        "Mo-Su 00:00-24:00; PH off"
    )
    assert hours_of_week({"Mo-Su": ALL_DAY}, note="inside ticket gate", language="en").expression is None
    assert hours_of_week({"Mo-Su": ALL_DAY}, note="school days only", language="en").expression is None
    assert hours_of_week({"Mo-Fr": ("8:00", "16:00")}, note="school days only", language="en").expression == (
        'Mo-Fr 08:00-16:00 unknown "school days only"'
    )
    with pytest.raises(InvalidInput, match="is not a list of days"):
        hours_of_week({"Monday": ("08:00", "17:00")})


# --- Texts found in published lists ---------------------------------------------------------------------


def real(where: str) -> Path:
    path = SHARED_DATA / where
    if not path.exists():
        pytest.skip(f"{path} is not here: it is not part of the project")
    return path


def real_hours() -> Iterator[UnderstoodHours]:
    rows = CalamineWorkbook.from_path(real("japan/takamatsu.xlsx")).get_sheet_by_index(0).to_python()
    for row in rows[1:]:
        days, opens, closes, note = map(str, row[7:11])
        yield hours_of_japan(days=days, opens=opens, closes=closes, note=note)
    with real("taiwan/twaed_sample.csv").open(encoding="utf-8-sig", newline="") as file:
        for cells in csv.DictReader(file):
            yield hours_of_taiwan(
                weekdays=(cells["周一至周五起"], cells["周一至周五迄"]),
                saturday=(cells["周六起"], cells["周六迄"]),
                sunday=(cells["周日起"], cells["周日迄"]),
                always=cells["全年全天開放大眾使用"],
                note=cells["開放使用時間備註"],
            )
    with real("poland/aed_poland.csv").open(encoding="utf-8", newline="") as file:
        for cells in csv.DictReader(file):
            yield understand_hours(cells["opening_hours"], language="osm")
    devices = json.loads(real("liechtenstein/liechtenstein_aeds.geojson").read_text(encoding="utf-8"))
    for feature in devices["features"]:
        yield understand_hours(feature["properties"].get("opening_hours") or "", language="osm")


def test_real_hours_parse_or_are_unknown() -> None:
    every = list(real_hours())

    assert len(every) == 450 + 300 + 575 + 148
    for understood in every:
        if understood.expression is not None:
            assert parse_hours(understood.expression) == understood.expression
    written = [understood for understood in every if understood.expression or understood.rest]
    assert sum(understood.expression is not None for understood in written) > 0.85 * len(written)


def test_every_openstreetmap_tag_is_read_as_the_registry_reads_it() -> None:
    with real("poland/aed_poland.csv").open(encoding="utf-8", newline="") as file:
        tags = {cells["opening_hours"] for cells in csv.DictReader(file)} - {""}

    for tag in tags:
        assert understand_hours(tag, language="osm") == UnderstoodHours(parse_hours(tag), None)


# --- Properties -----------------------------------------------------------------------------------------

LANGUAGES = st.sampled_from([None, "osm", *BY_LANGUAGE])
FRAGMENTS = st.sampled_from(
    sorted({piece for table in BY_LANGUAGE.values() for text, _ in table for piece in text.split()})
    + list("月火水木金土日祝一二三四五六至到~-、,;:/()（）0123456789 \n")
    + [
        "9:00",
        "17:00",
        "00:00",
        "24:00",
        "8",
        "17",
        "8h",
        "5pm",
        "除く",
        "除外",
        "のみ",
        "休",
        "closed",
        "12/29～1/3",
    ]
)
SHUFFLED = st.builds(
    lambda pieces, between: between.join(pieces),
    st.lists(FRAGMENTS, max_size=8),
    st.sampled_from([" ", "", ", ", "\n"]),
)


def assert_registry_takes(understood: UnderstoodHours) -> None:
    if understood.expression is not None:
        assert parse_hours(understood.expression) == understood.expression
        assert understood.certain is ("unknown" not in understood.expression)


@given(text=SHUFFLED, language=LANGUAGES)
@settings(max_examples=examples(1_500), deadline=None)
def test_shuffled_words_never_yield_invalid_hours(text: str, language: str | None) -> None:
    assert_registry_takes(understand_hours(text, language=language))


@given(text=st.text(max_size=60), language=LANGUAGES)
@settings(max_examples=examples(500), deadline=None)
def test_text_of_any_length_is_read(text: str, language: str | None) -> None:
    assert_registry_takes(understand_hours(text, language=language))


CELLS = st.sampled_from(
    ["", "00:00", "23:59", "24:00", "08:00", "17:00", "1700", "7:30", "x", "25:00", "01:00"]
)
TIMES = st.tuples(CELLS, CELLS)


@given(
    weekdays=TIMES, saturday=TIMES, sunday=TIMES, always=st.sampled_from(["X", "Y", "N", ""]), note=SHUFFLED
)
@settings(max_examples=examples(700), deadline=None)
def test_no_table_yields_invalid_hours(
    weekdays: tuple[str, str], saturday: tuple[str, str], sunday: tuple[str, str], always: str, note: str
) -> None:
    understood = hours_of_taiwan(
        weekdays=weekdays, saturday=saturday, sunday=sunday, always=always, note=note
    )
    if understood.expression is not None:
        assert parse_hours(understood.expression) == understood.expression
    hours_of_japan(days=note, opens=weekdays[0], closes=weekdays[1], note=note)
    hours_of_geodae(days=note, hours=weekdays[0], note=note)


@given(times=TIMES, note=SHUFFLED, hour=st.integers(0, 23), day=st.integers(16, 22))
@example(times=("20:00", "21:00"), note="月曜日8:30~17:00 月曜日8:30~17:00", hour=8, day=16)
@settings(max_examples=examples(700), deadline=None)
def test_a_note_does_not_extend_the_hours_of_the_columns(
    times: tuple[str, str], note: str, hour: int, day: int
) -> None:
    """16 to 22 November 2026, Monday to Sunday, has no holidays."""
    at = f"2026-11-{day}T{hour:02}:30"
    plain = hours_of_week({"Mo-Su": times})
    noted = hours_of_week({"Mo-Su": times}, note=note, language="ja")

    if state_in_taipei(plain, at) is Opening.CLOSED:
        assert state_in_taipei(noted, at) is not Opening.OPEN
