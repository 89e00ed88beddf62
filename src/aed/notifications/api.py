"""Routes of the outbox, of endpoints, and of push subscriptions of browsers."""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal

import orjson
from fastapi import APIRouter, Path, Query, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.http.parameters import Cursor, Limit, SettingsDep, cursor_id, next_cursor
from aed.notifications import consents, endpoints, queries
from aed.notifications.channels.web_push import public_key
from aed.notifications.claims import cancel_waiting, send_now
from aed.notifications.endpoints import EndpointInput
from aed.notifications.rules import Channel, OutboxState
from aed.notifications.schemas import (
    ConsentsIn,
    ConsentsLeftOut,
    EndpointIn,
    EndpointOut,
    EndpointsPage,
    OutboxMessageOut,
    OutboxPage,
    PushKeyOut,
    SubscriptionIn,
)
from aed.settings import Settings

router = APIRouter(tags=["notifications"])


MemberPlatform = Annotated[Literal["wecom", "dingtalk"], Path(examples=["wecom"])]
_MEMBER_CHANNELS: Final = {"wecom": Channel.WECOM_APP, "dingtalk": Channel.DINGTALK_APP}
MessageId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
EndpointName = Annotated[str, Path(max_length=64, pattern="^[a-z0-9][a-z0-9_.-]*$", examples=["gate-group"])]


@router.get("/outbox")
def list_outbox_messages(
    session: ReadSession,
    viewer: ViewerDep,
    state: Annotated[OutboxState | None, Query(description="Only messages in this state")] = None,
    channel: Annotated[Channel | None, Query(description="Only messages on this channel")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> OutboxPage:
    """List messages of the outbox, without their texts.

    Waiting, sent and dead messages, a page at a time. For network administrators.
    """
    found = queries.messages(
        session, viewer, state=state, channel=channel, limit=limit + 1, after_id=cursor_id(cursor)
    )
    waits = queries.waiting_reasons(session, found[:limit], at=clock.now())
    return OutboxPage(
        messages=[OutboxMessageOut.of(each, waits.get(each.id)) for each in found[:limit]],
        next=next_cursor(found, limit),
    )


@router.get("/outbox/{message_id}")
def get_outbox_message(session: ReadSession, viewer: ViewerDep, message_id: MessageId) -> OutboxMessageOut:
    """Get a message, without its text."""
    found = queries.message(session, viewer, message_id)
    return OutboxMessageOut.of(found, queries.waiting_reasons(session, [found], at=clock.now()).get(found.id))


@router.post("/outbox/{message_id}/resend")
def resend_message(session: WriteSession, viewer: ViewerDep, message_id: MessageId) -> OutboxMessageOut:
    """Resend a dead message, with the same idempotency key."""
    return OutboxMessageOut.of(send_now(session, viewer, message_id, at=clock.now()))


@router.post("/outbox/{message_id}/cancel")
def cancel_message(session: WriteSession, viewer: ViewerDep, message_id: MessageId) -> OutboxMessageOut:
    """Cancel a waiting message.

    It is not sent; messages behind it are.
    """
    return OutboxMessageOut.of(cancel_waiting(session, viewer, message_id, at=clock.now()))


# --- endpoints ------------------------------------------------------------------------------------------


@router.get("/endpoints")
def list_endpoints(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> EndpointsPage:
    """List endpoints, without their addresses.

    Endpoints are the bots, webhooks, mailboxes and browsers that receive messages.
    """
    found = queries.endpoints(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return EndpointsPage(
        endpoints=[EndpointOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.post("/endpoints", status_code=201)
def add_endpoint(
    session: WriteSession, viewer: ViewerDep, settings: SettingsDep, new: EndpointIn, response: Response
) -> EndpointOut:
    """Add an endpoint.

    Its address and its secret are never shown again.
    """
    given = EndpointInput(
        name=new.name,
        channel=new.channel,
        address=new.address.get_secret_value(),
        secret=new.secret.get_secret_value() if new.secret is not None else None,
        language=new.language,
        person_id=new.person_id,
    )
    row = endpoints.save_endpoint(
        session, viewer, given, at=clock.now(), is_private_allowed=settings.notify_allow_private
    )
    response.headers["Location"] = f"/v1/endpoints/{row.name}"
    return EndpointOut.of(row)


@router.get("/endpoints/{name}")
def get_endpoint(session: ReadSession, viewer: ViewerDep, name: EndpointName) -> EndpointOut:
    """Get an endpoint, without its address."""
    return EndpointOut.of(queries.open_endpoint(session, viewer, name))


@router.delete("/endpoints/{name}", status_code=204)
def remove_endpoint(session: WriteSession, viewer: ViewerDep, name: EndpointName) -> None:
    """Remove an endpoint, and delete its address.

    Nothing is sent to it any more.
    """
    endpoints.remove_endpoint(session, viewer, name, at=clock.now())


# --- browsers -------------------------------------------------------------------------------------------


@router.get("/push-key")
def get_push_key(settings: SettingsDep) -> PushKeyOut:
    """Get the public key with which browsers subscribe to push messages.

    Returns 404 if push messages are not configured.
    """
    if settings.web_push.private_key is None:
        raise NotFound("Push messages are not configured on this server.")
    return PushKeyOut(key=public_key(settings.web_push.private_key.get_secret_value()))


@router.put("/me/push", status_code=204)
def subscribe_to_push(
    session: WriteSession, viewer: ViewerDep, settings: SettingsDep, given: SubscriptionIn
) -> None:
    """Subscribe this browser to your messages.

    Subscribing again with the same endpoint changes nothing.
    """
    person_id = _person(viewer)
    endpoints.subscribe(
        session,
        viewer,
        _subscription(given.endpoint, person_id, given, settings),
        at=clock.now(),
        is_private_allowed=settings.notify_allow_private,
    )


@router.get("/me/wechat-consents")
def list_wechat_consents(session: ReadSession, viewer: ViewerDep) -> list[ConsentsLeftOut]:
    """List the templates of subscribe messages, and how many of each you still allow."""
    return [ConsentsLeftOut.of(each) for each in consents.consents_left(session, viewer)]


@router.post("/me/wechat-consents")
def give_wechat_consents(
    session: WriteSession, viewer: ViewerDep, given: ConsentsIn
) -> list[ConsentsLeftOut]:
    """Count what you allowed in the mini program: one message for each consent.

    Messages for which no consent is left go to your phone number.
    """
    left = consents.give_consents(session, viewer, given.accepted, key=given.key, at=clock.now())
    return [ConsentsLeftOut.of(each) for each in left]


@router.put("/me/messages/{platform}", status_code=204)
def receive_messages_on_platform(
    session: WriteSession, viewer: ViewerDep, settings: SettingsDep, platform: MemberPlatform
) -> None:
    """Receive your messages in WeCom or DingTalk, where you signed in; the phone number is then not used.

    Alerts go to both.
    """
    channel, issuer = _member_platform(platform, settings)
    endpoints.add_own_account(session, viewer, channel, issuer, at=clock.now())


@router.delete("/me/messages/{platform}", status_code=204)
def stop_messages_on_platform(session: WriteSession, viewer: ViewerDep, platform: MemberPlatform) -> None:
    """Receive your messages by phone again. Without this, nothing changes."""
    endpoints.remove_own_account(session, viewer, _MEMBER_CHANNELS[platform], at=clock.now())


def _member_platform(platform: str, settings: Settings) -> tuple[Channel, str]:
    """Return the channel of a platform, and the issuer of its members' ids. Raises NotFound."""
    found = {
        "wecom": f"wecom:{settings.wecom.corp_id}" if settings.wecom.is_set_up else None,
        "dingtalk": f"dingtalk:{settings.dingtalk.client_id}" if settings.dingtalk.is_set_up else None,
    }
    issuer = found[platform]
    if issuer is None:
        raise NotFound("No such app is configured.")
    return _MEMBER_CHANNELS[platform], issuer


@router.delete("/me/push", status_code=204)
def unsubscribe_from_push(
    session: WriteSession,
    viewer: ViewerDep,
    endpoint: Annotated[
        str, Query(max_length=2000, description="The endpoint URL that the browser received")
    ] = "",
) -> None:
    """Unsubscribe this browser from your messages."""
    name = _name_of(endpoint, _person(viewer))
    endpoints.unsubscribe(session, viewer, name, at=clock.now())


def _person(viewer: Viewer) -> int:
    if not viewer.is_signed_in:
        raise NotSignedIn("Sign in first. A browser receives the messages of the person who is signed in.")
    if viewer.person_id is None:
        raise NotAllowed(
            "A token is not a person. A browser receives the messages of the person who is signed in."
        )
    return viewer.person_id


def _name_of(endpoint: str, person_id: int) -> str:
    """Return a name for the browser that others cannot guess, and that reveals nothing."""
    digest = hashlib.sha256(f"{person_id} {endpoint}".encode()).hexdigest()
    return f"browser-{digest[:40]}"


def _subscription(endpoint: str, person_id: int, given: SubscriptionIn, settings: Settings) -> EndpointInput:
    if settings.web_push.private_key is None:
        raise NotFound("Push messages are not configured on this server.")
    return EndpointInput(
        name=_name_of(endpoint, person_id),
        channel=Channel.WEB_PUSH,
        address=endpoint,
        secret=orjson.dumps(given.keys.model_dump()).decode(),
        person_id=person_id,
    )
