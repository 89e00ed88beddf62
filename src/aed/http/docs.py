"""The API's documentation: the OpenAPI document, and Swagger UI from this package.

Nothing comes from another host: a dispatcher's network may have no way out, and a host that serves scripts
to this page could change what an administrator's token does.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Final

import orjson
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse

from aed.errors import NotFound
from aed.http.openapi_examples import add_examples
from aed.http.pages import render_page

router = APIRouter(include_in_schema=False)

OPENAPI: Final = "/v1/openapi.json"
DOCS: Final = "/docs"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI draws its icons from data: URIs; it sets styles by script, which the policy allows."""
_FILES: Final = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_START: Final = f"""
window.ui = SwaggerUIBundle({{
  url: "{OPENAPI}", dom_id: "#swagger-ui", deepLinking: true, layout: "BaseLayout",
  docExpansion: "none", defaultModelsExpandDepth: 0, filter: true, validatorUrl: null,
}});
"""


@cache
def _file(name: str) -> tuple[bytes, str]:
    """A file of Swagger UI, and its ETag."""
    found = resources.files("aed.http").joinpath("swagger_ui", name).read_bytes()
    return found, f'"{sha256(found).hexdigest()[:32]}"'


def _answer(request: Request, content: bytes, etag: str, media_type: str) -> Response:
    headers = {"ETag": etag, "Cache-Control": "no-cache"}  # asked each time, answered by 304
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


@router.get(OPENAPI)
def openapi(request: Request) -> Response:
    """The OpenAPI document; it is written once, since it is large."""
    state = request.app.state
    if not hasattr(state, "openapi_json"):
        document = request.app.openapi()
        add_examples(document)
        written = orjson.dumps(document)
        state.openapi_json = (written, f'"{sha256(written).hexdigest()[:32]}"')
    content, etag = state.openapi_json
    return _answer(request, content, etag, "application/json")


@router.get(DOCS, responses={200: {"content": {"text/html": {}}}})
def documentation(request: Request) -> HTMLResponse:
    """Swagger UI."""
    shown = render_page(
        "http/templates/docs.html.jinja", title=f"{request.app.title}: API", language="en", docs=DOCS
    )
    return HTMLResponse(shown.html, headers={"Content-Security-Policy": _POLICY})


@router.get(DOCS + "/start.js")
def start_script(request: Request) -> Response:
    """Start Swagger UI on our document: a file of its own, for the policy allows no script in the page."""
    etag = f'"{sha256(_START.encode()).hexdigest()[:32]}"'
    return _answer(request, _START.encode(), etag, "text/javascript")


@router.get(DOCS + "/{name}")
def documentation_file(request: Request, name: str = Path(max_length=40)) -> Response:
    """The script and the style of Swagger UI."""
    if name not in _FILES:
        raise NotFound("The documentation has no such file.", field="name")
    return _answer(request, *_file(name), _FILES[name])
