"""What a sent check form says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from aed.errors import InvalidInput
from aed.registry.devices.rules import ConsumableKind
from aed.registry.storeys import floor_of_storey
from aed.upkeep.checks.schemas import CheckIn, CheckReadings, MovedIn, ReplacedIn
from aed.upkeep.rules import MAX_DELAY, CheckKind, Question
from aed.web.words import noop

MAX_NOTE: Final = 500
MAX_PLACE: Final = 200
MAX_LOT: Final = 100
YES: Final = "yes"
NO: Final = "no"
NEW: Final = "new"
"""The consumable was replaced."""
CHANGED: Final = "changed"
CONSUMABLE_OF: Final = {
    Question.PADS_IN_DATE: ConsumableKind.PADS,
    Question.BATTERY_IN_DATE: ConsumableKind.BATTERY,
}
"""The consumable whose registered date is shown beside the question."""
CONSUMABLE_OF_CARTRIDGE: Final = {Question.PADS_IN_DATE: ConsumableKind.CARTRIDGE}
"""The same for a device with a combined cartridge."""

BAD_DATE: Final = noop("This date cannot be read. Write it like 2028-05-31.")
PAST_DATE: Final = noop("This has expired already. Check the date, or fit another one.")
BAD_PERCENT: Final = noop("Give the battery level as a whole number from 0 to 100.")
BAD_STOREY: Final = noop("This storey cannot be read. Write it like 3, B1 or G.")
CONTRADICTION: Final = noop(
    "You have marked something that is not well. Send the details below, or take the mark away."
)


class BadForm(Exception):
    """A form that cannot be recorded: the field, and the sentence in English."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field
        self.sentence = sentence


def check_in_form(
    form: Mapping[str, str],
    asks: Collection[Question],
    *,
    today: date,
    language: str,
    counts_ground_as_one: bool,
    now: datetime,
    has_cartridge: bool = False,
) -> CheckIn:
    """Return the check that a form describes. Raises BadForm.

    The button *All is well* (`all`) answers every question with yes, and confirms the registered place;
    *the rest is well* (`rest`) does so with those that the form leaves open.
    """
    is_all_well = "all" in form
    if is_all_well and marks_a_problem(form):
        raise BadForm("all", CONTRADICTION)
    kind = CheckKind(form["kind"]) if form.get("kind") in list(CheckKind) else CheckKind.CHECK
    note = form.get("note", "").strip()[:MAX_NOTE] or None
    common = {
        "key": _key(form.get("key", "")),
        "kind": kind,
        "answered_at": moment_of(form.get("answered_at", ""), form.get("phone_now", ""), now=now),
        "note": note,
        "readings": _readings(form),
    }
    if "gone" in form:
        return CheckIn.model_validate({**common, "is_there": False})
    answers = {
        question: form.get(f"a_{question}") != NO
        for question in asks
        if is_all_well or "rest" in form or form.get(f"a_{question}") in (YES, NO, NEW)
    }
    if form.get("has_photo"):
        answers[Question.PHOTO] = True
    else:
        answers.pop(Question.PHOTO, None)
    is_glance = kind is CheckKind.GLANCE
    moved = None if is_glance else _moved_position(form, language, counts_ground_as_one=counts_ground_as_one)
    return CheckIn.model_validate(
        {
            **common,
            "was_used": "used" in form,
            "answers": answers,
            "replaced": [] if is_glance else _replaced(form, today, has_cartridge=has_cartridge),
            "moved": moved,
            "recall_is_done": not is_glance and "recall" in form,
        }
    )


def _readings(form: Mapping[str, str]) -> CheckReadings | None:
    """Return what was read and done besides the answers, or None for nothing."""
    percent = form.get("battery_percent", "").strip().removesuffix("%").rstrip()
    if percent and not (percent.isdecimal() and len(percent) <= 3 and int(percent) <= 100):
        raise BadForm("battery_percent", BAD_PERCENT)
    found = {
        "seal_number": form.get("seal_number", "").strip()[:MAX_LOT] or None,
        "battery_percent": int(percent) if percent else None,
        "action_taken": form.get("action_taken", "").strip()[:MAX_NOTE] or None,
    }
    return CheckReadings.model_validate(found) if any(each is not None for each in found.values()) else None


def marks_a_problem(form: Mapping[str, str]) -> bool:
    """Return whether the form marks anything as not well, or as changed."""
    return (
        "gone" in form
        or "used" in form
        or any(name.startswith("a_") and value in (NO, CHANGED) for name, value in form.items())
    )


def _key(written: str) -> UUID:
    try:
        return UUID(written)
    except ValueError:
        raise InvalidInput("Open the check form again, and send it from there.", field="key") from None


def moment_of(answered: str, phone_now: str, *, now: datetime) -> datetime | None:
    """Return when the form was answered by the server's clock, or None if the form does not say.

    `answered` and `phone_now` are the phone's clock when the form was answered and when it was sent: their
    difference is right however wrong that clock is.
    """
    answered_at, sent_at = _moment(answered), _moment(phone_now)
    if answered_at is None or sent_at is None:
        return None
    return now - min(max(sent_at - answered_at, timedelta(0)), MAX_DELAY)


def _moment(written: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _replaced(form: Mapping[str, str], today: date, *, has_cartridge: bool) -> list[ReplacedIn]:
    found = []
    for question, kind in (CONSUMABLE_OF_CARTRIDGE if has_cartridge else CONSUMABLE_OF).items():
        if form.get(f"a_{question}") == NEW:
            found.append(_consumable(form, kind, today))
    if "new_child_pads" in form:
        found.append(_consumable(form, ConsumableKind.CHILD_PADS, today))
    if "new_cartridge" in form and not has_cartridge:
        found.append(_consumable(form, ConsumableKind.CARTRIDGE, today))
    return found


def _consumable(form: Mapping[str, str], kind: ConsumableKind, today: date) -> ReplacedIn:
    until = form.get(f"until_{kind}", "").strip()
    expires_on = None
    if until:
        try:
            expires_on = date.fromisoformat(until)
        except ValueError:
            raise BadForm(f"until_{kind}", BAD_DATE) from None
        if expires_on < today:
            raise BadForm(f"until_{kind}", PAST_DATE)
    lot = form.get(f"lot_{kind}", "").strip()[:MAX_LOT] or None
    return ReplacedIn(kind=kind, lot=lot, expires_on=expires_on)


def _moved_position(form: Mapping[str, str], language: str, *, counts_ground_as_one: bool) -> MovedIn | None:
    if form.get("a_place") != CHANGED:
        return None
    found: dict[str, object] = {}
    if place := form.get("place", "").strip()[:MAX_PLACE]:
        found["place_zh" if language.startswith("zh") else "place_en"] = place
    if storey := form.get("storey", "").strip():
        try:
            found["floor"] = floor_of_storey(storey[:20], counts_ground_as_one=counts_ground_as_one)
        except InvalidInput:
            raise BadForm("storey", BAD_STOREY) from None
    try:
        lat, lon = float(form.get("lat", "")), float(form.get("lon", ""))
    except ValueError:
        pass
    else:
        found["position"] = {"lat": lat, "lon": lon}
    return MovedIn.model_validate(found) if found else None
