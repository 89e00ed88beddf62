"""The vocabulary of opening hours in each language.

A text with any unknown word is not understood at all. The lists contain only words with one meaning.
Deliberately left out: "werktags", "jours ouvrables", "dni robocze" (with or without Saturday),
"business hours" and similar, "durchgehend", "by appointment".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from aed.hours.week import EVERY_DAY, HOLIDAY, PUBLIC_HOLIDAY, WEEKDAYS, WEEKEND, WORKING_WEEK, Dates, Day

LANGUAGES: Final = ("zh", "ja", "ko", "en", "fr", "de", "pl", "es", "it", "nl")
MAX_HOURS_TEXT_LENGTH: Final = 500


@dataclass(frozen=True, slots=True)
class DaySet:
    """A set of days. `perhaps` are days that the word may also mean; `except_holidays` means working days."""

    certain: frozenset[Day]
    perhaps: frozenset[Day] = frozenset()
    except_holidays: bool = False

    @property
    def every(self) -> bool:
        return self.certain >= EVERY_DAY

    def __or__(self, other: DaySet) -> DaySet:
        certain = self.certain | other.certain
        return DaySet(
            certain,
            (self.perhaps | other.perhaps) - certain,
            self.except_holidays or other.except_holidays,
        )


class Style(Enum):
    """How a time is written, which is evidence of a 12-hour or 24-hour clock."""

    COLON = auto()
    DOT = auto()
    UNIT = auto()
    """With a unit: 9時, 9 Uhr, 9h."""
    BARE = auto()
    FOUR_DIGITS = auto()
    WORD = auto()
    """A word: noon, midnight."""


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day as written. `half` converts hours of a 12-hour clock to a 24-hour clock."""

    hour: int
    minute: int
    style: Style
    padded: bool = False
    half: Half | None = None


@dataclass(frozen=True, slots=True)
class Half:
    """A part of the day, such as a.m., that converts written hours to hours of a 24-hour clock."""

    hours: tuple[tuple[int, int], ...]

    def of(self, hour: int) -> int | None:
        return dict(self.hours).get(hour)


@dataclass(frozen=True, slots=True)
class Doubt:
    """Days that an expression cannot name, with the widest range of dates they may be in (or any day)."""

    words: str
    dates: tuple[Dates, ...] = ()


class Mark(Enum):
    """Words and signs that structure a statement."""

    TO = auto()
    FROM = auto()
    UNTIL = auto()
    OFF = auto()
    """Closes the days before it, or else the days after it: "Sunday closed", "closed on Sunday"."""
    OFF_BEFORE = auto()
    """Closes or excepts only the days before it: 休み, を除く."""
    OFF_NEXT = auto()
    """Excepts the days after it ("except", 除了), up to OFF_END if there is one."""
    OFF_END = auto()
    ONLY = auto()
    WHOLE_DAY = auto()
    LONG = auto()
    """全日, which may also mean a day's opening hours; a whole day only if columns allow nothing else."""
    ALWAYS = auto()
    BREAK = auto()
    """The end of a sentence or a line."""
    COMMA = auto()
    AND = auto()
    SPACE = auto()
    DASH = auto()
    """Means TO, or separates days from their times."""
    BRACKET = auto()
    BRACKET_END = auto()
    COLON = auto()
    """Joins the words after it to those before it."""
    NOTHING = auto()
    """A word without information about times: "open", "opening hours"."""


type Token = DaySet | Clock | Half | Doubt | Dates | Mark

# --- Parts of the day -------------------------------------------------------------------------------


def _half(*ranges: tuple[int, int, int]) -> Half:
    """Build a part of the day from (first, last, shift): hours first to last mean hour + shift."""
    return Half(
        tuple((hour, hour + shift) for first, last, shift in ranges for hour in range(first, last + 1))
    )


_MORNING: Final = _half((0, 11, 0))
_EARLY: Final = _half((0, 6, 0))
_AFTERNOON: Final = _half((0, 0, 12), (1, 11, 12), (13, 23, 0))
_MIDDAY: Final = _half((11, 12, 0), (1, 2, 12), (13, 14, 0))
_EVENING: Final = _half((5, 11, 12), (12, 12, 12), (17, 24, 0))
_DEAD_OF_NIGHT: Final = _half((12, 12, 12), (0, 3, 0), (24, 24, 0))
AM: Final = _half((12, 12, -12), (0, 11, 0))
PM: Final = _half((12, 12, 0), (1, 11, 12), (13, 23, 0))
_NOON: Final = Clock(12, 0, Style.WORD)
_MIDNIGHT: Final = Clock(0, 0, Style.WORD)

# --- Days that cannot be named ----------------------------------------------------------------------

_TURN_OF_YEAR: Final = (Dates(12, 25, 1, 7),)
_LUNAR_NEW_YEAR: Final = (Dates(1, 19, 3, 7),)
"""From the earliest eve (20 January) to the fifteenth day of the latest year."""
_SUMMER: Final = (Dates(7, 1, 9, 15),)
_BON: Final = (Dates(7, 10, 7, 20), Dates(8, 8, 8, 20))

# --- Days -------------------------------------------------------------------------------------------

WEEK: Final = tuple(DaySet(frozenset({day})) for day in WEEKDAYS)
_HOLIDAYS: Final = DaySet(frozenset({PUBLIC_HOLIDAY}))
_ALL: Final = DaySet(EVERY_DAY)
_WEEKDAYS: Final = DaySet(WORKING_WEEK)
_NOT_HOLIDAYS: Final = DaySet(WORKING_WEEK, except_holidays=True)
_WEEKEND: Final = DaySet(WEEKEND)
_FREE_DAYS: Final = DaySet(WEEKEND | {PUBLIC_HOLIDAY})
_REST_DAYS: Final = DaySet(frozenset({WEEKDAYS[6], PUBLIC_HOLIDAY}), perhaps=frozenset({WEEKDAYS[5]}))
_HOLIDAYS_OR_WEEKENDS: Final = DaySet(frozenset({PUBLIC_HOLIDAY}), perhaps=WEEKEND)


def _weekdays(*names: str) -> dict[str, Token]:
    """Map names of weekdays to days; Monday first, with the names of one day separated by spaces."""
    return {name: day for day, words in zip(WEEK, names, strict=True) for name in words.split()}


def _alike(token: Token, *words: str) -> dict[str, Token]:
    return dict.fromkeys(words, token)


def _doubts(dates: tuple[Dates, ...], *words: str) -> dict[str, Token]:
    return {word: Doubt(word, dates) for word in words}


EVERYWHERE: Final[Mapping[str, Token]] = {
    "24/7": Mark.ALWAYS, "24x7": Mark.ALWAYS, "24h": Mark.WHOLE_DAY, "24 h": Mark.WHOLE_DAY,
    "24hr": Mark.WHOLE_DAY, "24hrs": Mark.WHOLE_DAY, "24 hrs": Mark.WHOLE_DAY, "24 hr": Mark.WHOLE_DAY,
    "24/24": Mark.WHOLE_DAY, "24h/24": Mark.WHOLE_DAY, "24h/24h": Mark.WHOLE_DAY,
    "-": Mark.DASH, ";": Mark.BREAK, "\n": Mark.BREAK, "|": Mark.BREAK, ",": Mark.COMMA, " ": Mark.SPACE,
    "&": Mark.AND, "+": Mark.AND, "(": Mark.BRACKET, ")": Mark.BRACKET_END, ":": Mark.COLON,
}  # fmt: skip
_OSM_NAMES: Final = _weekdays("mo", "tu", "we", "th", "fr", "sa", "su")

# The tables below are not formatted (`fmt: skip`), so that each meaning has one entry with all its words.
_ENGLISH: Final[Mapping[str, Token]] = {
    **_OSM_NAMES,
    **_weekdays("monday mondays mon mons", "tuesday tuesdays tue tues", "wednesday wednesdays wed weds",
             "thursday thursdays thu thur thurs", "friday fridays fri", "saturday saturdays sat sats",
             "sunday sundays sun suns"),
    **_alike(_WEEKDAYS, "weekday", "weekdays", "week days", "m-f"),
    **_alike(_WEEKEND, "weekend", "weekends", "week-ends"),
    **_alike(_HOLIDAYS, "public holiday", "public holidays", "bank holiday", "bank holidays", "ph", "phs",
               "p.h.", "holiday", "holidays", "national holidays", "statutory holidays",
               "general holidays"),
    **_alike(_ALL, "daily", "every day", "everyday", "7 days a week", "7 days", "seven days a week",
               "all week", "7 days per week", "365 days a year", "365 days", "all days"),
    **_alike(Mark.ALWAYS, "24 hours a day, 7 days a week", "24 hours a day 7 days a week", "24/7/365",
               "around the clock", "round the clock", "round-the-clock", "always open", "open always",
               "24 hours, 7 days a week", "at all times"),
    **_alike(Mark.WHOLE_DAY, "24 hours", "24-hour", "24 hour", "24hours", "24 hours a day",
               "24hours a day", "24 hours per day", "24-hours", "24 hours/day", "twenty-four hours",
               "24 hrs a day"),
    **_alike(_NOON, "noon", "12 noon", "12noon", "midday"),
    **_alike(_MIDNIGHT, "midnight", "12 midnight", "12midnight"),
    **_alike(Mark.TO, "to", "till", "til", "until", "through", "thru"),
    **_alike(Mark.FROM, "from", "between"),
    **_alike(Mark.OFF, "closed", "not open", "closed on", "excluded"),
    **_alike(Mark.OFF_NEXT, "except", "except on", "except for", "excluding", "excl", "other than"),
    **_alike(Mark.ONLY, "only"),
    **_alike(Mark.AND, "and", "including", "incl", "inclusive of"),
    **_alike(Mark.NOTHING, "open", "opens", "opening hours", "opening times", "open hours", "hours",
               "business hours:", "office hours:", "on", "the", "service hours", "opening hour", "is",
               "are", "all", "available"),
}  # fmt: skip

_FRENCH: Final[Mapping[str, Token]] = {
    **_weekdays("lundi lundis lun lu", "mardi mardis mar ma", "mercredi mercredis mer me",
             "jeudi jeudis jeu je", "vendredi vendredis ven ve", "samedi samedis sam sa",
             "dimanche dimanches dim di"),
    **_alike(_WEEKEND, "week-end", "week-ends", "weekend", "week end"),
    **_alike(_HOLIDAYS, "jours fériés", "jour férié", "fériés", "férié", "jours feries", "jour ferie"),
    **_alike(_ALL, "7j/7", "7j/7j", "7 j/7", "7 jours sur 7", "7 jours/7", "7jours/7", "7/7",
               "tous les jours", "tlj", "chaque jour", "7j sur 7", "toute la semaine"),
    **_alike(Mark.WHOLE_DAY, "24h sur 24", "24 h sur 24", "24 heures sur 24", "24 h/24", "24 heures/24",
               "24 h / 24", "24h / 24", "24h sur 24h", "24 heures", "h24", "h 24", "24h/jour", "24h/24 h"),
    **_alike(_NOON, "midi"),
    **_alike(_MIDNIGHT, "minuit"),
    **_alike(Mark.TO, "à", "a", "au", "aux", "jusqu'à"),
    **_alike(Mark.FROM, "de", "du", "des", "d'"),
    **_alike(Mark.OFF, "fermé", "fermée", "fermés", "fermées", "ferme", "fermeture", "fermé le"),
    **_alike(Mark.OFF_NEXT, "sauf", "hors", "excepté", "sauf le", "sauf les", "à l'exception des",
               "excepté le", "excepté les"),
    **_alike(Mark.ONLY, "uniquement", "seulement"),
    **_alike(Mark.AND, "et"),
    **_alike(Mark.NOTHING, "le", "les", "ouvert", "ouverte", "ouverts", "ouvertes", "horaires",
               "horaires d'ouverture", "heures d'ouverture", "ouverture", "accessible", "disponible",
               "puis"),
}  # fmt: skip

_GERMAN: Final[Mapping[str, Token]] = {
    **_weekdays("montag montags mo", "dienstag dienstags di", "mittwoch mittwochs mi",
             "donnerstag donnerstags do", "freitag freitags fr", "samstag samstags sonnabend sonnabends sa",
             "sonntag sonntags so"),
    **_alike(_WEEKEND, "wochenende", "am wochenende", "wochenenden"),
    **_alike(_HOLIDAYS, "feiertag", "feiertage", "feiertags", "feiertagen", "an feiertagen",
               "gesetzliche feiertage", "gesetzlichen feiertagen"),
    **_alike(_ALL, "täglich", "taeglich", "jeden tag", "alle tage", "7 tage die woche", "7 tage",
               "an 7 tagen", "7 tage/woche"),
    **_alike(Mark.ALWAYS, "rund um die uhr", "jederzeit", "immer", "immer geöffnet"),
    **_alike(Mark.WHOLE_DAY, "24 stunden", "24 std", "24-stunden", "24stunden", "24 stunden am tag",
               "24 stunden täglich"),
    **_alike(Mark.TO, "bis", "bis zum"),
    **_alike(Mark.FROM, "von", "vom"),
    **_alike(Mark.OFF, "geschlossen", "ausgenommen", "nicht geöffnet", "ruhetag"),
    **_alike(Mark.OFF_NEXT, "außer", "ausser", "außer an", "ausser an"),
    **_alike(Mark.ONLY, "nur"),
    **_alike(Mark.AND, "und", "sowie", "u"),
    **_alike(Mark.NOTHING, "geöffnet", "offen", "öffnungszeiten", "uhr", "am", "an", "zugänglich",
               "öffnungszeit"),
}  # fmt: skip

_POLISH: Final[Mapping[str, Token]] = {
    **_weekdays("poniedziałek poniedziałku poniedziałki pon pn poniedzialek poniedzialku",
             "wtorek wtorku wtorki wt wtor", "środa środy środę środą śr sroda srody srode sr śro",
             "czwartek czwartku czwartki czw cz", "piątek piątku piątki pt piatek piatku pią",
             "sobota soboty sobotę sobotą sob so sobote",
             "niedziela niedzieli niedzielę niedziele nd ndz niedz"),
    **_alike(_WEEKEND, "weekend", "weekendy", "weekendu", "w weekend", "w weekendy"),
    **_alike(_HOLIDAYS, "święta", "święto", "świąt", "dni świąteczne", "święta państwowe"),
    **_alike(_ALL, "codziennie", "każdego dnia", "7 dni w tygodniu", "przez 7 dni w tygodniu",
               "siedem dni w tygodniu", "cały tydzień"),
    **_alike(Mark.WHOLE_DAY, "całodobowo", "całodobowy", "całodobowe", "całodobowa", "całą dobę",
               "cała doba", "calodobowo", "calodobowy", "cala dobe", "24h na dobę", "24 godziny",
               "24 godziny na dobę", "24h/dobę", "przez całą dobę", "24 h na dobę", "24 godz"),
    **_alike(Mark.TO, "do"),
    **_alike(Mark.FROM, "od", "w godzinach", "w godz", "godz", "godziny", "w godzinach od", "w godz od"),
    **_alike(Mark.OFF, "nieczynne", "zamknięte", "nieczynny", "zamknięty", "zamkniete"),
    **_alike(Mark.OFF_NEXT, "oprócz", "z wyjątkiem", "poza", "prócz"),
    **_alike(Mark.ONLY, "tylko", "wyłącznie"),
    **_alike(Mark.AND, "i", "oraz"),
    **_alike(Mark.NOTHING, "w", "we", "czynne", "otwarte", "dostępny", "dostępne", "dostęp", "czynny",
               "godziny otwarcia"),
}  # fmt: skip

_SPANISH: Final[Mapping[str, Token]] = {
    **_weekdays("lunes lun", "martes mar", "miércoles miercoles mié mie", "jueves jue",
             "viernes vie", "sábado sábados sabado sabados sáb sab", "domingo domingos dom"),
    **_alike(_WEEKDAYS, "l-v", "l a v"),
    **_alike(_WEEKEND, "fin de semana", "fines de semana"),
    **_alike(_HOLIDAYS, "festivo", "festivos", "días festivos"),
    **_alike(_ALL, "todos los días", "todos los dias", "diario", "diariamente", "cada día", "l-d", "l a d",
               "7 días", "7 días a la semana", "365 días", "los 365 días del año"),
    **_alike(Mark.WHOLE_DAY, "24 horas", "24 horas al día", "24horas", "las 24 horas", "24 h al día"),
    **_alike(_NOON, "mediodía"),
    **_alike(_MIDNIGHT, "medianoche"),
    **_alike(Mark.TO, "a", "al", "hasta", "hasta las", "a las"),
    **_alike(Mark.FROM, "de", "desde", "desde las", "del", "entre"),
    **_alike(Mark.OFF, "cerrado", "cerrados", "cerrada"),
    **_alike(Mark.OFF_NEXT, "excepto", "salvo", "menos"),
    **_alike(Mark.ONLY, "solo", "sólo", "solamente"),
    **_alike(Mark.AND, "y", "e"),
    **_alike(Mark.NOTHING, "abierto", "horario", "horario de apertura", "horas", "los", "el", "las",
               "disponible"),
}  # fmt: skip

_ITALIAN: Final[Mapping[str, Token]] = {
    **_weekdays("lunedì lunedi lun", "martedì martedi mar", "mercoledì mercoledi mer", "giovedì giovedi gio",
             "venerdì venerdi ven", "sabato sabati sab", "domenica domeniche dom"),
    **_alike(_WEEKEND, "fine settimana", "weekend"),
    **_alike(_HOLIDAYS, "giorni festivi"),
    **_alike(_ALL, "tutti i giorni", "ogni giorno", "7 giorni su 7", "7/7", "365 giorni"),
    **_alike(Mark.WHOLE_DAY, "h24", "h 24", "24 ore", "24 ore su 24", "24ore", "24h su 24",
               "tutto il giorno"),
    **_alike(_NOON, "mezzogiorno"),
    **_alike(_MIDNIGHT, "mezzanotte"),
    **_alike(Mark.TO, "a", "al", "alle", "alla", "fino a", "fino alle"),
    **_alike(Mark.FROM, "da", "dal", "dalle", "dalla"),
    **_alike(Mark.OFF, "chiuso", "chiusa"),
    **_alike(Mark.OFF_NEXT, "escluso", "esclusi", "tranne", "eccetto"),
    **_alike(Mark.ONLY, "solo", "soltanto"),
    **_alike(Mark.AND, "e", "ed"),
    **_alike(Mark.NOTHING, "ore", "aperto", "aperta", "orario", "orari", "orario di apertura", "il", "la",
               "disponibile", "accessibile"),
}  # fmt: skip

_DUTCH: Final[Mapping[str, Token]] = {
    **_weekdays("maandag maandags ma", "dinsdag dinsdags di", "woensdag woensdags wo",
             "donderdag donderdags do", "vrijdag vrijdags vr", "zaterdag zaterdags za",
             "zondag zondags zo"),
    **_alike(_WEEKEND, "weekend", "weekeinde", "in het weekend"),
    **_alike(_HOLIDAYS, "feestdag", "feestdagen", "op feestdagen"),
    **_alike(_ALL, "dagelijks", "elke dag", "iedere dag", "alle dagen", "7 dagen per week", "7 dagen"),
    **_alike(Mark.WHOLE_DAY, "24 uur", "24 uur per dag", "24-uurs", "24uur"),
    **_alike(Mark.ALWAYS, "altijd", "dag en nacht"),
    **_alike(_MIDNIGHT, "middernacht"),
    **_alike(Mark.TO, "t/m", "tot", "tot en met", "t.m", "tm"),
    **_alike(Mark.FROM, "van", "vanaf", "tussen"),
    **_alike(Mark.OFF, "gesloten"),
    **_alike(Mark.OFF_NEXT, "behalve", "uitgezonderd"),
    **_alike(Mark.ONLY, "alleen"),
    **_alike(Mark.AND, "en"),
    **_alike(Mark.NOTHING, "open", "geopend", "openingstijden", "uur", "op", "om", "de", "toegankelijk"),
}  # fmt: skip

_CHINESE: Final[Mapping[str, Token]] = {
    **_alike(_NOT_HOLIDAYS, "平日", "工作日", "上班日"),
    **_alike(_WEEKEND, "週末", "周末", "週六日", "周六日", "六日", "六,日", "六及日", "周末六日",
               "雙休日"),
    **_alike(_HOLIDAYS, "國定假日", "国定假日", "法定假日", "法定节假日", "法定節假日", "公眾假期",
               "公众假期", "公眾假日", "國定假期", "公共假期", "政府公告國定假日", "國定節日"),
    **_alike(_FREE_DAYS, "假日", "週末假日", "周末假日"),
    **_alike(_REST_DAYS, "例假日", "國定例假日", "休假日", "例假"),
    **_alike(_HOLIDAYS_OR_WEEKENDS, "節假日", "节假日", "假期"),
    **_alike(_ALL, "每日", "每天", "天天", "全年無休", "全年无休", "全年", "年中無休", "年中无休",
               "365天", "365日", "一週七天", "一周七天", "每週七天", "終年無休", "一年四季", "每週7天",
               "全週", "全周"),
    **_alike(Mark.WHOLE_DAY, "24小時", "24小时", "24個小時", "二十四小時", "二十四小时", "全天", "全天候",
               "24hr", "整天24小時", "24 小時", "24 小时", "全天24小時", "全天24小时", "全天候24小時",
               "24小時全天", "24小时全天", "24小時全天候", "24小时全天候", "全日開放", "全日开放",
               "全日24小時", "全日24小时", "24小時全日", "24小时全日", "7x24小时", "7*24小时", "7×24小时",
               "不限", "不限時", "不限时", "不限時間", "不限时间", "不限時段", "不限时段"),
    **_alike(Mark.LONG, "全日", "整天", "整日"),
    **_doubts(_LUNAR_NEW_YEAR, "除夕", "農曆除夕", "農曆春節", "春節", "春节", "農曆年", "農曆新年", "過年",
              "大年初一", "初一", "年初一", "農曆初一", "春節期間", "過年期間", "农历新年", "除夕夜"),
    **_alike(_NOON, "正午"),
    **_alike(_MORNING, "上午", "早上", "早晨", "早", "清晨", "清早", "am"),
    **_alike(_EARLY, "凌晨"),
    **_alike(_AFTERNOON, "下午", "午後", "pm"),
    **_alike(_MIDDAY, "中午"),
    **_alike(_EVENING, "晚上", "晚間", "晚间", "夜間", "夜间", "傍晚", "晚"),
    **_alike(_DEAD_OF_NIGHT, "午夜", "半夜"),
    **_alike(Mark.TO, "至", "到", "迄"),
    **_alike(Mark.FROM, "從", "从", "自", "由"),
    **_alike(Mark.UNTIL, "止", "為止", "为止"),
    **_alike(Mark.OFF_BEFORE, "休息", "休", "休館", "休馆", "休市", "休診", "休诊", "休園", "休园",
               "休假", "例休", "不開放", "不开放", "未開放", "未开放", "不對外開放", "不对外开放",
               "未對外開放", "不營業", "不营业", "關閉", "关闭", "閉館", "闭馆", "休業", "暫停開放",
               "休息不開放", "不上班", "關館", "不提供"),
    **_alike(Mark.OFF, "公休", "公休日", "固定公休", "休館日", "休馆日", "休息日", "店休", "店休日"),
    **_alike(Mark.OFF_NEXT, "除", "除了", "不含", "不包括", "扣除"),
    **_alike(Mark.OFF_END, "外", "之外"),
    **_alike(Mark.OFF_BEFORE, "除外", "以外", "不在此限"),
    **_alike(Mark.ONLY, "僅", "仅", "只", "限", "只有", "僅限", "仅限", "只限"),
    **_alike(Mark.AND, "及", "和", "與", "与", "暨"),
    **_alike(Mark.NOTHING, "開放", "开放", "開放時間", "开放时间", "開放使用", "開放使用時間", "使用",
               "使用時間", "營業時間", "营业时间", "營業", "营业", "服務時間", "服务时间", "時間", "时间",
               "上班時間", "上班", "上班时间", "皆", "皆可", "皆可使用", "均", "都", "均可使用", "可使用",
               "可取得", "對外開放", "对外开放", "為", "为", "是", "開", "开", "。", "校園", "校园", "學校",
               "开馆", "開館", "開館時間", "开馆时间", "時段", "開放時段", "營運", "營運時間", "開放大眾使用",
               "開放民眾使用", "僅供成人使用", "仅供成人使用", "限成人使用", "供成人使用"),
}  # fmt: skip

_JAPANESE: Final[Mapping[str, Token]] = {
    **_alike(_NOT_HOLIDAYS, "平日"),
    **_alike(_WEEKEND, "週末"),
    **_alike(_HOLIDAYS, "祝日", "祝", "祝祭日", "国民の祝日", "祝休日", "祝日等"),
    **_alike(_REST_DAYS, "休日"),
    **_alike(_ALL, "毎日", "年中無休", "365日", "全日", "無休", "年中", "全曜日"),
    **_alike(Mark.WHOLE_DAY, "24時間", "24 時間", "終日", "二十四時間"),
    **_alike(Mark.ALWAYS, "常時", "24時間365日", "いつでも"),
    "祝日の翌日": DaySet(frozenset({Day(HOLIDAY, 0, 1)})),
    "祝日翌日": DaySet(frozenset({Day(HOLIDAY, 0, 1)})),
    "祝日の前日": DaySet(frozenset({Day(HOLIDAY, 0, -1)})),
    "祝日前日": DaySet(frozenset({Day(HOLIDAY, 0, -1)})),
    **_doubts(_TURN_OF_YEAR, "年末年始", "年末&年始", "年末", "年始", "正月", "お正月", "三が日",
              "正月三が日"),
    **_doubts(_BON, "お盆", "盆", "お盆期間"),
    **_doubts(_SUMMER, "夏季休業", "夏期休業", "夏季休業日", "夏休み"),
    **_doubts((), "友引", "仏滅", "臨時休業日", "臨時休館日", "休館日", "休業日", "臨時休業", "臨時休館",
              "休園日", "定休日以外の休業日", "休所日", "閉館日", "施設休館日", "点検日", "休診日",
              "閉所日", "臨時休診"),
    **_alike(_NOON, "正午"),
    **_alike(_MORNING, "午前", "朝", "am"),
    **_alike(_EARLY, "早朝", "未明"),
    **_alike(_AFTERNOON, "午後", "pm"),
    **_alike(_EVENING, "夜", "夕方"),
    **_alike(_DEAD_OF_NIGHT, "深夜"),
    **_alike(Mark.TO, "から", "より", "至"),
    **_alike(Mark.UNTIL, "まで", "迄"),
    **_alike(Mark.OFF_BEFORE, "休み", "休館", "休診", "休業", "は休み", "お休み", "休所", "休園", "閉館",
               "閉庁", "休"),
    **_alike(Mark.OFF_BEFORE, "を除く", "除く", "は除く", "を除きます", "を除いた", "を除いて", "以外",
               "以外は", "を除き", "除外"),
    **_alike(Mark.OFF, "定休", "定休日"),
    **_alike(Mark.ONLY, "のみ", "だけ"),
    **_alike(Mark.AND, "及び", "および", "と"),
    **_alike(Mark.NOTHING, "は", "利用可能", "利用可", "使用可能", "使用可", "利用可能時間", "営業時間",
               "営業", "開館", "開館時間", "開所時間", "診療時間", "受付時間", "利用時間", "開庁時間",
               "通年", "※", "時間", "毎週", "また", "利用できます", "に", "開館しています"),
}  # fmt: skip

_KOREAN: Final[Mapping[str, Token]] = {
    **_alike(_NOT_HOLIDAYS, "평일"),
    **_alike(_WEEKEND, "주말"),
    **_alike(_HOLIDAYS, "공휴일", "법정공휴일", "국경일", "법정 공휴일"),
    **_alike(_REST_DAYS, "휴일"),
    **_alike(_ALL, "매일", "연중무휴", "365일", "연중", "주7일", "연중 무휴", "무휴"),
    **_alike(Mark.ALWAYS, "상시", "24시간 365일", "365일 24시간", "항시"),
    **_alike(Mark.WHOLE_DAY, "24시간", "24 시간", "24시간 개방", "하루종일", "종일"),
    **_doubts(_LUNAR_NEW_YEAR, "설날", "설연휴", "설 연휴", "구정"),
    **_doubts((), "명절", "임시휴무일", "명절연휴", "추석", "휴관일"),
    **_alike(_NOON, "정오"),
    **_alike(_MIDNIGHT, "자정"),
    **_alike(_MORNING, "오전", "아침", "am"),
    **_alike(_EARLY, "새벽"),
    **_alike(_AFTERNOON, "오후", "pm"),
    **_alike(_MIDDAY, "낮"),
    **_alike(_EVENING, "저녁", "밤"),
    **_alike(Mark.TO, "부터", "에서"),
    **_alike(Mark.UNTIL, "까지"),
    **_alike(Mark.OFF_BEFORE, "휴무", "휴관", "휴진", "쉼", "미운영", "미개방", "휴점", "정기휴일"),
    **_alike(Mark.OFF, "휴무일", "정기휴무", "정기휴일", "정기휴무일"),
    **_alike(Mark.OFF_BEFORE, "제외", "을 제외", "를 제외", "은 제외", "는 제외", "을 제외한",
               "를 제외한"),
    **_alike(Mark.ONLY, "만"),
    **_alike(Mark.AND, "및", "와", "과"),
    **_alike(Mark.NOTHING, "은", "는", "개방", "운영", "운영시간", "운영 시간", "이용시간", "이용 시간",
               "영업시간", "이용가능", "이용 가능", "사용가능", "사용 가능", "개방시간", "매주",
               "근무시간:"),
}  # fmt: skip

LEXICONS: Final[Mapping[str, Mapping[str, Token]]] = {
    "en": _ENGLISH, "fr": _FRENCH, "de": _GERMAN, "pl": _POLISH,
    "es": _SPANISH, "it": _ITALIAN, "nl": _DUTCH,
    "zh": _CHINESE, "ja": _JAPANESE, "ko": _KOREAN,
}  # fmt: skip
LATIN: Final = frozenset({"en", "fr", "de", "pl", "es", "it", "nl"})
