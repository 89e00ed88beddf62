"""Sign-in by a platform's account in requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from aed.accounts.fields import Name
from aed.accounts.people.rules import Language

PlatformCode = Annotated[SecretStr, Field(min_length=1, max_length=512)]


class WechatSignInIn(BaseModel):
    """The codes that a mini program gets from WeChat; each is valid once, for five minutes."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"code": "0a3Zxy000kT9mP1wYv200gJd1z3Zxy0k"}]},
    )

    code: PlatformCode = Field(description="The `code` of `wx.login`")
    phone_code: PlatformCode | None = Field(
        None,
        description="The `code` of a button with `open-type=getPhoneNumber`; needed at the first sign-in, "
        "to link the WeChat account with the person of that number",
    )
    name: Name | None = Field(
        None, description="With a phone_code: open an account of this name if the number has none"
    )
    language: Language = Field(Language.ZH, description="Language of an account that is opened")
