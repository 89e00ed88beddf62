"""The home page: what this site is, which emergency number to call first, and where the API is documented."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from aed.http.pages import PAGE_RESPONSE, Page, WantsPage, render_page
from aed.settings import Settings

router = APIRouter(tags=["pages"])

OPENAPI: Final = "/v1/openapi.json"
DOCS: Final = "/docs"
NEAREST: Final = "/v1/nearest"

_TITLES: Final = {"zh-CN": "AED 与急救志愿者网络", "en": "AED and first-aid network"}


class EmergencyNumbersOut(BaseModel):
    mainland_china: str = Field(examples=["120"])
    elsewhere: str = Field(examples=["112"])


class HomeOut(BaseModel):
    """Entry points of the API."""

    title: str
    emergency_numbers: EmergencyNumbersOut = Field(description="Call first, before using this service")
    nearest: str = Field(description="The path of the lookup", examples=[NEAREST])
    documentation: str = Field(examples=[DOCS])
    openapi: str = Field(examples=[OPENAPI])
    ogc_api_features: str = Field(examples=["/ogc"])


@router.get("/", responses=PAGE_RESPONSE, response_model=HomeOut)
def get_home_page(request: Request, response: Response, wants_page: WantsPage) -> Any:
    """Show what this site is, the emergency numbers and links to the documentation, in Chinese or English."""
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
        title=_TITLES["en"],
        emergency_numbers=numbers,
        nearest=NEAREST,
        documentation=DOCS,
        openapi=OPENAPI,
        ogc_api_features="/ogc",
    )


def home_page(accept_language: str, settings: Settings) -> Page:
    """Render the home page in Chinese or in English."""
    is_chinese = prefers_chinese(accept_language)
    language = "zh-CN" if is_chinese else "en"
    return render_page(
        "http/templates/home.html.jinja",
        title=_TITLES[language],
        language=language,
        is_chinese=is_chinese,
        number=settings.emergency_number_mainland_china,
        number_elsewhere=settings.emergency_number_elsewhere,
        nearest=NEAREST,
        docs=DOCS,
        openapi=OPENAPI,
    )


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
