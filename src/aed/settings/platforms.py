"""Apps in WeChat, WeCom and DingTalk."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from aed.settings.services import is_private_from_others


class WechatTemplate(BaseModel):
    """A subscribe message template 订阅消息模板 of the mini program."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=64, description="Template id from WeChat's console")
    fields: dict[str, str] = Field(
        min_length=1,
        description="What each keyword of the template shows: subject, text or time of a message, or else "
        "these words themselves",
    )


type MessageTopicName = Literal["call", "device", "training", "other"]


class Wechat(BaseModel):
    """The WeChat mini program of this network (`aed.platforms.wechat`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    app_id: str = Field("", description="AppID of the mini program, such as wx0123456789abcdef; empty: none")
    app_secret: SecretStr = Field(SecretStr(""), description="AppSecret of the mini program")
    url: str = Field("https://api.weixin.qq.com", description="Base address of WeChat's interface")
    templates: dict[MessageTopicName, WechatTemplate] = Field(
        default_factory=dict,
        description="JSON: the subscribe message template for each topic (call, device, training, other), "
        'such as {"device": {"id": "…", "fields": {"thing1": "subject", "thing2": "text", '
        '"time3": "time"}}}',
    )
    page: str = Field(
        "pages/index/index", description="Page of the mini program that opens from a subscribe message"
    )
    version: Literal["formal", "trial", "developer"] = Field(
        "formal", description="Version of the mini program that opens"
    )
    seconds: float = Field(
        0.8, gt=0, le=30, description="Time limit of a sign-in, with all requests to WeChat"
    )  # the page of a mini program waits for it

    @property
    def is_set_up(self) -> bool:
        return bool(self.app_id)

    @model_validator(mode="after")
    def _check_app(self) -> Self:
        if bool(self.app_id) != bool(self.app_secret.get_secret_value()):
            raise ValueError("app_id and app_secret must be given together")
        if not is_private_from_others(self.url):
            raise ValueError("url must begin with https:// (http:// only on this machine itself)")
        return self


class Wecom(BaseModel):
    """An app of an organisation in WeCom (`aed.platforms.wecom`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corp_id: str = Field("", description="Id of the organisation (CorpID); empty: none")
    agent_id: int = Field(0, ge=0, description="AgentId of the app")
    secret: SecretStr = Field(SecretStr(""), description="Secret of the app")
    url: str = Field("https://qyapi.weixin.qq.com", description="Base address of WeCom's interface")
    consent_url: str = Field(
        "https://open.weixin.qq.com/connect/oauth2/authorize",
        description="Page that asks for consent in WeCom's own browser",
    )
    qr_url: str = Field(
        "https://login.work.weixin.qq.com/wwlogin/sso/login",
        description="Page that shows a QR code in other browsers",
    )
    seconds: float = Field(3.0, gt=0, le=30, description="Time limit of all requests for one sign-in")

    @property
    def is_set_up(self) -> bool:
        return bool(self.corp_id)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = (self.corp_id, self.agent_id, self.secret.get_secret_value())
        if len({bool(each) for each in given}) > 1:
            raise ValueError("corp_id, agent_id and secret must be given together")
        if not all(is_private_from_others(each) for each in (self.url, self.consent_url, self.qr_url)):
            raise ValueError("URLs must begin with https:// (http:// only on this machine itself)")
        return self


class Dingtalk(BaseModel):
    """An app of an organisation in DingTalk (`aed.platforms.dingtalk`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str = Field("", description="Client ID of the app (AppKey); empty: none")
    client_secret: SecretStr = Field(SecretStr(""), description="Client Secret of the app (AppSecret)")
    agent_id: int = Field(0, ge=0, description="AgentId of the app")
    url: str = Field("https://oapi.dingtalk.com", description="Base address of DingTalk's first interface")
    api_url: str = Field("https://api.dingtalk.com", description="Base address of its newer interface")
    consent_url: str = Field(
        "https://login.dingtalk.com/oauth2/auth", description="Page that asks for consent"
    )
    seconds: float = Field(3.0, gt=0, le=30, description="Time limit of all requests for one sign-in")

    @property
    def is_set_up(self) -> bool:
        return bool(self.client_id)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        given = (self.client_id, self.agent_id, self.client_secret.get_secret_value())
        if len({bool(each) for each in given}) > 1:
            raise ValueError("client_id, client_secret and agent_id must be given together")
        if not all(is_private_from_others(each) for each in (self.url, self.api_url, self.consent_url)):
            raise ValueError("URLs must begin with https:// (http:// only on this machine itself)")
        return self
