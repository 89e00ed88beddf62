"""What people do in an afternoon: routine visits, responses to reminders, and incidents with devices."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any, Final
from uuid import UUID

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.viewers import viewer_of_person
from aed.registry.devices.rules import ConsumableKind
from aed.upkeep.checks.actions import record_check
from aed.upkeep.checks.schemas import CheckIn, ReplacedIn
from aed.upkeep.faults.actions import report_device
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.recalls.actions import announce_recall
from aed.upkeep.recalls.schemas import RecallIn
from aed.upkeep.reminders.actions import answer
from aed.upkeep.reminders.message_lines import ReminderLine
from aed.upkeep.rules import CheckKind, DueKind, FaultKind, QuarantineReason, Question, ReminderAnswer
from tests import make
from tests.year.ledger import CHECK_DAYS
from tests.year.world import LIVES, Participant, World, moment

WAITS: Final = {"prompt": (3, 21), "slow": (15, 80)}
"""Days from ordering a part to installing it, by diligence."""
SOON: Final = timedelta(days=45)
"""Parts that expire within this time are replaced during a visit for another reason."""
REPLACED_KINDS: Final = {
    DueKind.PADS: ConsumableKind.PADS,
    DueKind.CHILD_PADS: ConsumableKind.CHILD_PADS,
    DueKind.BATTERY: ConsumableKind.BATTERY,
}


@dataclass
class Visit:
    """A planned visit to a device and its tasks."""

    who: Participant
    kinds: set[ConsumableKind] = field(default_factory=set)
    is_service: bool = False


class People:
    """The plans and actions of all people."""

    def __init__(self, world: World) -> None:
        self.world, self.random, self.counts = world, Random(world.size.seed + 1), Counter[str]()
        self._plans: dict[date, dict[int, Visit]] = defaultdict(dict)
        self._planned: dict[tuple[int, DueKind], date] = {}
        self._late: dict[date, list[tuple[int, Participant, date, dict[str, Any]]]] = defaultdict(list)
        self._viewers: dict[int, Viewer] = {}
        self._numbers = iter(range(1, 10_000_000))
        days = world.size.days
        share = len(world.device_ids) * days / 365
        self._befall = {
            "used": share * 0.012 / days,
            "missing": share * 0.008 / days,
            "fault": share * 0.02 / days,
            "failed fetches": share * 0.004 / days,
        }

    # --- in the morning ---------------------------------------------------------------------------------

    def read(
        self, session: Session, person_id: int, key: str, lines: list[ReminderLine], today: date
    ) -> None:
        """Read a message, plan the visits it asks for, and sometimes answer with a tap."""
        who = self.world.participants[person_id]
        if who.diligence == "gone":
            if self.random.random() < 0.05:
                self._answer(session, key, self.random.choice(lines), ReminderAnswer.NOT_ME, today)
            return
        for each in lines:
            is_new = self._planned.get((each.device_id, each.due_kind), date.min) < today
            if is_new and self.random.random() < (0.9 if who.diligence == "prompt" else 0.5):
                self._plan(who, each.device_id, each.due_kind, today)
            if self.random.random() < 0.03:
                self._answer(
                    session, key, each, self.random.choice((ReminderAnswer.LATER, ReminderAnswer.DONE)), today
                )

    def _answer(
        self, session: Session, key: str, line: ReminderLine, given: ReminderAnswer, today: date
    ) -> None:
        answer(session, key, reminder_id=line.reminder_id, given=given, at=moment(today, 9))
        self.counts[f"answered {given}"] += 1

    def _plan(self, who: Participant, device_id: int, due_kind: DueKind, today: date) -> None:
        if due_kind in REPLACED_KINDS:
            wait = self.random.randint(*WAITS[who.diligence])
        else:
            wait = self.random.randint(0, 4) if who.diligence == "prompt" else self.random.randint(2, 12)
        on = today + timedelta(days=wait)
        self._planned[device_id, due_kind] = on
        visit = self._plans[on].setdefault(device_id, Visit(who))
        if due_kind in REPLACED_KINDS:
            visit.kinds.add(REPLACED_KINDS[due_kind])
        visit.is_service |= due_kind is DueKind.SERVICE

    # --- in the afternoon -------------------------------------------------------------------------------

    def act(self, session: Session, today: date) -> None:
        """Perform all events of this afternoon."""
        for device_id, who, day, sent in self._late.pop(today, []):
            self._arrives(session, device_id, who, day, sent, today)
        for device_id, visit in self._plans.pop(today, {}).items():
            self._visit(session, device_id, visit, today)
        self._routine(session, today)
        for what, a_day in self._befall.items():
            for _ in range(int(a_day) + (self.random.random() < a_day % 1)):
                self._happens(session, what, self.random.choice(self.world.device_ids), today)
        if today == self.world.size.first_day + timedelta(days=self.world.size.days * 2 // 5):
            self._recall(session, today)

    def _routine(self, session: Session, today: date) -> None:
        """Let prompt people check devices some days before the check is due, without a reminder."""
        number = today.toordinal() % (CHECK_DAYS - 12)
        for at, house in enumerate(self.world.houses):
            if house.keeper.diligence == "prompt" and at % (CHECK_DAYS - 12) == number:
                for device_id in house.device_ids:
                    if self.random.random() < 0.85:
                        self._visit(session, device_id, Visit(house.keeper), today)

    def _visit(self, session: Session, device_id: int, visit: Visit, today: date) -> None:
        """Check the device on site: replace parts that are due and report faults."""
        ledger = self.world.ledger
        if not self.world.touch(device_id, today):
            return
        reasons = ledger.reasons(device_id)
        kinds = set(visit.kinds)
        if kinds:
            kinds |= {kind for kind in LIVES if ledger.expires_on(device_id, kind) <= today + SOON}
        if QuarantineReason.USED in reasons:
            kinds |= {ConsumableKind.PADS}
        new = {kind: today + timedelta(days=LIVES[kind] - self.random.randrange(60)) for kind in kinds}
        expires = {kind: new.get(kind) or ledger.expires_on(device_id, kind) for kind in LIVES}
        pads = min(expires[ConsumableKind.PADS], expires[ConsumableKind.CHILD_PADS])
        answers = {
            Question.STATUS_LIGHT: self.random.random() > 0.002,
            Question.PADS_IN_DATE: pads >= today,
            Question.BATTERY_IN_DATE: expires[ConsumableKind.BATTERY] >= today,
            Question.SEAL: self.random.random() > 0.01,
            Question.ACCESS_AS_DESCRIBED: True,
        }
        sent: dict[str, Any] = {
            "key": str(UUID(int=next(self._numbers))),
            "kind": CheckKind.SERVICE if visit.is_service else CheckKind.CHECK,
            "answers": answers,
            "replaced": [ReplacedIn(kind=kind, expires_on=day) for kind, day in sorted(new.items())],
            "recall_is_done": QuarantineReason.RECALL in reasons,
        }
        well = answers[Question.STATUS_LIGHT] and answers[Question.PADS_IN_DATE]
        well &= answers[Question.BATTERY_IN_DATE]
        if well and not kinds and not reasons and not visit.is_service and self.random.random() < 0.03:
            arrives = today + timedelta(days=self.random.randrange(1, 9))
            self._late[arrives].append((device_id, visit.who, today, sent))  # in a basement without network
            return
        self._take(session, visit.who, device_id, sent, today)
        story = ledger.stories[device_id]
        story.checks.append((today, today))
        if visit.is_service:
            story.services.append(today)
            self.counts["services"] += 1
        for kind, day in new.items():
            ledger.fit(device_id, kind, day, on=today)
            self.counts["replacements"] += 1
        if well:
            for reason in reasons:
                ledger.end(device_id, reason, on=today)
        else:
            ledger.begin(device_id, QuarantineReason.FAILED_CHECK, on=today)

    def _arrives(
        self, session: Session, device_id: int, who: Participant, day: date, sent: dict[str, Any], today: date
    ) -> None:
        """Send a check that waited on a phone; it doesn't undo later events."""
        self.world.touched[today].add(device_id)
        self._take(session, who, device_id, {**sent, "answered_at": moment(day, 15)}, today)
        self.world.ledger.stories[device_id].checks.append((day, today))
        self.counts["checks that arrived late"] += 1

    def _take(
        self, session: Session, who: Participant, device_id: int, sent: dict[str, Any], today: date
    ) -> None:
        new = CheckIn.model_validate(sent)
        record_check(session, self._viewer(session, who), device_id, new, at=moment(today, 15.5))
        self.counts["checks"] += 1
        if self.random.random() < 0.01:  # the phone got no response and sends it again
            again = record_check(session, self._viewer(session, who), device_id, new, at=moment(today, 15.6))
            assert not again.is_new

    # --- events of devices ------------------------------------------------------------------------------

    def _happens(self, session: Session, what: str, device_id: int, today: date) -> None:
        """Apply an event to a device that is in place and had no other event today."""
        ledger = self.world.ledger
        if ledger.reasons(device_id) or not self.world.touch(device_id, today):
            return
        self.counts[what] += 1
        house, office = self.world.house_of[device_id], self.world.office
        match what:
            case "used":
                self._report(session, device_id, FaultKind.USED, today)
                ledger.begin(device_id, QuarantineReason.USED, on=today)
            case "failed fetches":
                self._report(session, device_id, FaultKind.NOT_FETCHED, today)
                self._report(session, device_id, FaultKind.NOT_FETCHED, today)
                ledger.begin(device_id, QuarantineReason.FAILED_FETCHES, on=today)
            case "missing":
                sent = {"key": str(UUID(int=next(self._numbers))), "is_there": False}
                self._take(session, house.manager or office, device_id, sent, today)
                ledger.stories[device_id].checks.append((today, today))
                ledger.begin(device_id, QuarantineReason.MISSING, on=today)
            case "fault":
                sent = {
                    "key": str(UUID(int=next(self._numbers))),
                    "kind": CheckKind.GLANCE,
                    "answers": {Question.STATUS_LIGHT: False},
                }
                self._take(session, house.keeper, device_id, sent, today)
                ledger.begin(device_id, QuarantineReason.FAILED_CHECK, on=today)

    def _report(self, session: Session, device_id: int, kind: FaultKind, today: date) -> None:
        who = self._viewer(session, self.world.office)
        report_device(session, who, device_id, ReportIn(kind=kind), from_key=None, at=moment(today, 15.5))

    def _recall(self, session: Session, today: date) -> None:
        """Recall a range of one maker's model: entered once."""
        new = RecallIn.model_validate(
            {
                "maker": "Heartline",
                "model": "H1",
                "serial_from": "S20000",
                "serial_to": "S24999",
                "reference": "HL-1",
                "text_en": "The capacitor may fail.",
                "text_zh": "电容可能失效。",
                "announced_on": today.isoformat(),
            }
        )
        announce_recall(session, make.ADMINISTRATOR, new, at=moment(today, 16))
        for device_id, story in self.world.ledger.stories.items():
            maker, model, serial = story.make
            if (maker, model) == ("Heartline", "H1") and 20_000 <= int(serial[1:]) <= 24_999:
                self.world.ledger.begin(device_id, QuarantineReason.RECALL, on=today)
                self.world.touched[today].add(device_id)
                self.counts["recalled"] += 1

    def _viewer(self, session: Session, who: Participant) -> Viewer:
        if who.id not in self._viewers:
            self._viewers[who.id] = viewer_of_person(session, who.id)
        return self._viewers[who.id]
