"""The template of a path, such as `/v1/devices/{device_id}`: what a log may say of a request.

A path can hold a secret (the key of a call, of a reminder, of a calendar), so no log has the path itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

UNKNOWN = "…"


@dataclass(slots=True)
class _Node:
    """What may follow at one depth of the paths."""

    literal: dict[str, _Node] = field(default_factory=dict)
    pattern: list[tuple[re.Pattern[str], str, _Node]] = field(default_factory=list)
    is_end: bool = False


class PathTemplates:
    """Look up a path's template by its segments."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._root = _Node()
        for template in templates:
            self._add(template)

    def template_of(self, path: str) -> str:
        """Return the template of the route that `path` belongs to.

        Of a path that no route has: the segments up to which one could have followed, then an ellipsis.
        """
        node = self._root
        known: list[str] = []
        for segment in path.split("/")[1:]:
            found = _next(node, segment)
            if found is None:
                return "/" + "/".join([*known, UNKNOWN])
            shown, node = found
            known.append(shown)
        return "/" + "/".join(known if node.is_end else [*known, UNKNOWN])

    def _add(self, template: str) -> None:
        node = self._root
        for segment in template.split("/")[1:]:
            if "{" not in segment:
                node = node.literal.setdefault(segment, _Node())
                continue
            known = [each for _, shown, each in node.pattern if shown == segment]
            if known:
                node = known[0]
                continue
            child = _Node()
            parts = re.split(r"\{[^}]*\}", segment)
            node.pattern.append((re.compile(".+".join(map(re.escape, parts)), re.DOTALL), segment, child))
            node.pattern.sort(key=lambda each: -len(each[0].pattern))  # {number}.pdf before {number}
            node = child
        node.is_end = True


def _next(node: _Node, segment: str) -> tuple[str, _Node] | None:
    literal = node.literal.get(segment)
    if literal is not None:
        return segment, literal
    for pattern, shown, child in node.pattern:
        if pattern.fullmatch(segment):
            return shown, child
    return None


def templates_in(routes: Iterable[Any], prefix: str = "") -> Iterator[str]:
    """The templates of an application's routes, through the routers that it includes."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from templates_in(inner.routes, prefix + route.include_context.prefix)
        else:
            yield prefix + route.path


def template_of(app: Any, path: str) -> str:
    """Return the template of a path of `app`; the table is made once, when it is first asked for."""
    found: PathTemplates | None = getattr(app.state, "path_templates", None)
    if found is None:
        found = app.state.path_templates = PathTemplates(templates_in(app.routes))
    return found.template_of(path)
