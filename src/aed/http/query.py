"""Refuse unknown query parameters.

A parameter that is passed over in silence gives a wrong answer: `Datum=gcj02` in place of `datum=gcj02` moves
a patient by 500 m.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator
from typing import Any, Final

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel

from aed.errors import InvalidInput, InvalidQuery
from aed.http.pages import wants_page

STANDARD_PARAMETERS: Final = "/ogc"
"""OGC API Features requires 400 in place of 422."""
MAX_SHOWN: Final = 40


def _any_parameter() -> None:
    """Mark a route whose callers may add parameters."""


ANY_PARAMETER: Final = Depends(_any_parameter)
"""For `dependencies` of a route whose caller may add parameters (RFC 6749: ignore what is unknown)."""


async def refuse_unknown_parameters(request: Request) -> None:
    """Raise InvalidInput for a query parameter that the route does not declare.

    1. A route marked with ANY_PARAMETER takes any.
    2. A page without parameters of its own is shown to a browser whatever follows the question mark:
       messengers add parameters to the links that people open (WeChat: `from=singlemessage`).
    3. Names are compared by their case.
    """
    if not request.scope["query_string"]:
        return
    route = request.scope["route"]
    known = known_parameters(route)
    if known is None or (not known and _has_page(route) and wants_page(request)):
        return
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            raise _unknown(request, name, known)
        if name in seen and not known[name]:
            raise _refusal(request)(f"Give {name} only once.", field=name)
        seen.add(name)


def known_parameters(route: APIRoute) -> dict[str, bool] | None:
    """Return {parameter: is repeatable} of a route; None if it takes any."""
    if not hasattr(route, "known_parameters"):
        route.known_parameters = _known_parameters(route.dependant)  # type: ignore[attr-defined]  # kept there
    found: dict[str, bool] | None = route.known_parameters  # type: ignore[attr-defined]  # kept there
    return found


def _known_parameters(root: Dependant) -> dict[str, bool] | None:
    known: dict[str, bool] = {}
    for dependant in _dependants(root):
        if dependant.call is _any_parameter:
            return None
        for parameter in dependant.query_params:
            annotation = parameter.field_info.annotation
            if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
                known |= {
                    each.alias or name: _is_list(each.annotation)
                    for name, each in annotation.model_fields.items()
                }
            else:
                known[parameter.alias] = _is_list(annotation)
    return known


def _dependants(root: Dependant) -> Iterator[Dependant]:
    yield root
    for each in root.dependencies:
        yield from _dependants(each)


def _is_list(annotation: Any) -> bool:
    return "list[" in str(annotation) or "tuple[" in str(annotation)


def _has_page(route: APIRoute) -> bool:
    return "text/html" in route.responses.get(200, {}).get("content", {})


def _refusal(request: Request) -> type[InvalidInput]:
    return InvalidQuery if request.url.path.startswith(STANDARD_PARAMETERS) else InvalidInput


def _unknown(request: Request, name: str, known: dict[str, bool]) -> InvalidInput:
    shown = name[:MAX_SHOWN]
    by_lower = {each.lower(): each for each in known}
    near = difflib.get_close_matches(shown.lower(), by_lower, n=1)
    message = f"Unknown parameter '{shown}'"
    if near:
        message += f"; the closest match is '{by_lower[near[0]]}'."
    elif known:
        message += f"; this route takes: {', '.join(sorted(known))}."
    else:
        message += "; this route takes no parameters."
    return _refusal(request)(message, field=shown)
