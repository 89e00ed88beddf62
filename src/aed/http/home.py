"""The home page: what this is, whom to call first, and where a program begins."""

from __future__ import annotations

from html import escape
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from aed.http.pages import PAGE_RESPONSE, Page, WantsPage, page
from aed.settings import Settings

router = APIRouter(tags=["pages"])

OPENAPI: Final = "/v1/openapi.json"
DOCS: Final = "/docs"
NEAREST: Final = "/v1/nearest"

_STYLE: Final = """
main{text-align:left;max-width:40rem}h1{font-size:1.6rem}h2{font-size:1.05rem;margin:1.4rem 0 .3rem}
.call{background:#a8201a;color:#fff;border-radius:12px;padding:1rem 1.2rem;margin:1rem 0}
.call a{color:#fff;font-size:2rem;font-weight:700;text-decoration:none;display:inline-block;padding:.2rem 0}
.call p{margin:.2rem 0}code{background:#f0f0ec;border-radius:5px;padding:.1rem .3rem;overflow-wrap:anywhere}
ul{padding-left:1.2rem;margin:.3rem 0}li{margin:.35rem 0}main>p a,li a{color:#8f1b12}
"""
_ZH: Final = {
    "title": "AED 与急救志愿者网络",
    "what": "这里登记自动体外除颤器（AED）和受过培训的急救志愿者。疑似心脏骤停时，"
    "它告诉您哪台设备最先能送到患者身边、谁能赶来。它配合急救电话，绝不代替急救电话。",
    "first": "遇到紧急情况，先打急救电话",
    "elsewhere": "中国大陆以外请拨 {elsewhere}（各地号码可能不同）。",
    "then": "立即开始胸外按压，不要停。一人在场勿离开；有第二人时，再让其去取 AED。",
    "programs": "给开发者",
    "nearest": "查询最近能取到的 AED：<code>GET {nearest}?lat=30.2901&amp;lon=120.1003</code>"
    "（默认 WGS-84 坐标；高德、腾讯地图坐标请加 <code>datum=gcj02</code>）",
    "docs": '<a href="{docs}">接口文档</a>（<a href="{openapi}">OpenAPI</a>）',
    "ogc": '<a href="/ogc">OGC API Features</a>：供 QGIS 等地图软件读取',
}
_EN: Final = {
    "title": "AED and first-aid network",
    "what": "A register of defibrillators (AEDs) and of trained volunteers. In a suspected cardiac arrest "
    "it says which device can be at the patient soonest, and who can come. It complements the emergency "
    "number and never replaces it.",
    "first": "In an emergency, call first",
    "elsewhere": "Outside mainland China call {elsewhere} (some places have other numbers).",
    "then": "Start chest compressions at once and do not stop. If you are alone, stay; send a second person "
    "for the AED.",
    "programs": "For programs",
    "nearest": "Find the AED that can be fetched soonest: "
    "<code>GET {nearest}?lat=30.2901&amp;lon=120.1003</code> (WGS-84; add <code>datum=gcj02</code> for "
    "coordinates of AMap or Tencent)",
    "docs": '<a href="{docs}">API documentation</a> (<a href="{openapi}">OpenAPI</a>)',
    "ogc": '<a href="/ogc">OGC API Features</a>, for QGIS and other map programs',
}


class EmergencyNumbersOut(BaseModel):
    mainland_china: str = Field(examples=["120"])
    elsewhere: str = Field(examples=["112"])


class HomeOut(BaseModel):
    """Where a program begins."""

    title: str
    emergency_numbers: EmergencyNumbersOut = Field(description="To call first, before anything is asked here")
    nearest: str = Field(description="The path of the lookup", examples=[NEAREST])
    documentation: str = Field(examples=[DOCS])
    openapi: str = Field(examples=[OPENAPI])
    ogc_api_features: str = Field(examples=["/ogc"])


@router.get("/", responses=PAGE_RESPONSE, response_model=HomeOut)
def get_home_page(request: Request, response: Response, wants_page: WantsPage) -> Any:
    """What this is, whom to call first, and where the documentation is: in Chinese or English."""
    settings: Settings = request.app.state.settings
    if wants_page:
        shown = home_page(request.headers.get("accept-language", ""), settings)
        return HTMLResponse(shown.html, headers={**shown.headers, "Vary": "Accept, Accept-Language"})
    response.headers["Vary"] = "Accept, Accept-Language"
    numbers = EmergencyNumbersOut(
        mainland_china=settings.emergency_number_mainland_china,
        elsewhere=settings.emergency_number_elsewhere,
    )
    return HomeOut(
        title=_EN["title"],
        emergency_numbers=numbers,
        nearest=NEAREST,
        documentation=DOCS,
        openapi=OPENAPI,
        ogc_api_features="/ogc",
    )


def home_page(accept_language: str, settings: Settings) -> Page:
    """The page in the reader's language."""
    is_chinese = prefers_chinese(accept_language)
    number = escape(settings.emergency_number_mainland_china)
    given = {
        "elsewhere": escape(settings.emergency_number_elsewhere),
        "nearest": NEAREST,
        "docs": DOCS,
        "openapi": OPENAPI,
    }
    words = {name: said.format(**given) for name, said in (_ZH if is_chinese else _EN).items()}
    body = (
        f"<h1>{words['title']}</h1><p>{words['what']}</p>"
        f'<div class="call"><p>{words["first"]}</p><a href="tel:{number}">{number}</a>'
        f"<p>{words['elsewhere']}</p><p>{words['then']}</p></div>"
        f"<h2>{words['programs']}</h2>"
        f"<ul><li>{words['nearest']}</li><li>{words['docs']}</li><li>{words['ogc']}</li></ul>"
    )
    return page(words["title"], body, style=_STYLE, language="zh-CN" if is_chinese else "en")


def prefers_chinese(accept_language: str) -> bool:
    """True unless the header asks for another language before Chinese; the page has Chinese and English."""
    weighed: list[tuple[float, str]] = []
    for each in accept_language.split(",")[:20]:
        name, _, weight = each.strip().lower().partition(";q=")
        try:
            weighed.append((-float(weight or 1), name.strip()))
        except ValueError:
            continue
    named = [name for weight, name in sorted(weighed, key=lambda each: each[0]) if name and weight < 0]
    return (
        not named
        or named[0] == "*"
        or any(
            name.startswith("zh") and not any(other.startswith("en") for other in named[:place])
            for place, name in enumerate(named)
        )
    )
