"""Consents to subscribe messages in WeChat, each good for one message."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, func, select, text, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.database.session import SETTINGS
from aed.database.types import UtcDateTime
from aed.errors import NotFound
from aed.notifications.endpoints import add_own_account, own_person_id
from aed.notifications.models import EndpointRow, OutboxMessage, WechatConsent
from aed.notifications.rules import Channel, ConsentsLeft, MessageTopic
from aed.settings.platforms import Wechat


def _wechat(session: Session) -> Wechat:
    found: Wechat = session.info[SETTINGS].wechat
    return found


def template_of(session: Session, topic: MessageTopic) -> str | None:
    """Return the id of the template for messages of a topic; None if there is none."""
    template = _wechat(session).templates.get(topic.value)
    return template.id if template is not None else None


def permitted(
    session: Session, endpoints: Sequence[EndpointRow], topic: MessageTopic, at: datetime
) -> list[EndpointRow]:
    """Return the endpoints that may be sent a message; each in WeChat takes one consent."""
    wechat_ids = [each.id for each in endpoints if each.channel is Channel.WECHAT]
    taken = take_consents(session, wechat_ids, template_of(session, topic), at) if wechat_ids else set()
    return [each for each in endpoints if each.channel is not Channel.WECHAT or each.id in taken]


def take_consents(
    session: Session, endpoint_ids: Collection[int], template_id: str | None, at: datetime
) -> set[int]:
    """Take one consent of each endpoint; return the endpoints that had one.

    Of two transactions that take the same consent, the second waits, and then takes none.
    visibility: for messages to these people.
    """
    if template_id is None:
        return set()
    oldest = (
        select(func.min(WechatConsent.id))
        .where(
            WechatConsent.endpoint_id.in_(endpoint_ids),
            WechatConsent.template_id == template_id,
            WechatConsent.used_at.is_(None),
        )
        .group_by(WechatConsent.endpoint_id)
    )
    taken = session.scalars(
        update(WechatConsent)
        .where(WechatConsent.id.in_(oldest), WechatConsent.used_at.is_(None))
        .values(used_at=at)
        .returning(WechatConsent.endpoint_id),
        execution_options={"synchronize_session": False},
    )
    return set(taken)


def return_consents(session: Session, message_ids: Collection[int]) -> None:
    """Make consents available again for as many of these messages as were given up in WeChat.

    Should WeChat have counted one all the same, it refuses the next message, which then goes to the phone.
    visibility: for messages to these people.
    """
    given_up = session.execute(
        select(OutboxMessage.endpoint_id, OutboxMessage.body, func.count())
        .where(
            OutboxMessage.id.in_(message_ids),
            OutboxMessage.channel == Channel.WECHAT,
            OutboxMessage.given_up_at.is_not(None),
        )
        .group_by(OutboxMessage.endpoint_id, OutboxMessage.body)
    ).all()
    for endpoint_id, template_id, number in given_up:
        last = (
            select(WechatConsent.id)
            .where(
                WechatConsent.endpoint_id == endpoint_id,
                WechatConsent.template_id == template_id,
                WechatConsent.used_at.is_not(None),
            )
            .order_by(WechatConsent.id.desc())
            .limit(number)
        )
        session.execute(
            update(WechatConsent).where(WechatConsent.id.in_(last)).values(used_at=None),
            execution_options={"synchronize_session": False},
        )


def drop_consents(session: Session, endpoint_id: int, *, template_id: str) -> None:
    """Forget the unused consents of an endpoint: WeChat says that there are none."""
    session.execute(
        delete(WechatConsent).where(
            WechatConsent.endpoint_id == endpoint_id,
            WechatConsent.template_id == template_id,
            WechatConsent.used_at.is_(None),
        ),
        execution_options={"synchronize_session": False},
    )


def give_consents(
    session: Session, who: Viewer, template_ids: Collection[str], *, key: str, at: datetime
) -> list[ConsentsLeft]:
    """Count a consent of the person for each template; the same key again counts nothing.

    Raises NotSignedIn, NotAllowed, NotFound for a template that is not configured, Conflict for a person who
    has not signed in from the mini program.
    """
    own_person_id(who)
    known = {each.id for each in _wechat(session).templates.values()}
    for template_id in template_ids:
        if template_id not in known:
            raise NotFound("There is no template {template_id}.", field="accepted", template_id=template_id)
    endpoint = add_own_account(session, who, Channel.WECHAT, f"wechat:{_wechat(session).app_id}", at=at)
    for template_id in sorted(set(template_ids)):
        session.execute(
            _GIVE,
            {"endpoint": endpoint.id, "template": template_id, "key": key, "at": at},
        )
    return consents_left(session, who)


_GIVE: Final = text(
    "INSERT INTO wechat_consents (endpoint_id, template_id, key, given_at) "
    "VALUES (:endpoint, :template, :key, :at) ON CONFLICT (endpoint_id, template_id, key) DO NOTHING"
).bindparams(bindparam("at", type_=UtcDateTime))


def consents_left(session: Session, who: Viewer) -> list[ConsentsLeft]:
    """Return the templates of the mini program, and how many messages of each the person still allows.

    visibility: the person's own.
    """
    person_id = own_person_id(who)
    rows = session.execute(
        select(WechatConsent.template_id, func.count())
        .join(EndpointRow, EndpointRow.id == WechatConsent.endpoint_id)
        .where(
            EndpointRow.person_id == person_id,
            EndpointRow.closed_at.is_(None),
            WechatConsent.used_at.is_(None),
        )
        .group_by(WechatConsent.template_id)
    )
    counted: dict[str, int] = {template_id: count for template_id, count in rows}  # noqa: C416 - typed
    return [
        ConsentsLeft(MessageTopic(topic), template.id, counted.get(template.id, 0))
        for topic, template in sorted(_wechat(session).templates.items())
    ]
