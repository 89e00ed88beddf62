"""What the page of a device's checks shows: who checked, what came of it, and who approved it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import NotAllowed
from aed.registry.devices.rules import ConsumableKind
from aed.upkeep.checks import queries
from aed.upkeep.checks.keepers import device_to_check
from aed.upkeep.checks.rules import QUESTION_WORDS
from aed.upkeep.models import Check, CheckApproval, Photo
from aed.upkeep.permissions import require_second_person
from aed.upkeep.rules import ApprovalState, CheckKind, Question
from aed.web.words import noop

SHOWN: Final = 20
KINDS: Final = {
    CheckKind.GLANCE: noop("Glance"),
    CheckKind.CHECK: noop("Check with the cabinet open"),
    CheckKind.SERVICE: noop("Service by a trained person"),
}
STATES: Final = {
    ApprovalState.WAITING: noop("Waits for a second person"),
    ApprovalState.APPROVED: noop("Approved"),
    ApprovalState.REFUSED: noop("Refused: to be checked again"),
    ApprovalState.FAILED: noop("Refused: the AED is not all right"),
    ApprovalState.OVERTAKEN: noop("Checked again before anyone approved it"),
}
FITTED: Final = {
    ConsumableKind.PADS: noop("New pads"),
    ConsumableKind.CHILD_PADS: noop("New child pads"),
    ConsumableKind.BATTERY: noop("New battery"),
    ConsumableKind.CARTRIDGE: noop("New combined cartridge"),
}


@dataclass(frozen=True, slots=True)
class CheckLine:
    """A check, with its approval. `kind`, `result` and `state` are in English; translate them."""

    check: Check
    kind: str
    result: str
    approval: CheckApproval | None
    state: str
    checked_by: str
    """Empty for viewers who do not keep or manage the device, as the next one."""
    second_person: str


@dataclass(frozen=True, slots=True)
class WaitingCheck:
    """A check that waits for a second person, with all that was found."""

    line: CheckLine
    answers: Sequence[tuple[Mapping[str, str], bool]]
    fitted: Sequence[tuple[str, str, str]]
    """What, its lot and its expiry date. The first is in English; translate it."""
    photos: Sequence[Photo]
    refusal: NotAllowed | None
    """Why the viewer may not decide; None if they may."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The last checks of a device. Words are {"en", "zh"}."""

    device_id: int
    place: Mapping[str, str | None]
    estate: Mapping[str, str | None]
    time_zone: str
    emergency_number: str
    lines: Sequence[CheckLine]
    waiting: WaitingCheck | None


def history_page(session: Session, viewer: Viewer, device_id: int) -> HistoryPage:
    """Return the last checks of a device. Raises NotFound, NotSignedIn or NotAllowed as `device_to_check`."""
    device = device_to_check(session, viewer, device_id, CheckKind.CHECK)
    checks = queries.last_checks(session, device.id, limit=SHOWN)
    approvals = queries.approvals_of(session, checks)
    refusal = _refusal(session, viewer, device_id)
    names = {}
    if refusal is None:
        ids = [each.by_id for each in checks] + [each.decided_by_id for each in approvals.values()]
        names = queries.names_of_people(session, ids)
    lines = [_line(each, approvals.get(each.id), names) for each in checks]
    waiting = next(
        (each for each in lines if each.approval and each.approval.state is ApprovalState.WAITING), None
    )
    estate = device.estate
    zone = estate.time_zone if estate is not None else None
    return HistoryPage(
        device_id=device.id,
        place={"en": device.place_en, "zh": device.place_zh},
        estate={
            "en": estate.name_en if estate is not None else None,
            "zh": estate.name_zh if estate is not None else None,
        },
        time_zone=zone or device.region.time_zone,
        emergency_number=device.region.emergency_number,
        lines=lines,
        waiting=_waiting(session, viewer, waiting, refusal) if waiting is not None else None,
    )


def _refusal(session: Session, viewer: Viewer, device_id: int) -> NotAllowed | None:
    """Return why the viewer may not decide about checks of the device; None if they keep or manage it."""
    try:
        device_to_check(session, viewer, device_id, CheckKind.SERVICE)
    except NotAllowed as error:
        return error
    return None


def _line(check: Check, approval: CheckApproval | None, names: Mapping[int, str]) -> CheckLine:
    if not check.is_there:
        result = noop("Not there")
    elif check.is_passed:
        result = noop("Check passed")
    else:
        is_well = check.kind is CheckKind.GLANCE and all(check.answers.values()) and not check.was_used
        result = noop("Seen") if is_well else noop("Check not passed")
    state = STATES[approval.state] if approval is not None else ""
    second = approval.decided_by_id if approval is not None else None
    return CheckLine(
        check,
        KINDS[check.kind],
        result,
        approval,
        state,
        checked_by=names.get(check.by_id, "") if check.by_id is not None else "",
        second_person=names.get(second, "") if second is not None else "",
    )


def _waiting(session: Session, viewer: Viewer, line: CheckLine, refusal: NotAllowed | None) -> WaitingCheck:
    check = line.check
    try:
        require_second_person(viewer, checked_by_id=check.by_id)
    except NotAllowed as error:
        refusal = refusal or error
    words = [(QUESTION_WORDS[Question(name)], is_well) for name, is_well in check.answers.items()]
    return WaitingCheck(
        line=line,
        answers=[({"en": en, "zh": zh}, is_well) for (en, zh), is_well in words],
        fitted=[
            (FITTED[ConsumableKind(kind)], each["lot"] or "", each["expires_on"])
            for kind, each in check.replaced.items()
        ],
        photos=queries.photos_of(session, check.id),
        refusal=refusal,
    )
