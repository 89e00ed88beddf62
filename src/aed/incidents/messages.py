"""Messages to people who are alerted, in English and Chinese.

They name only the estate: the exact location is behind the link, once the person accepts.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from aed.accounts.free_text import fit_name
from aed.incidents.rules import Hazard, IncidentKind, Task

_TASKS: Final = {
    Task.DIRECT: ("go straight to the patient", "如能到场，请直接前往患者处"),
    Task.FETCH: ("bring an AED to the patient", "如能到场，请取AED送往患者处"),
    Task.GUIDE: ("open the gate and hold the lift", "请到大门或单元门接应，并留住电梯"),
}
_EXERCISE: Final = ("EXERCISE, no real patient. ", "【演练，无真实患者】")


_LEAVE_EXERCISE: Final = ("REAL EMERGENCY, not an exercise. ", "【真实呼叫】")


def alert_text(
    kind: IncidentKind,
    task: Task,
    where: tuple[str, str] | None,
    link: str | None,
    *,
    leaves_exercise: bool = False,
) -> tuple[str, str]:
    """The alert: what has happened, roughly where, what is asked, and the link to reply.

    Each is one SMS, if the link has at most 38 characters: the place is cut to the room that is left.
    """
    en, zh = _TASKS[task]
    mark_en, mark_zh = "", ""
    if leaves_exercise:
        mark_en, mark_zh = _LEAVE_EXERCISE
    elif kind is IncidentKind.EXERCISE:
        mark_en, mark_zh = _EXERCISE[0], "【演练】"
    head_en, head_zh = f"{mark_en}Suspected cardiac arrest", mark_zh
    tail_en = f". If you can come now, please {en}" + (f": {link}" if link is not None else ".")
    tail_zh = f"有人疑似心脏骤停，{zh}" + (f"：{link}" if link is not None else "。")
    joint, (place_en, place_zh) = (" at ", where) if where is not None else (" near ", ("you", "您附近"))
    return fit_name(head_en, place_en, tail_en, joint=joint), fit_name(head_zh, place_zh, tail_zh)


def still_open_text(incident_id: int, *, minutes: int, hours: int) -> tuple[str, str]:
    """Remind a dispatcher of an incident that nobody has closed."""
    return (
        f"Incident {incident_id} is still open. The ambulance was expected {minutes} min ago. Update its "
        f"arrival time or close the incident; it closes automatically in about {hours} h.",
        f"事件{incident_id}尚未结束，救护车预计于{minutes}分钟前到达。请更新到达时间或结束事件；"
        f"约{hours}小时后将自动结束。",
    )


_HAZARD_WORDS: Final = {
    Hazard.INFORM: (
        "Caution: there may be danger at the scene. Open your link and read the note before you go on.",
        "注意：现场可能存在危险。继续前往前，请打开链接查看提示。",
    ),
    Hazard.NOBODY_IS_SENT: (
        "Do not go there: the scene is not safe. Keep away, and wait for the emergency services.",
        "请勿前往：现场不安全。请远离现场，等待专业人员处置。",
    ),
}


def hazard_text(hazard: Hazard) -> tuple[str, str]:
    """Warn people who were alerted already. The hazard itself is described behind the link."""
    return _HAZARD_WORDS[hazard]


def location_corrected_text(kind: IncidentKind, where: tuple[str, str] | None) -> tuple[str, str]:
    """Tell people who were alerted that the patient's location was corrected; it is shown behind the link."""
    at_en = f" The patient is at {where[0]}." if where is not None else ""
    at_zh = f"现地点：{where[1]}。" if where is not None else ""
    return _with_exercise_mark(
        kind,
        f"The patient's location was corrected.{at_en} Open your link again before you go on.",
        f"患者位置已更正。{at_zh}请重新打开呼叫链接查看后再前往。",
    )


class GoDirectReason(StrEnum):
    """Why a person who was to fetch a device goes straight to the patient instead."""

    HERE_WITHOUT_DEVICE = "here_without_device"
    """The person reported it themselves, so no message is sent."""
    SOMEBODY_HAS_IT = "somebody_has_it"
    CANNOT_BE_HAD = "cannot_be_had"
    """Another person reported it."""


_GO_DIRECT_TEXTS: Final[Mapping[GoDirectReason, tuple[str, str]]] = {
    GoDirectReason.SOMEBODY_HAS_IT: ("Someone else has taken the AED.", "AED已由他人取到。"),
    GoDirectReason.CANNOT_BE_HAD: ("The AED cannot be fetched.", "该AED无法取到。"),
}


def go_direct_text(kind: IncidentKind, reason: GoDirectReason) -> tuple[str, str]:
    """Ask a person to go straight to the patient instead of fetching a device."""
    en, zh = _GO_DIRECT_TEXTS[reason]
    return _with_exercise_mark(
        kind,
        f"{en} Please do not fetch it: go straight to the patient now. Your link shows the way.",
        f"{zh}请不要再去取AED，立即直接前往患者处。路线见呼叫页面。",
    )


def stood_down_text(kind: IncidentKind) -> tuple[str, str]:
    """Tell a person that enough others are coming."""
    return _with_exercise_mark(
        kind,
        "Enough people are on their way, so you do not need to go this time. Thank you. If that "
        "changes, we will call you again.",
        "前往人数已足，您这次无需前往。感谢您的支持；如情况有变，我们会再次呼叫。",
    )


def over_text(kind: IncidentKind) -> tuple[str, str]:
    """Tell a person that the call is over."""
    return _with_exercise_mark(
        kind,
        "The call is over: you are no longer needed. Thank you.",
        "呼叫已结束，您无需再前往。感谢您的支持。",
    )


def _with_exercise_mark(kind: IncidentKind, en: str, zh: str) -> tuple[str, str]:
    if kind is IncidentKind.EXERCISE:
        return _EXERCISE[0] + en, _EXERCISE[1] + zh
    return en, zh
