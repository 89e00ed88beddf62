"""What the pages of agreements show, in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from aed.sharing.models import Agreement
from aed.sharing.rules import AgreementKind, AgreementState
from aed.web.words import noop

STEPS: Final = {
    "estate": noop("The estate alone"),
    "neighbours": noop("Neighbouring estates too"),
    "dispatch": noop("The dispatch centre too"),
    "public": noop("Everyone"),
}
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
