"""What the pages of agreements show, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from aed.files.typesetting import pdf_of, qr_svg
from aed.sharing.models import Agreement, DeviceShare, PartyDecision
from aed.sharing.rules import AgreementKind, AgreementState, DecisionKind
from aed.web.words import noop, translator

STEPS: Final = {
    "estate": noop("The estate alone"),
    "neighbours": noop("Neighbouring estates too"),
    "dispatch": noop("The dispatch centre too"),
    "public": noop("Everyone"),
}
SHORT_STEPS: Final = {
    "estate": noop("estate"),
    "neighbours": noop("neighbours"),
    "dispatch": noop("dispatch"),
    "public": noop("everyone"),
}
NOW: Final = noop("As it is now")
UNDER_AGREEMENT: Final = noop("Under the agreement, within its hours")
PARTIES: Final = {
    "party_committee": noop("Community party committee"),
    "owners_committee": noop("Owners' committee"),
    "service_centre": noop("Service centre of the estate"),
    "estate_manager": noop("The estate's manager"),
    "region": noop("The region"),
}
OWNERS: Final = {
    "owners_in_common": noop("The owners in common"),
    "property_company": noop("The property company"),
    "donor": noop("A donor"),
    "government": noop("The government"),
    "lease": noop("Leased"),
}
BASES: Final = {
    "resolution": noop("Resolution"),
    "minutes": noop("Minutes of a meeting"),
    "public_notice": noop("Public notice"),
}
METHODS: Final = {
    "three_sign": noop("Each party signs"),
    "committee_votes": noop("The owners' committee votes"),
    "owners_assembly": noop("The owners' assembly votes"),
}
POSITIONS: Final = {
    "exact": noop("Exact"),
    "approximate": noop("Rounded to about 500 m"),
    "dispatch_only": noop("For dispatch only"),
}
KINDS: Final = {
    "agreement": noop("Agreement"),
    "trial": noop("Trial"),
    "register": noop("By the register"),
}
PAYERS: Final = {
    **{name: PARTIES[name] for name in ("party_committee", "owners_committee", "service_centre")},
    "government": OWNERS["government"],
    "donor": OWNERS["donor"],
    "insurer": noop("The insurer"),
}
CODES: Final = {
    "nobody": noop("Cabinet code: given to nobody"),
    "dispatcher": noop("Cabinet code: given to the dispatcher"),
    "responder": noop("Cabinet code: given to the responder"),
}
YES: Final = noop("Yes")
NO: Final = noop("No")
NUMBERS: Final = {
    "check_interval_days": noop("Check at least every … days"),
    "certified_people": noop("Certified people, deputies included"),
    "trained_people_per_device": noop("Trained people for each AED"),
    "drills_a_year": noop("Drills a year"),
    "replaced_within_hours": noop("Replaced within … hours after use"),
    "cost_per_use": noop("Cost of a use (yuan)"),
    "cost_cap": noop("Highest cost (yuan)"),
    "renewal_notice_days": noop("Days of notice before it is not renewed"),
    "termination_notice_days": noop("Days of notice of termination"),
}
PAYS_FOR: Final = {
    "purchase_payer": noop("Pays for the purchase"),
    "upkeep_payer": noop("Pays for upkeep"),
    "use_payer": noop("Pays for each use"),
}
FREE_TERMS: Final = {
    "theft": noop("Theft"),
    "ecg_handover": noop("Handover of the ECG"),
    "other": noop("Further terms"),
}
LABELS: Final[dict[str, Any]] = {
    "steps": STEPS,
    "parties": PARTIES,
    "owners": OWNERS,
    "bases": BASES,
    "methods": METHODS,
    "positions": POSITIONS,
    "kinds": KINDS,
    "payers": PAYERS,
    "numbers": NUMBERS,
    "pays_for": PAYS_FOR,
    "free_terms": FREE_TERMS,
}
"""What templates show for the values of an agreement, by the names that they use."""
_STAGES: Final = (
    ("draft", noop("Drafted")),
    ("proposed", noop("The parties decide")),
    ("region", noop("The region confirms")),
    ("confirmed", noop("In force")),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A state in the row of an agreement's states."""

    label: str
    is_done: bool
    is_now: bool


def stages(agreement: Agreement, waits_for: list[str], today: date) -> list[Stage]:
    """Return the states of an agreement in order, up to its end."""
    names = [name for name, _ in _STAGES]
    if agreement.state in (AgreementState.CONFIRMED, AgreementState.WITHDRAWN):
        present = len(names) - 1
    else:
        present = names.index("region" if waits_for == ["region"] else str(agreement.state))
    is_over = end_label(agreement, today) is not None
    found = [
        Stage(label, is_done=i < present or (is_over and i <= present), is_now=i == present and not is_over)
        for i, (_, label) in enumerate(_STAGES)
    ]
    if agreement.state is AgreementState.CONFIRMED and agreement.starts_on > today:
        found[-1] = Stage(noop("Confirmed, not yet in force"), is_done=False, is_now=True)
    if agreement.state is AgreementState.WITHDRAWN and agreement.confirmed_at is None:
        found = found[:1]
    label = end_label(agreement, today)
    return [*found, Stage(label, is_done=False, is_now=True)] if label is not None else found


def end_label(agreement: Agreement, today: date) -> str | None:
    """Return how the agreement ended or why it rests; None if it has not."""
    if agreement.state is AgreementState.WITHDRAWN:
        return noop("Withdrawn")
    if agreement.state is AgreementState.CONFIRMED and agreement.suspended_at is not None:
        return noop("Suspended")
    if agreement.ends_on is not None and agreement.ends_on < today:
        return noop("Ended")
    return None


def may_be_withdrawn(agreement: Agreement) -> bool:
    return agreement.kind is not AgreementKind.REGISTER and agreement.state is not AgreementState.WITHDRAWN


# --- On paper -------------------------------------------------------------------------------------------

CLAUSES: Final = (
    noop("Volunteers who help in an emergency are not liable for harm to the person helped (184)."),
    noop("People harmed while protecting another may be compensated by the person who benefits (183)."),
    noop("Operators of public places owe those present safety within reason (1198)."),
    noop("People with a legal duty to rescue act in time (1005)."),
    noop("The property company keeps the AEDs in its care ready (942)."),
    noop("Neither the rescuer nor the patient's family pays."),
    noop("Any party may withdraw at once. An AED that is out on a call stays until the call is over."),
    noop("Personal data is used for emergencies and upkeep only."),
)
"""The numbers are articles of the Civil Code (民法典)."""
_Label = dict[str, str]


def both(text: str) -> _Label:
    """Return an English text of this catalogue in both languages."""
    return {"en": text, "zh": translator("zh_CN")(text)}


def same(text: object) -> _Label:
    return {"en": str(text), "zh": str(text)}


def agreement_pdf(
    found: Agreement,
    *,
    estate: _Label,
    places: Mapping[int, Mapping[str, str | None]],
    latest: Mapping[int, PartyDecision],
    state: str,
    address: str,
) -> bytes:
    """Return the agreement as PDF in Chinese and English, with `address` as the QR code for checking it.

    The same input gives the same bytes. Raises PaperNotMade.
    """
    given = {
        "number": str(found.id),
        "estate": estate,
        "kind": both(KINDS[found.kind]),
        "state": both(state),
        "period": _period(found),
        "hash": found.text_hash,
        "preview": found.preview_hash or "–",
        "qr": qr_svg(address),
        "parties": [
            {
                "role": both(PARTIES[each.role]),
                "name": each.legal_name,
                "code": each.credit_code or "–",
                "decision": _decision(latest.get(each.id)),
            }
            for each in found.parties
        ],
        "shares": [_share_line(each, places.get(each.device_id, {})) for each in found.shares],
        "terms": _term_lines(found),
        "clauses": [both(each) for each in CLAUSES],
    }
    return pdf_of("aed.web.agreements", "agreement.typ", given, made_at=found.created_at)


def _period(found: Agreement) -> _Label:
    until = same(found.ends_on) if found.ends_on is not None else both(noop("without end"))
    return {name: f"{found.starts_on} – {until[name]}" for name in until}


def _decision(decision: PartyDecision | None) -> _Label:
    if decision is None:
        return both(noop("Has not decided yet"))
    return both(noop("Consent") if decision.kind is DecisionKind.CONSENT else noop("Refuse"))


def _share_line(share: DeviceShare, place: Mapping[str, str | None]) -> dict[str, Any]:
    hours = both(noop("At every hour"))
    if share.hours is not None:
        outside = both(STEPS[share.step_outside_hours])
        words = both(noop("(otherwise: {step})"))
        hours = {name: f"{share.hours} {words[name].format(step=outside[name])}" for name in words}
    number = f"AED {share.device_id}"
    return {
        "place": {name: f"{number} {place.get(name) or ''}".strip() for name in ("en", "zh")},
        "gates": "; ".join(share.gates),
        "step": both(STEPS[share.step]),
        "hours": hours,
        "notes": [both(each) for each in _share_notes(share)],
        "days": f"{share.from_on or ''} – {share.until_on or ''}" if share.from_on or share.until_on else "",
        "position": both(POSITIONS[share.published_position]),
    }


def _share_notes(share: DeviceShare) -> list[str]:
    notes = [CODES[share.code_to]]
    if share.allows_override:
        notes.append(noop("In an emergency the dispatch centre may have it fetched"))
    if share.may_leave_estate:
        notes.append(noop("May leave the estate"))
    return notes


def _term_lines(found: Agreement) -> Sequence[dict[str, _Label]]:
    terms = found.terms
    lines: list[tuple[str, _Label]] = []
    if found.owner is not None:
        lines.append((noop("Owner of the AEDs"), both(OWNERS[found.owner])))
    if found.legal_basis is not None:
        basis = both(BASES[found.legal_basis])
        reference = f": {found.legal_reference}" if found.legal_reference else ""
        lines.append((noop("Legal basis"), {name: basis[name] + reference for name in basis}))
    if found.notice_from is not None:
        lines.append((noop("Public notice"), same(f"{found.notice_from} – {found.notice_until}")))
    if found.method is not None:
        lines.append((noop("Decided by"), both(METHODS[found.method])))
    if found.supersedes_id is not None:
        lines.append((noop("Supersedes agreement"), same(found.supersedes_id)))
    lines += [(label, same(terms[name])) for name, label in NUMBERS.items() if terms.get(name) is not None]
    lines += [(label, both(PAYERS[terms[name]])) for name, label in PAYS_FOR.items() if terms.get(name)]
    lines.append((noop("A loaner is provided"), both(YES if terms.get("has_loaner") else NO)))
    for each in terms.get("insurances", []):
        policy = f"{each['type']}, {each['insurer']}, {each['policy']}, {each['sum_insured']:,}"
        covers = each.get("covers_volunteers_outside")
        label = noop("Insurance, volunteers outside included") if covers else noop("Insurance")
        lines.append((label, same(f"{policy}, {each['starts_on']} – {each['ends_on']}")))
    lines += [(label, same(terms[name])) for name, label in FREE_TERMS.items() if terms.get(name)]
    return [{"label": both(label), "value": value} for label, value in lines]


def state_label(found: Agreement, waits_for: list[str], today: date) -> str:
    """Return the present state of an agreement in a few words."""
    return next(each.label for each in stages(found, waits_for, today) if each.is_now)
