"""What waits for the manager of an estate, in one queue: reports, residents, and questions about lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.masking import mask_phone
from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.errors import InvalidInput, NotAllowed, NotFound
from aed.imports.devices import reviews
from aed.imports.devices.decisions import decide, require_decider
from aed.imports.devices.models import Review
from aed.imports.devices.rules import Decision, ReviewKind, Thresholds
from aed.registry.devices.undo import UNDO_FOR
from aed.registry.estates.models import Estate, ResidenceRequest
from aed.registry.estates.residence import decide_residence, open_residence_requests
from aed.upkeep.checks.queries import names_of_people, waiting_approvals
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.faults.actions import close_report
from aed.upkeep.faults.queries import report as fault_report
from aed.upkeep.models import CheckApproval, FaultReport
from aed.upkeep.rules import FaultKind, FaultReportState, short_number
from aed.web.estate_desk import queries
from aed.web.words import noop

BAD_ANSWER: Final = noop("Choose one of the answers that the queue offers.")
MAX_ITEMS: Final = 200


@dataclass(frozen=True, slots=True)
class QueueItem:
    """Something that waits. Names, `kind` and answers are in English, to be translated."""

    value: str
    """Kind and id, as the form sends them."""
    kind: str
    at: datetime
    device_id: int | None = None
    code: str = ""
    title: str = ""
    """Words of people, shown as they are."""
    note: str = ""
    names: tuple[tuple[str, str], ...] = ()
    """Pairs of a name to translate and a value."""
    answers: tuple[tuple[str, str], ...] = ()
    """Pairs of a value and its label; none if another has to decide."""
    page: str = ""
    """The page on which to decide, instead of answers."""


FAULTS: Final = {
    FaultKind.MISSING: noop("Report: it is not there"),
    FaultKind.BEEPING: noop("Report: it beeps, or its light is red"),
    FaultKind.DAMAGED: noop("Report: it is damaged"),
    FaultKind.NO_ACCESS: noop("Report: people cannot get to it"),
}
OTHER_FAULT: Final = noop("Report: something is wrong with it")
RESIDENT: Final = noop("A resident to confirm")
APPROVAL: Final = noop("A check to approve")
CHECKED_BY: Final = noop("Checked by")
APPROVE_UNTIL: Final = noop("To be approved by")
REVIEWS: Final = {
    ReviewKind.DUPLICATE: noop("Perhaps entered twice"),
    ReviewKind.CONFLICT: noop("Two sources disagree"),
    ReviewKind.SIGHTING: noop("A passer-by says: an AED is here"),
}
REPORT_ANSWERS: Final = (
    (FaultReportState.CONFIRMED.value, noop("It is so")),
    (FaultReportState.DISMISSED.value, noop("It is not so")),
)
RESIDENT_ANSWERS: Final = (("yes", noop("Yes, they live here")), ("no", noop("No, or I do not know")))
REVIEW_ANSWERS: Final = {
    ReviewKind.DUPLICATE: (
        (Decision.SAME.value, noop("The same AED: merge")),
        (Decision.DIFFERENT.value, noop("Another AED")),
    ),
    ReviewKind.CONFLICT: (
        (Decision.KEEP.value, noop("Keep what is registered")),
        (Decision.TAKE.value, noop("Take the other value")),
    ),
    ReviewKind.SIGHTING: (
        (Decision.ACCEPT.value, noop("Yes, register it")),
        (Decision.REFUSE.value, noop("There is none")),
    ),
}
REGISTERED: Final = noop("Registered")
OFFERED: Final = noop("The list says")
METRES: Final = noop("Position")
ATTRIBUTES: Final = {
    "position": METRES,
    "belongs_to": noop("Estate"),
    "place_en": noop("Place, in English"),
    "place_zh": noop("Place, in Chinese"),
    "floor": noop("Storey"),
    "opening_hours": noop("When it can be reached"),
    "entry": noop("Way in"),
    "access_instructions_en": noop("How to get to it, in English"),
    "access_instructions_zh": noop("How to get to it, in Chinese"),
    "cabinet": noop("Cabinet"),
    "maker": noop("Maker"),
    "model": noop("Model"),
    "serial": noop("Serial number"),
    "registration_number": noop("Registration number"),
    "udi_di": noop("UDI-DI"),
    "manufactured_on": noop("Date of manufacture"),
    "end_of_life_on": noop("End of service life"),
    "keeper": noop("Keeper"),
    "audience": noop("Who may see it"),
    "state": noop("State"),
    "last_checked_on": noop("Last checked"),
    "pads_expire_on": noop("Pads expire on"),
    "child_pads_expire_on": noop("Child pads expire on"),
    "battery_expires_on": noop("Battery expires on"),
    "cartridge_expires_on": noop("Combined cartridge expires on"),
}


def items_of(session: Session, viewer: Viewer, estate: Estate) -> list[QueueItem]:
    """Return what waits, the oldest first. Raises NotSignedIn, NotAllowed."""
    found = [_of_report(each) for each in queries.open_reports(session, viewer, estate)]
    residents = open_residence_requests(session, viewer, estate, limit=MAX_ITEMS)
    found += [_of_resident(request, person) for request, person in residents]
    zone = ZoneInfo(queries.time_zone_of_estate(estate))
    waiting = waiting_approvals(session, viewer, DeviceFilter(estate_id=estate.id), limit=MAX_ITEMS)
    names = names_of_people(session, [each.check.by_id for each in waiting])
    found += [_of_approval(each, names, zone) for each in waiting if each.check.by_id != viewer.person_id]
    for review in reviews.open_reviews_of_estate(session, estate, limit=MAX_ITEMS):
        found.append(_of_review(review, may_decide=_may_decide(session, viewer, review)))
    return sorted(found, key=lambda each: (each.at, each.value))


def decided_items(session: Session, viewer: Viewer, estate: Estate, *, at: datetime) -> list[QueueItem]:
    """Return what the viewer decided lately about lists, each with the other answer, which undoes it."""
    found = reviews.reviews_decided_by(session, viewer.name, estate, since=at - UNDO_FOR, limit=MAX_ITEMS)
    items = []
    for review in found:
        item = _of_review(review, may_decide=_may_decide(session, viewer, review))
        others = tuple(each for each in item.answers if each[0] != review.decision)
        items.append(replace(item, answers=others))
    return [each for each in items if each.answers]


def _may_decide(session: Session, viewer: Viewer, review: Review) -> bool:
    try:
        require_decider(session, viewer, review)
    except NotAllowed:
        return False
    return True


def _of_report(report: FaultReport) -> QueueItem:
    return QueueItem(
        value=f"report-{report.id}",
        kind=FAULTS.get(report.kind, OTHER_FAULT),
        at=report.at,
        device_id=report.device_id,
        code=short_number(report.device_id),
        note=report.note or "",
        answers=REPORT_ANSWERS,
    )


def _of_approval(approval: CheckApproval, names: Mapping[int, str], zone: ZoneInfo) -> QueueItem:
    check, code = approval.check, short_number(approval.device_id)
    until = approval.due_at.astimezone(zone).date().isoformat()
    checked_by = names.get(check.by_id, "") if check.by_id is not None else ""
    return QueueItem(
        value=f"approval-{check.id}",
        kind=APPROVAL,
        at=check.answered_at,
        device_id=approval.device_id,
        code=code,
        note=check.note or "",
        names=(*(((CHECKED_BY, checked_by),) if checked_by else ()), (APPROVE_UNTIL, until)),
        page=f"/d/{code}/checks",
    )


def _of_resident(request: ResidenceRequest, person: Person) -> QueueItem:
    return QueueItem(
        value=f"resident-{request.id}",
        kind=RESIDENT,
        at=request.asked_at,
        title=person.name,
        note=mask_phone(person.phone or ""),
        answers=RESIDENT_ANSWERS,
    )


def _of_review(review: Review, *, may_decide: bool) -> QueueItem:
    record: Mapping[str, Any] = review.evidence.get("record", {})
    names: list[tuple[str, str]] = []
    if review.kind is ReviewKind.CONFLICT:
        names = [
            (ATTRIBUTES.get(review.attribute, METRES), ""),
            (REGISTERED, _in_words(review.evidence["present"]["value"])),
            (OFFERED, f"{_in_words(review.evidence['offered']['value'])} ({review.source})"),
        ]
    elif "lat" in record:
        names = [(METRES, f"{float(record['lat']):.5f}, {float(record['lon']):.5f}")]
    return QueueItem(
        value=f"review-{review.id}",
        kind=REVIEWS[review.kind],
        at=review.opened_at,
        device_id=review.device_id,
        code=short_number(review.device_id) if review.device_id is not None else "",
        title=str(record.get("place_zh") or record.get("place_en") or ""),
        names=tuple(names),
        answers=REVIEW_ANSWERS[review.kind] if may_decide else (),
    )


def _in_words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(str(each) for name, each in value.items() if each is not None and name != "phone")
    if isinstance(value, list):
        return ", ".join(str(each) for each in value if each is not None)
    return "?" if value is None else str(value)


def answer_item(
    session: Session,
    who: Viewer,
    estate: Estate,
    item: str,
    answer: str,
    *,
    thresholds: Thresholds,
    at: datetime,
) -> None:
    """Give an answer to something that waits, by the action of its own page; a second time changes nothing.

    Raises InvalidInput for an answer that is not offered, NotFound for what is not of this estate, and what
    the actions raise.
    """
    kind, _, number = item.partition("-")
    if kind not in _ANSWERS or not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise InvalidInput(BAD_ANSWER, field="item")
    _ANSWERS[kind](session, who, estate, int(number), answer, thresholds, at)


def _require_offered(answers: Sequence[tuple[str, str]], answer: str) -> None:
    if answer not in dict(answers):
        raise InvalidInput(BAD_ANSWER, field="answer")


def _answer_report(
    session: Session, who: Viewer, estate: Estate, id_: int, answer: str, _: Thresholds, at: datetime
) -> None:
    _require_offered(REPORT_ANSWERS, answer)
    found, state = fault_report(session, who, id_), FaultReportState(answer)
    queries.device_of_estate(session, who, estate, found.device_id)
    if found.state is not state:
        close_report(session, who, id_, state=state, at=at)


def _answer_resident(
    session: Session, who: Viewer, estate: Estate, id_: int, answer: str, _: Thresholds, at: datetime
) -> None:
    _require_offered(RESIDENT_ANSWERS, answer)
    decide_residence(session, who, estate, id_, is_resident=answer == "yes", at=at)


def _answer_review(
    session: Session, who: Viewer, estate: Estate, id_: int, answer: str, thresholds: Thresholds, at: datetime
) -> None:
    """Decide a review about the estate.

    visibility: of a review about a device of the estate, or about a place in it.
    """
    review = reviews.review(session, id_)
    if review.kind not in REVIEW_ANSWERS:
        raise NotFound("The estate has no such question.", field="item")
    _require_offered(REVIEW_ANSWERS[review.kind], answer)
    if review.device_id is not None:
        queries.device_of_estate(session, who, estate, review.device_id)
    elif reviews.estate_of_review(session, review) is not estate:
        raise NotFound("The estate has no such question.", field="item")
    decide(session, who, id_, Decision(answer), thresholds=thresholds, at=at)


type _Answer = Callable[[Session, Viewer, Estate, int, str, Thresholds, datetime], None]
_ANSWERS: Final[Mapping[str, _Answer]] = {
    "report": _answer_report,
    "resident": _answer_resident,
    "review": _answer_review,
}
