"""Remind those who pay for uses of shared devices."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.role_grants import managers_of
from aed.database.locks import exclusive_lock
from aed.notifications.outbox import Notice, notify_person
from aed.sharing.agreements.queries import estate_row
from aed.sharing.costs.queries import open_cases
from aed.sharing.models import Agreement, AgreementParty, CostCase
from aed.sharing.regional_rules.queries import rules_of_version
from aed.sharing.rules import MINOR_UNITS, Payer, due_cost_reminder
from aed.sharing.shares.queries import time_zone_of

PAYER_WORDS: Final[Mapping[Payer, tuple[str, str]]] = {
    Payer.PARTY_COMMITTEE: ("the party committee", "社区党委"),
    Payer.OWNERS_COMMITTEE: ("the owners' committee", "业主委员会"),
    Payer.SERVICE_CENTRE: ("the service centre", "园区服务中心"),
    Payer.GOVERNMENT: ("the government", "政府"),
    Payer.DONOR: ("the donor", "捐赠方"),
    Payer.INSURER: ("the insurer", "保险公司"),
}
"""In English and Chinese."""


def remind_of_costs(session: Session, *, at: datetime) -> int:
    """Remind of unpaid cost cases until they are settled.

    By default at once, after 14, 30 and 60 days, then every 30 days.

    The payer's representative and the estate's managers are notified. Returns the number of people notified.
    visibility: to the payers themselves.
    """
    exclusive_lock(session, "cost cases")
    notified = 0
    for case, agreement in open_cases(session):
        zone = ZoneInfo(time_zone_of(session, agreement.estate_id))
        days = (at.astimezone(zone).date() - case.used_at.astimezone(zone).date()).days
        threshold = due_cost_reminder(
            days, reminded=case.reminded_days, rules=rules_of_version(session, agreement.rules_version)
        )
        if threshold is None:
            continue
        notice = _notice(session, case, agreement, zone)
        for person_id in _payers(session, case, agreement):
            notified += len(notify_person(session, person_id, notice, at)) > 0
        case.reminded_days = threshold
    session.flush()
    return notified


def _payers(session: Session, case: CostCase, agreement: Agreement) -> list[int]:
    """Return who is reminded: the representative of the party that pays, if it is a party, and the managers.

    visibility: they get a message.
    """
    representative = session.scalar(
        select(AgreementParty.representative_id).where(
            AgreementParty.agreement_id == agreement.id, AgreementParty.role == str(case.payer)
        )
    )
    people = {*managers_of(session, agreement.estate_id)}
    return sorted(people | {representative} if representative is not None else people)


def _notice(session: Session, case: CostCase, agreement: Agreement, zone: ZoneInfo) -> Notice:
    estate = estate_row(session, agreement.estate_id)
    assert estate is not None
    day = f"{case.used_at.astimezone(zone):%Y-%m-%d}"
    en, zh = "as billed", "按账单"
    if case.amount_minor is not None:
        yuan = f"{case.amount_minor / MINOR_UNITS:,.2f}"
        en, zh = f"{yuan} yuan", f"{yuan}元"
    return Notice(
        text_en=f"Cost of a use: AED {case.device_id} of {estate.name_en} was used on {day}. By agreement "
        f"{agreement.id} the payer is {PAYER_WORDS[case.payer][0]}: {en}. Neither the rescuer nor the "
        f"patient's family pays. Case {case.id} stays open until it is paid or waived.",
        text_zh=f"使用费用：{estate.name_zh}的AED（编号{case.device_id}）于{day}使用。按共享协议{agreement.id}由"
        f"{PAYER_WORDS[case.payer][1]}承担：{zh}。救助人和患者家属不付费。费用单{case.id}付清或免除后结案。",
        subject_en="Cost of a use of an AED",
        subject_zh="AED使用费用",
    )
