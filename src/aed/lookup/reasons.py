"""Sentences of the lookup's answer, in English and Chinese."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from aed.lookup.arrival import Basis
from aed.registry.devices.reachability import HourBand, PlaceClass
from aed.registry.devices.rules import Access, AccessAt, Readiness
from aed.registry.storeys import storey_words

type Words = dict[str, str]
"""{"en": …, "zh": …}"""
type Reason = dict[str, str]
"""{"code": a `ReasonCode`, "en": …, "zh": …}"""


class ReasonCode(StrEnum):
    """Code of a reason in the answer. Codes are stable; the words beside them may be improved."""

    WALK_MEASURED = "walk_measured"
    """The walk is measured on the street network."""
    WALK_ESTIMATED = "walk_estimated"
    """The walk is estimated from the straight line."""
    OPEN = "open"
    OPEN_ENTRY_UNKNOWN = "open_entry_unknown"
    """The place is open; it is not known whether strangers are let in."""
    ASSISTED = "assisted"
    """A person on site must let one in."""
    CLOSED = "closed"
    HOURS_UNKNOWN = "hours_unknown"
    REACHABLE_ESTIMATED = "reachable_estimated"
    """Hours are unknown: the probability of getting in, by kind of place and time of day."""
    CHECKED = "checked"
    UNCHECKED = "unchecked"
    PADS_EXPIRED = "pads_expired"
    BATTERY_EXPIRED = "battery_expired"
    OUT_ON_CALL = "out_on_call"
    OUT_OF_SERVICE = "out_of_service"
    PACE_FROM_DRILLS = "pace_from_drills"
    """The time is based on drills at the estate."""
    FLOORS = "floors"
    """Time on stairs and in lifts."""
    GATE = "gate"
    """The way passes this gate."""
    GATE_HOURS_UNKNOWN = "gate_hours_unknown"
    GATE_CLOSED = "gate_closed"
    """Each way passes a gate that is closed for the viewer."""


_ACCESS: dict[Access, Reason] = {
    Access.OPEN: {"code": ReasonCode.OPEN, "en": "open now", "zh": "现在开放"},
    Access.ASSISTED: {"code": ReasonCode.ASSISTED, "en": "someone must let you in", "zh": "需有人协助进入"},
    Access.CLOSED: {"code": ReasonCode.CLOSED, "en": "closed now", "zh": "现在关闭"},
    Access.UNKNOWN: {
        "code": ReasonCode.HOURS_UNKNOWN,
        "en": "opening hours not known",
        "zh": "开放时间未知",
    },
}
_READINESS: dict[Readiness, Reason] = {
    Readiness.CHECKED: {"code": ReasonCode.CHECKED, "en": "checked recently", "zh": "近期已巡检"},
    Readiness.UNCHECKED: {
        "code": ReasonCode.UNCHECKED,
        "en": "no recent check known",
        "zh": "近期巡检情况未知",
    },
    Readiness.PADS_EXPIRED: {
        "code": ReasonCode.PADS_EXPIRED,
        "en": "pads expired: use it only if there is no other AED",
        "zh": "电极片过期，仅在无其他 AED 时使用",
    },
    Readiness.EXPIRED: {
        "code": ReasonCode.BATTERY_EXPIRED,
        "en": "battery expired: do not use",
        "zh": "电池已过期：请勿使用",
    },
    Readiness.OUT_ON_CALL: {
        "code": ReasonCode.OUT_ON_CALL,
        "en": "in use for an emergency: taken, or could not be fetched",
        "zh": "急救呼叫中：已被取用或无法取到",
    },
    Readiness.OUT_OF_SERVICE: {
        "code": ReasonCode.OUT_OF_SERVICE,
        "en": "out of service: do not use",
        "zh": "停用：请勿使用",
    },
}


_PLACES: dict[PlaceClass, tuple[str, str]] = {
    PlaceClass.STAFFED: ("a place that is always staffed", "全天有人值守的场所"),
    PlaceClass.STATION: ("a station or an airport", "车站或机场"),
    PlaceClass.SCHOOL: ("a school", "学校"),
    PlaceClass.SHOP: ("a shop", "商店"),
    PlaceClass.OFFICE: ("an office", "办公场所"),
    PlaceClass.ESTATE: ("an estate", "园区"),
    PlaceClass.UNKNOWN: ("any place", "一般场所"),
}
_BANDS: dict[HourBand, tuple[str, str]] = {
    HourBand.DAY: ("during the day", "工作日白天"),
    HourBand.EVENING: ("in the evening", "工作日晚间"),
    HourBand.NIGHT: ("at night", "夜间"),
    HourBand.DAY_OFF: ("on a weekend or holiday", "周末或节假日"),
}


def missing_cell_words(name_en: str, name_zh: str) -> Words:
    """Say that the devices of a neighbouring cell are missing from an answer."""
    return {
        "en": f"AEDs of {name_en} are missing here: its system does not respond.",
        "zh": f"暂缺{name_zh}的 AED：对方系统没有响应。",
    }


def access_reason(found: AccessAt, at: datetime, time_zone: str) -> Reason:
    """Describe access and when it changes: "open now, until 22:00", with the date unless it is today."""
    access, until = found.access, found.until
    if found.is_entry_unknown:
        open_now = access_reason(AccessAt(Access.OPEN, until), at, time_zone)
        return {
            "code": ReasonCode.OPEN_ENTRY_UNKNOWN,
            "en": f"{open_now['en']}; access not known",
            "zh": f"{open_now['zh']}；能否进入未知",
        }
    if until is None or access is Access.UNKNOWN:
        return _ACCESS[access]
    return _access_until(access, until, day_there(at, time_zone), time_zone)


@lru_cache(maxsize=4_096)
def _access_until(access: Access, until: datetime, today: str, time_zone: str) -> Reason:
    """Describe access until a moment. Cached, since most devices close at the same few moments."""
    words, local = _ACCESS[access], until.astimezone(ZoneInfo(time_zone))
    when = f"{local:%H:%M}" if day_there(until, time_zone) == today else f"{local:%Y-%m-%d %H:%M}"
    if access is Access.CLOSED:
        return {"code": words["code"], "en": f"closed now, until {when}", "zh": f"现在关闭，至{when}"}
    return {"code": words["code"], "en": f"{words['en']}, until {when}", "zh": f"{words['zh']}，至{when}"}


@lru_cache(maxsize=4_096)
def day_there(moment: datetime, time_zone: str) -> str:
    """Return the local date of a moment, as in 2026-10-01."""
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d}"


@lru_cache(maxsize=256)
def reachability_reason(place: PlaceClass, band: HourBand, probability_reachable: float) -> Reason:
    """Describe the estimated chance of reaching a device whose hours are unknown."""
    (place_en, place_zh), (band_en, band_zh) = _PLACES[place], _BANDS[band]
    return {
        "code": ReasonCode.REACHABLE_ESTIMATED,
        "en": f"estimate for {place_en} {band_en}: {probability_reachable:.0%} can be reached",
        "zh": f"按{place_zh}、{band_zh}估计：约{probability_reachable:.0%}可取到",
    }


def readiness_reason(readiness: Readiness) -> Reason:
    return _READINESS[readiness]


def walk_reason(basis: Basis, walk_metres: float, straight_metres: float) -> Reason:
    walk, straight = round(walk_metres), round(straight_metres)
    if basis is Basis.WALKING_NETWORK:
        return {
            "code": ReasonCode.WALK_MEASURED,
            "en": f"{walk} m on foot ({straight} m straight)",
            "zh": f"步行{walk}米（直线{straight}米）",
        }
    return {
        "code": ReasonCode.WALK_ESTIMATED,
        "en": f"about {walk} m, estimated from {straight} m straight",
        "zh": f"约{walk}米，由直线{straight}米估算",
    }


def pace_reason() -> Reason:
    """Say that times are based on drills at the estate."""
    return {
        "code": ReasonCode.PACE_FROM_DRILLS,
        "en": "time based on drills at this estate",
        "zh": "用时按本园区演练推算",
    }


@lru_cache(maxsize=1_024)
def floor_reason(device_floor: int, seconds: float, *, counts_ground_as_one: bool) -> Reason:
    name = storey_words(device_floor, counts_ground_as_one=counts_ground_as_one)
    return {
        "code": ReasonCode.FLOORS,
        "en": f"{name['en']}, {seconds:.0f} s on stairs and in lifts",
        "zh": f"{name['zh']}，上下楼{seconds:.0f}秒",
    }


def gate_reason(
    name_en: str, name_zh: str, wait_seconds: float, *, hours_known: bool, is_closed: bool
) -> Reason:
    if is_closed:
        return {
            "code": ReasonCode.GATE_CLOSED,
            "en": f"only through {name_en}, closed to you now: ask the guard to open it",
            "zh": f"只能经{name_zh}，现对您关闭：请联系门岗开门",
        }
    en, zh = f"through {name_en}", f"经{name_zh}"
    if wait_seconds:
        en, zh = f"{en} ({wait_seconds:.0f} s wait)", f"{zh}（等候{wait_seconds:.0f}秒）"
    if not hours_known:
        en, zh = f"{en}, opening hours not known", f"{zh}，开放时间未知"
    code = ReasonCode.GATE if hours_known else ReasonCode.GATE_HOURS_UNKNOWN
    return {"code": code, "en": en, "zh": zh}


def out_of_service_reason(reason: str) -> Reason:
    """Describe why a device is out of service.

    Reasons written by upkeep are in English and Chinese, separated by "; "; others are in one language,
    which is then used for both.
    """
    en, separator, zh = reason.rpartition("; ")
    if not separator or not any("\u4e00" <= each <= "\u9fff" for each in zh):
        en = zh = reason
    return {"code": ReasonCode.OUT_OF_SERVICE, "en": f"out of service: {en}", "zh": f"停用：{zh}"}


def first_aid_words(number: str) -> Words:
    """Return the first-aid instruction that is shown before everything else."""
    return {
        "en": f"Call {number} first, on speaker. If the patient does not respond and does not breathe "
        "normally, start chest compressions now, hard and fast, and do not stop. If you are alone, "
        "stay with the patient; send others for an AED.",
        "zh": f"请先拨打{number}并打开免提。如患者无反应、无正常呼吸：马上用力、快速胸外按压，不要停。"
        "一人在场勿离开患者，请他人去取AED。",
    }


def bringing_words(phone: str, seconds: float) -> Words:
    whole = round(seconds)
    when = f"{whole // 60}:{whole % 60:02d}"
    return {
        "en": f"Call {phone}: they bring it in about {when}",
        "zh": f"拨打{phone}，请对方送来，约{when}到",
    }


def emergency_words(number: str) -> Words:
    return {
        "en": f"Call {number} first. This list complements the emergency number and never replaces it.",
        "zh": f"请先拨打{number}。本信息仅作补充，不能代替急救电话。",
    }


def responders_withheld_words() -> Words:
    return {
        "en": "No responders are shown after too many lookups within the hour. Opening an incident still "
        "alerts them.",
        "zh": "本小时内查询过多，暂不显示急救志愿者。如需呼叫志愿者，请新建事件。",
    }
