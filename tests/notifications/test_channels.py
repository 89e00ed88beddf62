"""Each channel with a local server of its protocol, which verifies signatures as the platform does."""

from __future__ import annotations

import base64
import email
import hashlib
import hmac
import logging
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.policy import default as modern
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import apprise
import http_ece
import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02
from py_vapid.utils import b64urlencode
from sqlalchemy.orm import Session
from standardwebhooks import Webhook, WebhookVerificationError

from aed import clock
from aed.accounts.people.rules import Language
from aed.errors import InvalidInput
from aed.notifications.channels import (
    channels_of,
    dingtalk,
    feishu,
    through_apprise,
    web_push,
    webhook,
    wecom,
)
from aed.notifications.channels import email as mail
from aed.notifications.channels.posting import Post
from aed.notifications.endpoints import EndpointInput, save_endpoint
from aed.notifications.rules import (
    Channel,
    Delivery,
    DeliveryFailed,
    Endpoint,
    PermanentFailure,
    TemporaryFailure,
)
from aed.settings import Settings
from aed.settings.messages import MailSecurity
from tests.make import ADMINISTRATOR
from tests.notifications.sinks import Mailbox, Posted, Reply, receiving, says, smtp_server

HERE = Post(is_private_allowed=True)
KEY = "0123456789abcdef0123456789abcdef"
SECRET = "whsec_" + base64.b64encode(b"a secret of more than 24 bytes").decode()
BOT_SECRET = "SEC0123456789"


def letter(channel: Channel, address: str = "", *, secret: str | None = None, **given: Any) -> Delivery:
    endpoint = Endpoint(1, "gate-group", address, secret) if address else None
    values: dict[str, Any] = {
        "id": 7,
        "key": KEY,
        "channel": channel,
        "recipient": "+8613800138000",
        "language": Language.ZH,
        "subject": "",
        "text": "电极片将于30天后过期。Pads expire in 30 days.",
        "created_at": clock.now(),
        "expires_at": None,
        "tries": 1,
        "endpoint": endpoint,
    }
    return Delivery(**values | given)


def refusal(deliver: Callable[[], object]) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as refused:
        deliver()
    return refused.value


# --- bots -----------------------------------------------------------------------------------------------


def dingtalks(posted: Posted) -> Reply:
    """Verify as DingTalk does: the token, a time within an hour, and its signature."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(posted.path).query).items()}
    is_late = abs(clock.now().timestamp() * 1000 - int(query["timestamp"])) > 3_600_000
    signed = f"{query['timestamp']}\n{BOT_SECRET}".encode()
    sign = base64.b64encode(hmac.new(BOT_SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    if query["access_token"] != "good" or query["sign"] != sign or is_late:
        return 200, orjson.dumps({"errcode": 310000, "errmsg": "sign not match"}), {}
    assert posted.json["msgtype"] == "text"
    return 200, orjson.dumps({"errcode": 0, "errmsg": "ok"}), {}


def test_a_dingtalk_message_is_signed_with_the_bots_secret() -> None:
    with receiving(dingtalks) as sink:
        url = sink.url("/robot/send?access_token=good")
        delivery = letter(Channel.DINGTALK, url, secret=BOT_SECRET, subject="到期提醒")
        dingtalk.deliver(delivery, HERE, at=clock.now())

        assert sink.posted[0].json["text"]["content"] == "到期提醒\n" + delivery.text
        wrong = letter(Channel.DINGTALK, url, secret="SECother")
        assert isinstance(refusal(lambda: dingtalk.deliver(wrong, HERE, at=clock.now())), PermanentFailure)
        late = clock.now() - timedelta(hours=2)
        assert isinstance(refusal(lambda: dingtalk.deliver(delivery, HERE, at=late)), PermanentFailure)


def feishus(posted: Posted) -> Reply:
    """Verify as Feishu does."""
    body = posted.json
    key = f"{body['timestamp']}\n{BOT_SECRET}".encode()
    sign = base64.b64encode(hmac.new(key, digestmod=hashlib.sha256).digest()).decode()
    if body["sign"] != sign or abs(clock.now().timestamp() - int(body["timestamp"])) > 3600:
        return (
            200,
            orjson.dumps({"code": 19021, "msg": "sign match fail"}),
            {},
        )
    return 200, orjson.dumps({"code": 0, "msg": "success", "data": {}}), {}


def test_a_feishu_message_is_signed_with_the_bots_secret() -> None:
    with receiving(feishus) as sink:
        url = sink.url("/open-apis/bot/v2/hook/abc")
        delivery = letter(Channel.FEISHU, url, secret=BOT_SECRET)
        feishu.deliver(delivery, HERE, at=clock.now())

        assert sink.posted[0].json["content"] == {"text": delivery.text}
        wrong = letter(Channel.FEISHU, url, secret="other")
        assert isinstance(refusal(lambda: feishu.deliver(wrong, HERE, at=clock.now())), PermanentFailure)


def test_a_wecom_text_is_truncated_to_its_limit() -> None:
    def wecoms(posted: Posted) -> Reply:
        if len(posted.json["text"]["content"].encode()) > 2048:
            return 200, orjson.dumps({"errcode": 40058, "errmsg": "too long"}), {}
        return 200, orjson.dumps({"errcode": 0, "errmsg": "ok"}), {}

    with receiving(wecoms) as sink:
        url = sink.url("/cgi-bin/webhook/send?key=good")
        wecom.deliver(letter(Channel.WECOM, url, text="到期" * 2000), HERE, at=clock.now())
        text = sink.posted[0].json["text"]["content"]
        assert text.endswith(("期…", "到…"))


BOTS: dict[str, tuple[Callable[..., None], Channel, str]] = {
    "dingtalk": (dingtalk.deliver, Channel.DINGTALK, "errcode"),
    "wecom": (wecom.deliver, Channel.WECOM, "errcode"),
    "feishu": (feishu.deliver, Channel.FEISHU, "code"),
}
TOO_OFTEN = {"dingtalk": (130101, 600), "wecom": (45009, 60), "feishu": (11232, 60)}


@pytest.mark.parametrize("bot", BOTS)
def test_a_rate_limited_bot_waits_as_long_as_its_platform_blocks_it(bot: str) -> None:
    deliver, channel, field = BOTS[bot]
    code, seconds = TOO_OFTEN[bot]
    with receiving(says(200, {field: code})) as sink:
        error = refusal(lambda: deliver(letter(channel, sink.url("/bot")), HERE, at=clock.now()))
    assert isinstance(error, TemporaryFailure)
    assert error.wait == timedelta(seconds=seconds)


@pytest.mark.parametrize("bot", BOTS)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (says(200, {"errcode": -1, "code": -1}), TemporaryFailure),
        (says(200, {"errcode": 300001, "code": 19001}), PermanentFailure),
        (says(200, ["no", "object"]), TemporaryFailure),
        (lambda _: (200, b"<html>a portal</html>", {}), TemporaryFailure),
        (says(503), TemporaryFailure),
        (says(404), PermanentFailure),
        (says(302, Location="http://127.0.0.1/elsewhere"), PermanentFailure),
    ],
)
def test_an_error_of_a_bots_platform_is_temporary_or_permanent(
    bot: str, answer: Any, kind: type[DeliveryFailed]
) -> None:
    deliver, channel, _ = BOTS[bot]
    with receiving(answer) as sink:
        error = refusal(lambda: deliver(letter(channel, sink.url("/bot/the-token")), HERE, at=clock.now()))
        assert type(error) is kind
        assert "the-token" not in error.detail
        assert len(sink.posted) == 1, "no redirect was followed"


# --- webhooks -------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_and_has_the_key_of_the_message() -> None:
    with receiving() as sink:
        delivery = letter(Channel.WEBHOOK, sink.url("/hook"), secret=SECRET, subject="Due")
        webhook.deliver(delivery, HERE, at=clock.now())
        (posted,) = sink.posted
    assert posted.headers["webhook-id"] == KEY
    body = Webhook(SECRET).verify(posted.body, dict(posted.headers))
    assert body["type"] == "message"
    assert body["data"] == {
        "id": KEY,
        "endpoint": "gate-group",
        "language": "zh",
        "subject": "Due",
        "text": delivery.text,
    }
    forged = posted.body.replace(b"30", b"90")
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(forged, dict(posted.headers))


@pytest.mark.parametrize(
    ("status", "kind", "is_gone"),
    [
        (400, PermanentFailure, False),
        (410, PermanentFailure, True),
        (429, TemporaryFailure, False),
        (500, TemporaryFailure, False),
    ],
)
def test_a_rejected_webhook_is_a_failure(status: int, kind: type[DeliveryFailed], is_gone: bool) -> None:
    with receiving(says(status, Retry_After="120")) as sink:
        delivery = letter(Channel.WEBHOOK, sink.url("/hook"), secret=SECRET)
        error = refusal(lambda: webhook.deliver(delivery, HERE, at=clock.now()))
    assert type(error) is kind
    if isinstance(error, TemporaryFailure):
        assert error.wait == timedelta(minutes=2)
    else:
        assert isinstance(error, PermanentFailure)
        assert error.is_endpoint_gone is is_gone


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["::1"],
        ["fd00::1"],
        ["::ffff:127.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
    ],
)
def test_a_webhook_host_in_a_private_network_is_refused(addresses: list[str]) -> None:
    with receiving() as sink:
        post = Post(resolve=lambda _host, _port: addresses)
        delivery = letter(Channel.WEBHOOK, sink.url("/hook", host="hook.example.org"), secret=SECRET)
        error = refusal(lambda: webhook.deliver(delivery, post, at=clock.now()))
        assert isinstance(error, PermanentFailure)
        assert sink.posted == []


def test_the_connection_goes_to_the_checked_address() -> None:
    """A name is resolved only once, so a second answer can't redirect the connection."""
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    with receiving() as sink:
        post = Post(is_private_allowed=True, resolve=rebinding)
        delivery = letter(Channel.WEBHOOK, sink.url("/hook", host="hook.example.org"), secret=SECRET)
        webhook.deliver(delivery, post, at=clock.now())
        assert asked == ["hook.example.org"]
        assert sink.posted[0].headers["host"] == f"hook.example.org:{sink.port}"


def test_a_redirect_into_a_private_network_is_not_followed() -> None:
    with receiving() as inner, receiving(says(307, Location=inner.url("/secret"))) as sink:
        delivery = letter(Channel.WEBHOOK, sink.url("/hook"), secret=SECRET)
        assert isinstance(refusal(lambda: webhook.deliver(delivery, HERE, at=clock.now())), PermanentFailure)
        assert inner.posted == []


def test_an_unreachable_silent_or_untrusted_server_is_a_temporary_failure(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failure_at(url: str) -> DeliveryFailed:
        return refusal(
            lambda: webhook.deliver(letter(Channel.WEBHOOK, url, secret=SECRET), HERE, at=clock.now())
        )

    with receiving() as sink:
        down = sink.url()
    errors = [failure_at(down), failure_at("http://no-such-name.invalid/")]
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with receiving(tls=tls) as sink:
        errors.append(failure_at(sink.url()))
    assert [type(error) for error in errors] == [TemporaryFailure] * 3
    assert [error.detail for error in errors] == [
        "127.0.0.1 cannot be reached.",
        "There is no server named no-such-name.invalid, or DNS does not respond.",
        "127.0.0.1 has no trusted certificate.",
    ]


# --- text messages --------------------------------------------------------------------------------------


def test_a_gateway_gets_a_signed_number_text_and_key() -> None:
    with receiving() as sink:
        settings = Settings.model_validate(
            {"sms": {"url": sink.url("/sms"), "secret": SECRET}, "notify_allow_private": True}
        )
        delivery = letter(Channel.SMS)
        channels_of(settings)[Channel.SMS](delivery, at=clock.now())
        (posted,) = sink.posted
    body = Webhook(SECRET).verify(posted.body, dict(posted.headers))
    assert body == {
        "id": KEY,
        "to": "+8613800138000",
        "text": delivery.text,
        "language": "zh",
        "channel": "sms",
    }
    assert posted.headers["idempotency-key"] == KEY


def test_a_gateway_request_follows_its_configured_format() -> None:
    with receiving() as sink:
        settings = Settings.model_validate(
            {
                "notify_allow_private": True,
                "sms": {
                    "url": sink.url("/send"),
                    "form": "form",
                    "names": {
                        "to": "phone_numbers",
                        "text": "content",
                        "id": "out_id",
                        "language": "",
                        "channel": "",
                    },
                    "fixed": {"sign_name": "园区"},
                    "headers": {"Authorization": "Bearer the-key"},
                },
            }
        )
        delivery = letter(Channel.VOICE)
        channels_of(settings)[Channel.VOICE](delivery, at=clock.now())
        (posted,) = sink.posted
    fields = {name: values[0] for name, values in parse_qs(posted.body.decode()).items()}
    assert fields == {
        "phone_numbers": "+8613800138000",
        "content": delivery.text,
        "out_id": KEY,
        "sign_name": "园区",
    }
    assert posted.headers["authorization"] == "Bearer the-key"
    assert posted.headers["content-type"] == "application/x-www-form-urlencoded"


# --- e-mail ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a self-signed certificate for 127.0.0.1 and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    here, now = x509.IPAddress(IPv4Address("127.0.0.1")), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([here]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return folder / "cert.pem", folder / "key.pem"


def mailer(mailbox: Mailbox, **given: Any) -> mail.Mailer:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": mailbox.port,
        "security": MailSecurity.NONE,
        "user": None,
        "password": None,
        "sender": "AED <aed@estate.example.org>",
    }
    return mail.Mailer(**values | given)


TO = "keeper@example.org"


def test_mail_is_sent_over_tls_and_arrives_unchanged(
    certificate: tuple[Path, Path],
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate)
    with smtp_server(Mailbox(), tls=tls, user="aed", password="right") as mailbox:
        given = {"security": MailSecurity.STARTTLS, "authorities": str(certificate[0]), "user": "aed"}
        delivery = letter(Channel.EMAIL, TO, recipient=TO, subject="AED 到期提醒", text="第一行\n.\nPads.")
        mail.deliver(delivery, mailer(mailbox, password="right", **given), at=clock.now())

        assert mailbox.was_encrypted == [True]
        assert mailbox.recipients == [TO]
        read = email.message_from_bytes(mailbox.mails[0], policy=modern)
        assert read["Subject"] == "AED 到期提醒"
        assert read["Message-ID"] == f"<{KEY}@estate.example.org>"
        assert read.get_content().splitlines() == ["第一行", ".", "Pads."]

        wrong = mailer(mailbox, password="the-wrong-one", **given)
        error = refusal(lambda: mail.deliver(delivery, wrong, at=clock.now()))
        assert isinstance(error, TemporaryFailure)
        assert error.is_channel_down, "a wrong password is not an error of the message"
        assert "user name and password (535)" in error.detail
        assert "the-wrong-one" not in error.detail
        untrusted = mailer(mailbox, security=MailSecurity.STARTTLS)
        assert "certificate" in refusal(lambda: mail.deliver(delivery, untrusted, at=clock.now())).detail
        assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("response", "kind"),
    [("550 no such mailbox", PermanentFailure), ("451 try again later", TemporaryFailure)],
)
def test_a_missing_mailbox_is_a_permanent_failure_and_a_full_one_temporary(
    response: str, kind: type[DeliveryFailed]
) -> None:
    with smtp_server(Mailbox(refuses={TO: response})) as mailbox:
        delivery = letter(Channel.EMAIL, TO, recipient=TO)
        error = refusal(lambda: mail.deliver(delivery, mailer(mailbox), at=clock.now()))
    assert type(error) is kind
    assert TO not in error.detail


def test_no_mail_is_sent_to_a_server_without_the_required_starttls() -> None:
    with smtp_server(Mailbox()) as mailbox:
        delivery = letter(Channel.EMAIL, TO, recipient=TO)
        careful = mailer(mailbox, security=MailSecurity.STARTTLS)
        assert isinstance(refusal(lambda: mail.deliver(delivery, careful, at=clock.now())), TemporaryFailure)
        assert mailbox.mails == []
    down = mailer(mailbox)
    error = refusal(lambda: mail.deliver(delivery, down, at=clock.now()))
    assert isinstance(error, TemporaryFailure)
    assert error.is_channel_down


def test_a_line_break_in_a_subject_does_not_inject_a_header() -> None:
    with smtp_server(Mailbox()) as mailbox:
        delivery = letter(Channel.EMAIL, TO, recipient=TO, text="hello\nBcc: everyone@example.org")
        mail.deliver(delivery, mailer(mailbox), at=clock.now())
        read = email.message_from_bytes(mailbox.mails[0], policy=modern)
        assert (read["Subject"], read["Bcc"]) == ("hello", None)
        sly = letter(Channel.EMAIL, TO, recipient=TO, subject="a\r\nBcc: everyone@example.org")
        mail.deliver(sly, mailer(mailbox), at=clock.now())
        read = email.message_from_bytes(mailbox.mails[1], policy=modern)
        assert (read["Subject"], read["Bcc"]) == ("a Bcc: everyone@example.org", None)
        assert mailbox.recipients == [TO, TO]


# --- browsers -------------------------------------------------------------------------------------------


class Browser:
    """A browser's push subscription with its push service, which decrypts messages as the browser would."""

    def __init__(self, port: int, pusher: Vapid02) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = b"sixteen bytes ok"
        self.port, self.pusher = port, pusher
        self.read: list[Any] = []

    @property
    def keys(self) -> str:
        point = self.key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return orjson.dumps({"p256dh": b64urlencode(point), "auth": b64urlencode(self.auth)}).decode()

    def __call__(self, posted: Posted) -> Reply:
        header = posted.headers["authorization"]
        assert header.startswith("vapid t="), header
        token = header.split("t=")[1].split(",")[0]
        key = header.split("k=")[1]
        point = self.pusher.public_key.public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        assert key == b64urlencode(point)
        _, payload, _ = token.split(".")
        claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        if not Vapid02.verify(header) or claims["aud"] != f"http://127.0.0.1:{self.port}":
            return 403, b"", {}
        text = http_ece.decrypt(posted.body, private_key=self.key, auth_secret=self.auth, version="aes128gcm")
        self.read.append(orjson.loads(text))
        return 201, b"", {}


def private_key(vapid: Vapid02) -> str:
    number = vapid.private_key.private_numbers().private_value
    encoded: str = b64urlencode(number.to_bytes(32, "big"))
    return encoded


def test_a_browser_decrypts_its_push_message_and_verifies_our_signature() -> None:
    vapid = Vapid02()
    vapid.generate_keys()
    pusher = web_push.Pusher(private_key(vapid), "mailto:aed@example.org")
    with receiving() as sink:
        browser = Browser(sink.port, vapid)
        sink.answer = browser
        delivery = letter(Channel.WEB_PUSH, sink.url("/push/abc"), secret=browser.keys, subject="到期")
        web_push.deliver(delivery, pusher, HERE, at=clock.now())

        assert browser.read == [{"id": KEY, "subject": "到期", "text": delivery.text}]
        (posted,) = sink.posted
        assert posted.headers["topic"] == KEY, "a second copy replaces the first"
        assert delivery.text.encode() not in posted.body
        assert int(posted.headers["ttl"]) == 86_400

        sink.answer = says(410)
        error = refusal(lambda: web_push.deliver(delivery, pusher, HERE, at=clock.now()))
        assert isinstance(error, PermanentFailure)
        assert error.is_endpoint_gone


@pytest.mark.parametrize(
    "keys",
    [
        '{"p256dh": "AAAA", "auth": "AAAA"}',
        '{"p256dh": "BBBBB", "auth": 7}',
        '{"auth": "AAAA"}',
        "[]",
        "not JSON",
    ],
)
def test_unusable_browser_keys_end_the_subscription(keys: str) -> None:
    with receiving() as sink:
        broken = letter(Channel.WEB_PUSH, sink.url("/push/abc"), secret=keys)
        pusher = web_push.Pusher("A" * 43, "mailto:aed@example.org")
        error = refusal(lambda: web_push.deliver(broken, pusher, HERE, at=clock.now()))
        assert isinstance(error, PermanentFailure)
        assert error.is_endpoint_gone
        assert sink.posted == []


def test_no_push_message_is_sent_to_a_private_network() -> None:
    vapid = Vapid02()
    vapid.generate_keys()
    with receiving() as sink:
        browser = Browser(sink.port, vapid)
        message = letter(Channel.WEB_PUSH, sink.url("/push/abc"), secret=browser.keys)
        pusher = web_push.Pusher(private_key(vapid), "mailto:aed@example.org")
        error = refusal(lambda: web_push.deliver(message, pusher, Post(), at=clock.now()))
        assert isinstance(error, PermanentFailure)
        assert "this machine itself" in error.detail
        assert sink.posted == []


# --- Apprise --------------------------------------------------------------------------------------------


def test_apprise_delivers_to_a_supported_service() -> None:
    with receiving() as sink:
        address = f"json://127.0.0.1:{sink.port}/in"
        delivery = letter(Channel.APPRISE, address, subject="Due")
        through_apprise.deliver(delivery, at=clock.now(), is_private_allowed=True)
        (posted,) = sink.posted
        assert (posted.json["title"], posted.json["message"]) == ("Due", delivery.text)
        sink.answer = says(500)
        assert isinstance(refusal(lambda: by_apprise(delivery, is_private_allowed=True)), TemporaryFailure)
    assert isinstance(refusal(lambda: by_apprise(letter(Channel.APPRISE, "nonsense://x"))), PermanentFailure)


@pytest.mark.one_engine("how other programs are reached")
@pytest.mark.parametrize(
    "address",
    [
        "syslog://localhost",
        "dbus://",
        "mailto://user:secret@example.org",
        "smpp://user:secret@example.org/138",
        "file:///etc/passwd",
        "ntfy://example.org/topic?keyfile=/etc/shadow",
        "fcm://project@key/device?KeyFile=private.json",
        "msteams://a/b/c/?template=/etc/passwd",
        "jsons://example.org/in?+attach=x",
        "jsons://example.org/in?x=file:///etc/passwd",
        "jsons://example.org/in?x=%2Fetc%2Fpasswd",
        "jsons://example.org/in?verify=no",
    ],
)
def test_apprise_is_used_only_for_services_and_reads_no_file(session: Session, address: str) -> None:
    delivery = letter(Channel.APPRISE, address)
    assert isinstance(refusal(lambda: by_apprise(delivery, is_private_allowed=True)), PermanentFailure)
    with pytest.raises(InvalidInput):
        save_endpoint(
            session, ADMINISTRATOR, EndpointInput("group", Channel.APPRISE, address), at=clock.now()
        )


def by_apprise(delivery: Delivery, *, is_private_allowed: bool = False) -> None:
    through_apprise.deliver(delivery, at=clock.now(), is_private_allowed=is_private_allowed)


@pytest.mark.parametrize(
    "address",
    [
        "json://127.0.0.1:{port}/in",
        "form://localhost:{port}",
        "ntfy://127.0.0.1:{port}/topic",
        "xml://[::1]:{port}",
    ],
)
def test_apprise_does_not_connect_to_this_machine_or_a_private_network(address: str) -> None:
    with receiving() as sink:
        delivery = letter(Channel.APPRISE, address.format(port=sink.port))
        error = refusal(lambda: by_apprise(delivery))
    assert isinstance(error, PermanentFailure)
    assert "this machine itself" in error.detail
    assert sink.posted == []


def test_an_apprise_url_without_a_host_is_not_resolved() -> None:
    """Discord's ids are numbers, which a resolver would take for IP addresses."""
    way = apprise.Apprise.instantiate("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    assert way is not None
    assert list(through_apprise._servers(way)) == []


# --- all of them ----------------------------------------------------------------------------------------


def test_no_failure_logs_or_reports_a_secret(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    hidden = "a-token-nobody-may-see"
    with receiving(says(500, {"errmsg": hidden})) as sink:
        settings = Settings.model_validate(
            {
                "notify_allow_private": True,
                "sms": {"url": sink.url(f"/{hidden}"), "headers": {"X-Key": hidden}},
                "smtp": {"host": "127.0.0.1", "port": sink.port, "security": "none", "password": hidden},
                "web_push": {"private_key": "A" * 43},
                "wechat": {"app_id": "wx1", "app_secret": hidden, "url": sink.url("")},
            }
        )
        assert hidden not in repr(settings)
        channels = channels_of(settings)
        messages = []
        for channel in (each for each in Channel if each not in (Channel.EMAIL, Channel.WEB_PUSH)):
            address = sink.url(f"/send?access_token={hidden}")
            if channel is Channel.APPRISE:
                address = f"json://user:{hidden}@127.0.0.1:{sink.port}/{hidden}"
            delivery = letter(channel, address, secret=SECRET if channel is Channel.WEBHOOK else hidden)
            if channel in (Channel.SMS, Channel.VOICE):
                delivery = letter(channel)
            messages.append(refusal(lambda c=channel, t=delivery: channels[c](t, at=clock.now())).detail)  # type: ignore[misc] # bound at once
    assert len(messages) == len(Channel) - 2
    captured = capsys.readouterr()
    assert hidden not in " ".join(messages) + caplog.text + captured.out + captured.err


def test_without_settings_messages_to_phones_and_mailboxes_are_spooled(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    channels = channels_of(Settings(outbox_spool=folder))
    for channel in (Channel.SMS, Channel.VOICE, Channel.EMAIL):
        channels[channel](letter(channel), at=clock.now())
    (path,) = folder.iterdir()
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["channel"] for line in lines] == ["sms", "voice", "email"]
    assert {line["key"] for line in lines} == {KEY}
    assert set(channels) == set(Channel)
