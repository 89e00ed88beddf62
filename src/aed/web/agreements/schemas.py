"""The form of an agreement's text: its fields, the `AgreementIn` that they make, and what is wrong with it.

All fields are text. A device without a value of its own has that of all devices: `step` is for all of them,
`d7_step` for device 7 alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience
from aed.sharing.agreements.schemas import Insurance, Terms
from aed.sharing.models import Agreement, DeviceShare
from aed.sharing.rules import (
    AgreementKind,
    CodeRecipient,
    PartyRole,
    PublishedPosition,
    SharingRules,
    step_below,
)
from aed.web.words import noop

type Typed = dict[str, str]
"""The fields of the form, as typed."""

YES: Final = "yes"
NO: Final = "no"
ALWAYS: Final = "24/7"
MAX_INSURANCES: Final = 20
MAX_NUMBER: Final = 10**9
LASTS_YEARS: Final = 2
OF_ALL: Final = ("step", "hours", "outside", "position", "code_to", "override", "leaves", "gates")
"""Fields of a share that all devices have in common unless they have a value of their own."""
OF_ONE: Final = (*OF_ALL, "from_on", "until_on")
_TEXT: Final = ("kind", "owner", "legal_basis", "legal_reference", "notice_from", "notice_until", "method")
_FIELDS: Final = (*_TEXT, "starts_on", "ends_on", "supersedes_id")
_FLAGS: Final = ("has_loaner",)
_INSURANCE: Final = tuple(Insurance.model_fields)
_TERMS: Final = tuple(name for name in Terms.model_fields if name != "insurances")
_SHARE_FIELDS: Final = {
    "step": "step",
    "hours": "hours",
    "step_outside_hours": "outside",
    "published_position": "position",
    "code_to": "code_to",
    "allows_override": "override",
    "may_leave_estate": "leaves",
    "gates": "gates",
    "from_on": "from_on",
    "until_on": "until_on",
}
"""Fields of `ShareIn`, and of the form."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a field: an English sentence, to be translated, with its values."""

    sentence: str
    values: Mapping[str, object] = field(default_factory=dict)


MISSING: Final = noop("Fill this in.")
BAD_DAY: Final = noop("Write the day as year-month-day, such as 2027-01-31.")
BAD_HOURS: Final = noop("These hours cannot be read. Write for example 20:00-08:00 or Mo-Fr 18:00-22:00.")
BAD_CODE: Final = noop("This is not a valid unified social credit code. Check each character.")
BAD_PHONE: Final = noop("This is not a phone number. Check the digits.")
BAD_CHOICE: Final = noop("Choose one of these.")
BAD_NUMBER: Final = noop("Write a whole number from {low} to {high}.")
TOO_LONG: Final = noop("Write at most {most} characters.")
BAD_OUTSIDE: Final = noop("Outside the hours fewer people may see the AED than within them.")
NEEDS_HOURS: Final = noop("Give the hours of sharing, or leave this as it is.")
ENDS_BEFORE: Final = noop("The last day is before the first.")
BAD_TEXT: Final = noop("Some characters here cannot be stored. Type it again.")
NO_DEVICE: Final = noop("Choose at least one AED.")


# --- What is proposed ------------------------------------------------------------------------------------


def new_form(
    *,
    estate_name: str,
    device_ids: Sequence[int],
    today: date,
    rules: SharingRules,
    earlier: Agreement | None = None,
) -> Typed:
    """Return the form of a new agreement: names of the parties from the estate's latest one, or its name."""
    typed: Typed = {
        "kind": AgreementKind.AGREEMENT,
        "owner": "owners_in_common",
        "legal_basis": "minutes",
        "method": "three_sign",
        "step": Audience.NEIGHBOURS,
        "position": PublishedPosition.EXACT,
        "code_to": CodeRecipient.RESPONDER,
        "override": YES,
        "leaves": YES,
        "starts_on": today.isoformat(),
        "ends_on": _years_later(today).isoformat(),
        f"{PartyRole.OWNERS_COMMITTEE}_legal_name": f"{estate_name}业主委员会",
        f"{PartyRole.SERVICE_CENTRE}_legal_name": f"{estate_name}园区服务中心",
    }
    typed |= {f"d{device_id}": YES for device_id in device_ids}
    typed |= _terms_form(Terms(check_interval_days=rules.check_interval_days).model_dump(mode="json"))
    return typed | _parties_form(earlier) if earlier is not None else typed


def renewal_form(found: Agreement, *, today: date) -> Typed:
    """Return the form of a new agreement that supersedes one, from the day after its end on."""
    starts_on = today
    if found.ends_on is not None and found.ends_on >= today:
        starts_on = found.ends_on + timedelta(days=1)
    moved = starts_on - found.starts_on
    ends_on = found.ends_on + moved if found.ends_on is not None else None
    typed = form_of(found) | {
        "starts_on": starts_on.isoformat(),
        "ends_on": ends_on.isoformat() if ends_on is not None else "",
        "supersedes_id": str(found.id),
    }
    dropped = ("notice_from", "notice_until", "preview_id", "legal_reference")
    return {
        name: value
        for name, value in typed.items()
        if name not in dropped and not name.endswith(("_from_on", "_until_on"))
    }


def form_of(found: Agreement) -> Typed:
    """Return the form of an agreement, whose parties and shares are loaded."""
    typed = {name: _text(getattr(found, name)) for name in _FIELDS} | {"preview_id": _text(found.preview_id)}
    return typed | _parties_form(found) | _terms_form(found.terms) | _shares_form(found.shares)


def _parties_form(found: Agreement) -> Typed:
    typed = {}
    for party in found.parties:
        typed[f"{party.role}_legal_name"] = party.legal_name
        typed[f"{party.role}_credit_code"] = party.credit_code or ""
        typed[f"{party.role}_person"] = _text(party.representative_id)
    return typed


def _terms_form(terms: Mapping[str, Any]) -> Typed:
    typed = {name: _text(terms.get(name)) for name in _TERMS}
    for number, insurance in enumerate(terms.get("insurances", [])):
        typed |= {f"i{number}_{name}": _text(insurance.get(name)) for name in _INSURANCE}
    return typed


def _shares_form(shares: Sequence[DeviceShare]) -> Typed:
    """Return the form of the shares: what all have in common once, the rest at each device."""
    each_form = {share.device_id: _share_form(share) for share in shares}
    typed: Typed = {}
    for name in OF_ALL:
        values = [form[name] for form in each_form.values()]
        is_common = len(set(values)) == 1
        typed[name] = values[0] if is_common or name not in ("hours", "outside", "gates") else ""
    for device_id, form in each_form.items():
        typed[f"d{device_id}"] = YES
        own = {name: value for name, value in form.items() if value != typed.get(name, "")}
        typed |= {f"d{device_id}_{name}": value for name, value in own.items()}
    return typed


def _share_form(share: DeviceShare) -> Typed:
    is_below = share.hours is None or share.step_outside_hours is step_below(share.step)
    return {
        "step": share.step,
        "hours": share.hours or "",
        "outside": "" if is_below else share.step_outside_hours,
        "position": share.published_position,
        "code_to": share.code_to,
        "override": YES if share.allows_override else NO,
        "leaves": YES if share.may_leave_estate else NO,
        "gates": "\n".join(share.gates),
        "from_on": _text(share.from_on),
        "until_on": _text(share.until_on),
    }


def _text(value: Any) -> str:
    if value is None or value is False:
        return ""
    return YES if value is True else str(value)


def _years_later(day: date) -> date:
    """Return the day before the same day in two years."""
    return day.replace(year=day.year + LASTS_YEARS, day=min(day.day, 28)) - timedelta(days=1)


# --- What was typed --------------------------------------------------------------------------------------


def chosen_devices(typed: Typed) -> list[int]:
    """Return the devices that are ticked, by id."""
    found = (re.fullmatch(r"d(\d{1,18})", name) for name, value in typed.items() if value)
    return sorted(int(match[1]) for match in found if match is not None)


def insurance_numbers(typed: Typed) -> list[int]:
    """Return the numbers of the insurances in the form that have a value."""
    found = (re.fullmatch(r"i(\d{1,2})_\w+", name) for name, value in typed.items() if value.strip())
    numbers = {int(match[1]) for match in found if match is not None}
    return sorted(each for each in numbers if each < MAX_INSURANCES)


def agreement_fields(
    typed: Typed, *, roles: Sequence[PartyRole], people: Mapping[int, Person], previews: Mapping[int, str]
) -> dict[str, Any]:
    """Return the fields of `AgreementIn`, not yet checked.

    `roles` are the parties by the rules of the region; `people` those who may be chosen, by id; `previews`
    the hashes of the estate's previews, by id.
    """
    given: dict[str, Any] = {name: typed.get(name, "").strip() or None for name in _FIELDS}
    preview_id = typed.get("preview_id", "")
    if preview_id:
        known = int(preview_id) if preview_id.isdecimal() else 0
        given |= {"preview_id": preview_id, "preview_hash": previews.get(known, "unknown")}
    given["parties"] = [_party_fields(typed, role, people) for role in roles]
    given["shares"] = [_share_fields(typed, device_id) for device_id in chosen_devices(typed)]
    terms: dict[str, Any] = {name: typed.get(name, "").strip() or None for name in _TERMS}
    terms["insurances"] = [
        {name: typed.get(f"i{number}_{name}", "").strip() or None for name in _INSURANCE}
        | {"covers_volunteers_outside": bool(typed.get(f"i{number}_covers_volunteers_outside"))}
        for number in insurance_numbers(typed)
    ]
    given["terms"] = terms | {name: bool(typed.get(name)) for name in _FLAGS}
    return given


def _party_fields(typed: Typed, role: PartyRole, people: Mapping[int, Person]) -> dict[str, Any]:
    chosen = typed.get(f"{role}_person", "")
    person = people.get(int(chosen)) if chosen.isdecimal() else None
    name, phone = typed.get(f"{role}_name", "").strip(), typed.get(f"{role}_phone", "").strip()
    representative = None
    if person is not None and not name:
        representative = {"name": person.name, "phone": person.phone}
    elif name or phone:
        representative = {"name": name, "phone": phone or None}
    return {
        "role": role,
        "legal_name": typed.get(f"{role}_legal_name", ""),
        "credit_code": typed.get(f"{role}_credit_code", "").strip() or None,
        "representative": representative,
    }


def _share_fields(typed: Typed, device_id: int) -> dict[str, Any]:
    def value(name: str) -> str:
        return typed.get(f"d{device_id}_{name}", "").strip() or typed.get(name, "").strip()

    hours = value("hours")
    return {
        "device_id": device_id,
        "step": value("step") or None,
        "hours": hours if hours not in ("", ALWAYS) else None,
        "step_outside_hours": value("outside") or None,
        "gates": [line.strip() for line in value("gates").splitlines() if line.strip()],
        "allows_override": value("override") == YES,
        "code_to": value("code_to") or None,
        "may_leave_estate": value("leaves") == YES,
        "published_position": value("position") or None,
        "from_on": typed.get(f"d{device_id}_from_on", "").strip() or None,
        "until_on": typed.get(f"d{device_id}_until_on", "").strip() or None,
    }


# --- What is wrong with it -------------------------------------------------------------------------------


def problems_of(error: ValidationError, typed: Typed, *, roles: Sequence[PartyRole]) -> dict[str, Problem]:
    """Return what is wrong, by the name of the field in the form."""
    return {_form_field(each["loc"], typed, roles): _problem(each) for each in reversed(error.errors())}


def _form_field(loc: tuple[int | str, ...], typed: Typed, roles: Sequence[PartyRole]) -> str:
    """Return the name of the field in the form at which an error of `AgreementIn` is shown."""
    match loc:
        case ("shares", int(number), *rest):
            device_id = chosen_devices(typed)[number]
            name = _SHARE_FIELDS.get(str(rest[0]), "step") if rest else "outside"
            own = f"d{device_id}_{name}"
            return own if name not in OF_ALL or typed.get(own, "").strip() else name
        case ("shares",):
            return "devices"
        case ("parties", int(number), *rest):
            names = {"representative": str(rest[-1])}
            return f"{roles[number]}_{names.get(str(rest[0]), str(rest[0]))}"
        case ("terms", "insurances", int(number), *rest):
            return f"i{insurance_numbers(typed)[number]}_{rest[0] if rest else 'ends_on'}"
        case ("terms", str(name), *_):
            return name
        case ("preview_hash", *_):
            return "preview_id"
    return str(loc[0])


def _problem(error: ErrorDetails) -> Problem:
    kind, name = error["type"], str(error["loc"][-1])
    context = error.get("ctx", {})
    if name in ("hours", "credit_code", "phone") and error["input"]:
        return Problem({"hours": BAD_HOURS, "credit_code": BAD_CODE, "phone": BAD_PHONE}[name])
    if name == "shares":
        return Problem(NO_DEVICE)
    if error["input"] in (None, ""):
        return Problem(MISSING)
    if kind == "string_too_long":
        return Problem(TOO_LONG, {"most": context["max_length"]})
    if kind == "value_error":
        message = str(context["error"])
        if "step_outside_hours" in message:
            return Problem(NEEDS_HOURS if "needs" in message else BAD_OUTSIDE)
        return Problem(ENDS_BEFORE if " is before " in message else BAD_TEXT)
    if kind == "enum":
        return Problem(BAD_CHOICE)
    if name.endswith(("_on", "_from", "_until")):
        return Problem(BAD_DAY)
    if name in Terms.model_fields or name == "sum_insured":
        low, high = _limits(name)
        return Problem(BAD_NUMBER, {"low": low, "high": high})
    return Problem(BAD_CHOICE)


def _limits(name: str) -> tuple[int, int]:
    found = Terms.model_fields.get(name)
    given = found.metadata if found is not None else []
    low = next((each.ge for each in given if hasattr(each, "ge")), 0)
    return low, next((each.le for each in given if hasattr(each, "le")), MAX_NUMBER)
