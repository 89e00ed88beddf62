"""The small pages that a phone shows: one file each, nothing fetched from anywhere else.

Whatever a person gave is escaped; scripts and styles run by a nonce, so that nothing else would.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from html import escape
from typing import Annotated, Any, Final

from fastapi import Depends, Request

_STYLE: Final = """
body{font-family:system-ui,"Noto Sans CJK SC","PingFang SC","Microsoft YaHei",sans-serif;margin:0;
 background:#f4f4f2;color:#1c1c1c;display:flex;min-height:100vh;align-items:center;justify-content:center}
main{background:#fff;border-radius:14px;padding:1.6rem 1.8rem;margin:1rem;max-width:30rem;width:100%;
 box-shadow:0 1px 6px #0002;text-align:center}
h1{font-size:1.5rem;margin:.2rem 0 .6rem}p{margin:.5rem 0}.en{color:#555;font-size:.9rem}
.mark{font-size:2rem;font-weight:700;border-radius:10px;padding:.6rem}.yes{background:#e2f3e4;color:#14602a}
.no{background:#fbe3e1;color:#8f1b12}
dl{display:grid;grid-template-columns:auto 1fr;gap:.4rem 1rem;text-align:left}
dt{color:#555}dd{margin:0;font-weight:600;overflow-wrap:anywhere}
button,input{font:inherit;padding:.7rem 1rem;border-radius:8px;border:1px solid #999;width:100%;
 box-sizing:border-box;margin:.3rem 0}button{background:#a8201a;color:#fff;border:0}[hidden]{display:none}
#code svg{width:min(70vh,100%);height:auto}.wide{max-width:44rem}
"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and the policy under which a browser shows it."""

    html: str
    policy: str

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Content-Security-Policy": self.policy,
            "Cache-Control": "private, no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Vary": "Accept",
        }


def page(
    title: str,
    body: str,
    *,
    script: str = "",
    style: str = "",
    wide: bool = False,
    language: str = "zh-CN",
) -> Page:
    """`body` is HTML in which what people gave is escaped; `script` talks to this network only."""
    nonce = secrets.token_urlsafe(16)
    policy = f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'"
    policy += "; frame-ancestors 'none'"
    run = ""
    if script:
        policy += f"; script-src 'nonce-{nonce}'; connect-src 'self'"
        run = f'<script nonce="{nonce}">{script}</script>'
    html = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(title)}</title><style nonce="{nonce}">{_STYLE}{style}</style>'
        f"<main{' class=wide' if wide else ''}>{body}</main>{run}</html>"
    )
    return Page(html, policy)


def as_script(value: object) -> str:
    """A value inside a script: no end of the element can stand in it."""
    return json.dumps(value).replace("<", "\\u003c")


def wants_page(request: Request) -> bool:
    """A browser asks for a page before anything else; a program for what it can read, or for anything."""
    wanted = [each.partition(";")[0].strip().lower() for each in request.headers.get("accept", "").split(",")]
    return "text/html" in wanted and "application/json" not in wanted[: wanted.index("text/html")]


async def _wants_page(request: Request) -> bool:
    return wants_page(request)  # async, since FastAPI changes threads for a plain function


WantsPage = Annotated[bool, Depends(_wants_page)]
PAGE_RESPONSE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "As JSON, or as a page"}
}
