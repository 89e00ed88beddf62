"""Routes of a region's rules: what each number means, its default, and new rules from a day on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people.queries import names_by_actor
from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError
from aed.http.query import ANY_PARAMETER
from aed.timebank.regional_rules import actions
from aed.timebank.regional_rules.queries import rules_at, versions
from aed.timebank.regional_rules.schemas import RulesIn
from aed.timebank.rules import DEFAULT_RULES, OF_CALLS, ServiceKind, TimeBankRules
from aed.translation import detail_of
from aed.volunteering.permissions import require_any_manager
from aed.web.language import language_of
from aed.web.render import render, to_sign_in
from aed.web.time_bank_desk import page, queries
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

NUMBERS: Final = {
    "minutes_per_point": (noop("Minutes for a point"), ""),
    "cap_points": (
        noop("Most points of a person"),
        noop("What is over goes to the care pool. Empty: no limit."),
    ),
    "spend_from_minutes": (
        noop("Minutes served before points can be spent"),
        noop("6000 minutes are 100 hours."),
    ),
    "gift_points_a_year": (noop("Points that a person may give to relatives in a year"), ""),
    "expiry_months": (
        noop("Months after the last activity in which points expire"),
        noop("Empty: they never expire."),
    ),
    "expiry_notice_days": (
        noop("Days before expiry on which the holder is notified"),
        noop("With commas between them."),
    ),
    "inheritance_months": (
        noop("Months after a death in which an heir may claim the points"),
        noop("What nobody claims goes to the region's pool."),
    ),
}
"""Label and hint of each number."""
OPTIONAL: Final = ("cap_points", "expiry_months")
BAD_NUMBERS: Final = noop("A number is missing, not a whole number, or out of range. Nothing was changed.")
Text = Annotated[str, Form(max_length=100)]
Texts = Annotated[list[str] | None, Form(max_length=len(ServiceKind))]


@router.get("/time-bank/rules")
def show_rules(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    region: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """Show the rules of a region that the viewer administers, with a form for new ones."""
    if viewer.person_id is None:
        return to_sign_in("/time-bank/rules")
    regions = queries.administered_regions(session, viewer)
    if not regions:
        require_any_manager(viewer)
        require_administrator(viewer)
    chosen = region_by_code(session, region) if region else next(iter(regions.values()))
    return _page(request, session, viewer, chosen)


@router.post("/time-bank/rules")
def set_rules(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    region: Text = "",
    minutes_per_point: Text = "",
    cap_points: Text = "",
    spend_from_minutes: Text = "",
    gift_points_a_year: Text = "",
    expiry_months: Text = "",
    expiry_notice_days: Text = "",
    inheritance_months: Text = "",
    kind: Texts = None,
    points: Texts = None,
    most: Texts = None,
    counts: Texts = None,
    starts_on: Text = "",
) -> Response:
    """Set the rules of a region, from now or from the start of a later day on."""
    require_any_manager(viewer)
    chosen = region_by_code(session, region)
    require_administrator(viewer, region_id=chosen.id)
    now = clock.now()
    typed = {
        "minutes_per_point": minutes_per_point,
        "cap_points": cap_points,
        "spend_from_minutes": spend_from_minutes,
        "gift_points_a_year": gift_points_a_year,
        "expiry_months": expiry_months,
        "expiry_notice_days": expiry_notice_days,
        "inheritance_months": inheritance_months,
    }
    services = {
        name: {"points": rate, "most": limit, "counts": name in (counts or [])}
        for name, rate, limit in zip(kind or [], points or [], most or [], strict=False)
    }
    current = rules_at(session, chosen.id, now)
    try:
        numbers = _numbers(typed, services, current)
        starts_at = (
            datetime.combine(date.fromisoformat(starts_on), time(), ZoneInfo(chosen.time_zone))
            if starts_on
            else now
        )
        with session.begin_nested():
            actions.set_rules(
                session, viewer, region=chosen.code, numbers=numbers, starts_at=starts_at, at=now
            )
    except (ValueError, InvalidOperation):
        problem, status = BAD_NUMBERS, 422
    except AedError as error:
        if error.status not in (409, 422):
            raise
        problem, status = detail_of(error, language_of(request)), error.status
    else:
        return RedirectResponse(f"/time-bank/rules?region={chosen.code}", 303)
    return _page(
        request,
        session,
        viewer,
        chosen,
        status=status,
        problem=problem,
        typed=typed,
        services=services,
        starts_on=starts_on,
    )


def _numbers(
    typed: Mapping[str, str], services: Mapping[str, Mapping[str, Any]], current: TimeBankRules
) -> RulesIn:
    """Return what was typed as rules. Raises ValueError, InvalidOperation."""
    values: dict[str, Any] = {name: value.strip() or None for name, value in typed.items()}
    if any(value is None for name, value in values.items() if name not in OPTIONAL):
        raise ValueError
    days = values["expiry_notice_days"].replace("，", ",").replace("、", ",")
    values["expiry_notice_days"] = [each.strip() for each in days.split(",")]
    rules = RulesIn.of(current).services
    for name, given in services.items():
        service = ServiceKind(name)
        tenths = Decimal(given["points"]) * 10
        if tenths != int(tenths):
            raise ValueError
        rules[service] = rules[service].model_validate(
            {
                "counts_minutes": given["counts"],
                "factor_tenths": 0 if service in OF_CALLS else int(tenths),
                "max_minutes_a_day": given["most"].strip() or None,
            }
        )
    return RulesIn.model_validate({**values, "services": rules})


def _shown(rules: TimeBankRules) -> dict[str, str]:
    """Return the numbers of rules as they are typed."""
    shown = {}
    for name in NUMBERS:
        value = getattr(rules, name)
        shown[name] = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value or "")
    return shown


def _shown_services(rules: TimeBankRules) -> dict[str, dict[str, Any]]:
    return {
        kind.value: {
            "points": f"{Decimal(rule.factor_tenths) / 10:f}",
            "most": str(rule.max_minutes_a_day or ""),
            "counts": rule.counts_minutes,
        }
        for kind, rule in rules.services.items()
    }


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    region: Region,
    *,
    status: int = 200,
    problem: str = "",
    typed: Mapping[str, str] | None = None,
    services: Mapping[str, Mapping[str, Any]] | None = None,
    starts_on: str = "",
) -> Response:
    require_administrator(viewer, region_id=region.id)
    now = clock.now()
    zone = ZoneInfo(region.time_zone)
    current = rules_at(session, region.id, now)
    found: Sequence[tuple[str, str, str, bool]] = [
        (
            each.version,
            f"{each.starts_at.astimezone(zone):%Y-%m-%d %H:%M}",
            each.created_by,
            each.starts_at > now,
        )
        for each in versions(session, region.id)
    ]
    names = names_by_actor(session, {by for _, _, by, _ in found})
    return render(
        request,
        "time_bank_desk/rules.html.jinja",
        status=status,
        headers={"Cache-Control": "no-store"},
        problem=problem,
        regions=queries.administered_regions(session, viewer),
        chosen=region,
        version=current.version,
        numbers=NUMBERS,
        optional=OPTIONAL,
        defaults=_shown(DEFAULT_RULES),
        typed={**_shown(current), **(typed or {})},
        kinds={each.value: label for each, label in page.SERVICE_KINDS.items()},
        fixed=OF_CALLS,
        services={**_shown_services(current), **(services or {})},
        default_services=_shown_services(DEFAULT_RULES),
        starts_on=starts_on,
        today=f"{now.astimezone(zone):%Y-%m-%d}",
        versions=[(version, when, names.get(by, by), is_later) for version, when, by, is_later in found],
    )
