"""Recording checks and their photos, and maintaining check policies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy.orm import Session

from aed.accounts.free_text import MAX_REASON_CHARACTERS, quote
from aed.accounts.permissions import Viewer, require_estate_manager
from aed.database.idempotency import content_digest, require_same_content
from aed.database.types import require_version
from aed.errors import Conflict, InvalidInput, NotFound
from aed.hours.dates import months_after
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation, require_not_null
from aed.registry.devices.corrections import amend_from_check, doubt_access, local_day, replace_consumable
from aed.registry.devices.models import Device
from aed.registry.devices.rules import ConsumableKind, DeviceState, replaced_by
from aed.registry.devices.schemas import ConsumableIn, DeviceAmend
from aed.registry.estates import queries as estate_queries
from aed.upkeep.checks import queries
from aed.upkeep.checks.approvals import ask_for_approval, close_reports, mark_as_checked, overtake_approvals
from aed.upkeep.checks.keepers import device_to_check
from aed.upkeep.checks.photo import Picture
from aed.upkeep.checks.queries import policy_for, terms_of
from aed.upkeep.checks.rules import PROBLEMS, Answered, Terms, check_moment, consequences
from aed.upkeep.checks.schemas import CheckIn, PolicyAmend, PolicyIn, ReplacedIn
from aed.upkeep.confirmations.actions import record_confirmations
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults.queries import active_quarantines, open_reports, pads_are_new_since
from aed.upkeep.messages import notify_keepers
from aed.upkeep.models import Check, Photo, PlacePhoto, Policy
from aed.upkeep.permissions import require_policy_editor
from aed.upkeep.retrievals.actions import close_by_check
from aed.upkeep.rules import (
    CheckKind,
    FaultKind,
    FaultReportState,
    PolicyState,
    QuarantineReason,
    Question,
    confirmed_by_check,
)
from aed.upkeep.spares.actions import take_for_check


@dataclass(frozen=True, slots=True)
class RecordedCheck:
    """A recorded check and its device; `is_new` is false if the same check had been sent before."""

    check: Check
    device: Device
    is_new: bool


def record_check(
    session: Session, who: Viewer, device_id: int, new: CheckIn, *, at: datetime
) -> RecordedCheck:
    """Record a check and apply its consequences.

    1. Return the stored check if the same one was sent before under its key.
    2. Write replaced consumables and a changed position into the register.
    3. Begin the quarantines that follow from the answers, and lift those that the check resolves (see
       `rules.consequences`).
    4. Close the fault reports made before the check was answered.
    5. Store the facts that it confirms, and close earlier open retrievals of the device.
    6. Take what was fitted from the estate's spare stock.
    7. If the policy asks for a second person, a check that passed waits for their approval: it lifts no
       quarantine, closes no report, and the device does not count as checked (see `approvals`). A check that
       failed counts at once.
    8. If a later check was answered already, store this one as late and apply only replacements that no
       later check has superseded.

    Raises Conflict if another check was sent under the same key, if the device is withdrawn, or if two
    copies arrive at once; InvalidInput for an implausible `answered_at` or consumable; NotFound, NotSignedIn
    or NotAllowed if the viewer may not check the device.
    """
    device = device_to_check(session, who, device_id, new.kind, for_update=True)
    # `answered_at` may differ when the check is resent; checks of the release before had no readings
    left_out = {"answered_at"} if new.readings is not None else {"answered_at", "readings"}
    content = new.model_dump_json(exclude=left_out)
    digest = content_digest(f"{device_id} {content}")
    known = queries.check_by_key(session, str(new.key))
    if known is not None:
        require_same_content(known.digest, digest, "check")
        return RecordedCheck(known, device, is_new=False)
    answered_at = new.answered_at or at
    check_moment(answered_at, now=at)
    if device.state is DeviceState.WITHDRAWN:
        raise Conflict("This device has been withdrawn from the register.", field="device_id")
    policy = policy_for(session, device)
    terms = terms_of(policy)
    fitted = _fitted(new.replaced, terms, day=local_day(device, answered_at))
    later = queries.later_checks(session, device.id, answered_at=answered_at)
    active = [each for each in active_quarantines(session, device.id) if each.since <= answered_at]
    used = next((each for each in active if each.reason is QuarantineReason.USED), None)
    follows = consequences(
        Answered(
            kind=new.kind,
            answered_at=answered_at,
            is_there=new.is_there,
            was_used=new.was_used,
            answers=new.answers,
            replaced=frozenset(each.kind for each in fitted),
            recall_is_done=new.recall_is_done,
            has_had_new_pads=used is not None and pads_are_new_since(session, device.id, used.since),
        ),
        active_reasons={each.reason for each in active},
    )
    check = Check(
        key=str(new.key),
        digest=digest,
        device_id=device.id,
        kind=new.kind,
        policy_id=policy.id if policy is not None else None,
        policy_version=policy.version if policy is not None else None,
        answered_at=answered_at,
        received_at=at,
        by_id=who.person_id,
        by_name=who.name,
        is_there=new.is_there,
        was_used=new.was_used,
        answers={str(question): is_well for question, is_well in new.answers.items()},
        replaced=_replaced(device, fitted),
        note=new.note,
        readings=new.readings.model_dump(exclude_none=True) if new.readings is not None else {},
        is_passed=follows.is_passed,
        is_late=bool(later),
    )
    session.add(check)
    flush_or_conflict(session, "This check arrived twice at the same time. Send it again.", "key")
    overtaken = {
        kind for each in later for name in each.replaced for kind in replaced_by(ConsumableKind(name))
    }
    for each in fitted:
        if each.kind not in overtaken:
            replace_consumable(session, who, device, each, at=at)
    take_for_check(session, who, device, check, fitted, at=at)
    waits = follows.is_passed and not later and terms.approval_days is not None
    if not later:
        if new.kind is not CheckKind.GLANCE:
            overtake_approvals(session, device, check, at=at)
        if terms.approval_days is not None and waits:
            due_at = at + timedelta(days=terms.approval_days)
            ask_for_approval(session, check, follows.lifts, due_at=due_at)
        _move(session, who, device, new, at=at)
        if check.is_passed and not waits:
            mark_as_checked(session, who, device, check, at=at)
        fault_actions.begin_quarantines(
            session, who, device, follows.quarantines, at=at, since=answered_at, note=new.note, check=check
        )
        lifts = frozenset[QuarantineReason]() if waits else follows.lifts
        fault_actions.lift_quarantines(session, who, device, lifts, check=check, at=at)
        _notify_of_check(session, who, device, follows.to_notify_about, new.note, at=at)
        confirmed = confirmed_by_check(
            new.kind, is_there=new.is_there, is_passed=follows.is_passed and not waits, answers=new.answers
        )
        record_confirmations(session, who, device, confirmed, at=min(answered_at, at))
        if new.answers.get(Question.ACCESS_AS_DESCRIBED) is False:
            doubt_access(session, who, device, at=min(answered_at, at))
        if new.kind is not CheckKind.GLANCE:
            close_by_check(session, who, device, check, at=at)
    if new.is_there and new.kind is not CheckKind.GLANCE:
        if not waits:
            close_reports(session, who, check, at=at)
    elif not new.is_there:
        for report in open_reports(session, device.id, until=answered_at):
            if report.kind is FaultKind.MISSING:
                report.state, report.closed_at, report.closed_by = FaultReportState.CONFIRMED, at, who.name
    session.flush()
    return RecordedCheck(check, device, is_new=True)


def _fitted(replaced: Sequence[ReplacedIn], terms: Terms, *, day: date) -> list[ConsumableIn]:
    """Return the replaced consumables with their expiry dates.

    A consumable without a date lasts as long as the policy says, counted from `day`. Raises InvalidInput for
    one that has expired, and for one without a date if the policy sets no lifetime.
    """
    lives = {ConsumableKind.BATTERY: terms.battery_months}
    fitted = []
    for each in replaced:
        expires_on, months = each.expires_on, lives.get(each.kind, terms.pads_months)
        if expires_on is None and months is not None:
            expires_on = months_after(day, months)
        if expires_on is None:
            raise InvalidInput(
                "Give expires_on for the new {kind}: the device's policy does not say how long it lasts.",
                field="replaced",
                kind=each.kind,
            )
        if expires_on < day:
            raise InvalidInput(
                "The new {kind} expired on {expires_on}: check the date, or fit another.",
                field="replaced",
                kind=each.kind,
                expires_on=expires_on,
            )
        fitted.append(ConsumableIn(kind=each.kind, lot=each.lot, expires_on=expires_on))
    return fitted


def _replaced(device: Device, fitted: Sequence[ConsumableIn]) -> dict[str, Any]:
    """Return each replaced consumable with its lot and expiry before and after, for `Check.replaced`."""
    before = {item.kind: item for item in reversed(device.consumables)}  # keep the first to expire
    kept: dict[str, Any] = {}
    for each in fitted:
        old = before.get(each.kind)
        kept[str(each.kind)] = {
            "lot": each.lot,
            "expires_on": each.expires_on.isoformat(),
            "lot_before": old.lot if old is not None else None,
            "expires_on_before": old.expires_on.isoformat() if old is not None else None,
        }
    return kept


def _move(session: Session, who: Viewer, device: Device, new: CheckIn, *, at: datetime) -> None:
    """Write the position at which the check found the device into the register."""
    if new.moved is not None:
        found = DeviceAmend(**new.moved.model_dump(exclude_unset=True))
        if found.model_fields_set:
            amend_from_check(session, who, device, found, at=at)


def _notify_of_check(
    session: Session,
    who: Viewer,
    device: Device,
    wrong: Sequence[Question],
    note: str | None,
    *,
    at: datetime,
) -> None:
    """Notify the device's keepers of problems that do not quarantine it."""
    if not wrong:
        return
    words = [PROBLEMS[question] for question in wrong]
    added = f" ({quote(note, limit=MAX_REASON_CHARACTERS)})" if note else ""
    notify_keepers(
        session,
        who,
        [device],
        en=f"needs attention: {', '.join(en for en, _ in words)}{added}.",
        zh=f"需处理：{'、'.join(zh for _, zh in words)}{added}。",
        at=at,
    )


MAX_PHOTOS_PER_CHECK: Final = 5


def add_photo(
    session: Session, who: Viewer, check_key: str, sent: bytes, picture: Picture, *, at: datetime
) -> Photo:
    """Store a photo of a check; return the existing photo if the same file was sent before.

    `picture` is the re-encoded image of the uploaded bytes `sent`. For viewers who may check the device and
    know the key of the check. Raises NotFound for an unknown key, and Conflict if the check has the maximum
    number of photos.
    """
    check = _check_to_show(session, who, check_key, for_update=True)
    digest = content_digest(sent)
    known = _photo_of_same_file(session, check, digest)
    if known is not None:
        return known
    photo = Photo(
        check_id=check.id,
        sent_sha256=digest,
        sha256=content_digest(picture.jpeg),
        width=picture.width,
        height=picture.height,
        jpeg=picture.jpeg,
        received_at=at,
    )
    session.add(photo)
    flush_or_conflict(session, "This photo arrived twice at the same time. Send it again.", "check")
    return photo


def choose_place_photo(
    session: Session, who: Viewer, device_id: int, photo_id: int | None, *, at: datetime
) -> None:
    """Choose the photo of a check that shows where the device hangs, to all who may see the device.

    None shows no photo. Raises NotFound for a photo of another device, and what `device_to_check` raises.

    visibility: for viewers who may check the device.
    """
    device = device_to_check(session, who, device_id, CheckKind.CHECK, for_update=True)
    row = session.get(PlacePhoto, device.id)
    if photo_id is None:
        if row is not None:
            session.delete(row)
            session.flush()
        return
    if not queries.is_photo_of(session, photo_id, device.id):
        raise NotFound(
            "Device {device} has no photo {photo}.", field="photo_id", device=device.id, photo=photo_id
        )
    if row is None:
        row = PlacePhoto(device_id=device.id)
        session.add(row)
    row.photo_id, row.chosen_at, row.chosen_by = photo_id, at, who.name
    flush_or_conflict(session, "Another photo was chosen at the same time. Try again.", "photo_id")


def require_photo(session: Session, who: Viewer, check_key: str, sent: bytes | None = None) -> None:
    """Raise what `add_photo` would raise, before the upload is read (`sent` is None) or decoded."""
    check = _check_to_show(session, who, check_key)
    if sent is not None:
        _photo_of_same_file(session, check, content_digest(sent))


def _check_to_show(session: Session, who: Viewer, check_key: str, *, for_update: bool = False) -> Check:
    """Return the check with that key.

    Raises NotFound, or NotSignedIn or NotAllowed if `who` may not check the device.
    """
    check = queries.check_by_key(session, check_key)
    if check is None:
        raise NotFound("No check was sent with this key: send the check first.", field="check")
    device_to_check(session, who, check.device_id, check.kind, for_update=for_update)
    return check


def _photo_of_same_file(session: Session, check: Check, digest: str) -> Photo | None:
    """Return the photo made from the same file, or None.

    Raises Conflict if there is none and the check has MAX_PHOTOS_PER_CHECK photos.
    """
    known = queries.photos_of(session, check.id)
    for each in known:
        if each.sent_sha256 == digest:
            return each
    if len(known) >= MAX_PHOTOS_PER_CHECK:
        raise Conflict(
            "A check can have at most {max_photos_per_check} photos.",
            field="check",
            max_photos_per_check=MAX_PHOTOS_PER_CHECK,
        )
    return None


def create_policy(session: Session, who: Viewer, new: PolicyIn, *, at: datetime) -> Policy:
    """Create a policy and put it in force.

    A manager may do so for their estate; any other policy needs an administrator. Raises Conflict if a
    policy for the same estate, maker and model is already in force.
    """
    _require_policy_editor_of(session, who, new.estate_id)
    policy = Policy(
        **new.model_dump(),
        scope=scope_key(new.estate_id, new.maker, new.model),
        state=PolicyState.IN_FORCE,
    )
    session.add(policy)
    flush_or_conflict(
        session,
        "A policy for the same estate, maker and model is already in force: amend or withdraw it first.",
        "model",
    )
    record_creation(session, who, policy, at=at)
    return policy


def amend_policy(
    session: Session, who: Viewer, policy_id: int, change: PolicyAmend, *, version: int, at: datetime
) -> Policy:
    """Amend the given fields of a policy. Raises Conflict if `version` is not the current one."""
    policy = queries.policy(session, who, policy_id)
    _require_policy_editor_of(session, who, policy.estate_id)
    require_version(policy, version)
    require_not_null(policy, change, change.model_fields_set)
    for name in change.model_fields_set:
        setattr(policy, name, getattr(change, name))
    record_amendment(session, who, policy, at=at)
    flush_or_conflict(session, "The policy cannot be changed to these values.", None)
    return policy


def withdraw_policy(session: Session, who: Viewer, policy_id: int, *, version: int, at: datetime) -> Policy:
    """Withdraw a policy; the next wider policy, or the default, applies from then on."""
    policy = queries.policy(session, who, policy_id)
    _require_policy_editor_of(session, who, policy.estate_id)
    require_version(policy, version)
    policy.state = PolicyState.WITHDRAWN
    record_amendment(session, who, policy, at=at)
    flush_or_conflict(session, "The policy cannot be withdrawn.", None)
    return policy


def _require_policy_editor_of(session: Session, who: Viewer, estate_id: int | None) -> None:
    """Raise NotSignedIn, NotAllowed or NotFound if the viewer may not decide on policies of this estate."""
    region_id = None
    if estate_id is not None:
        if who.person_id is None:
            require_estate_manager(who, estate_id)  # before revealing whether the estate exists
        region_id = estate_queries.estate(session, who, estate_id).region_id
    require_policy_editor(who, estate_id, region_id)


def scope_key(estate_id: int | None, maker: str | None, model: str | None) -> str:
    """Return the estate, maker and model as one case-insensitive key, for `Policy.scope`."""
    return "|".join((str(estate_id or ""), (maker or "").casefold(), (model or "").casefold()))
