"""Responses to errors: a page for a browser, a problem document for a program."""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as StarletteHTTPException

from aed.database.session import unavailability
from aed.errors import AedError, NotSignedIn, TokenExpired
from aed.http.headers import CHALLENGE, DEFAULT_HEADERS, EXPIRED_TOKEN
from aed.http.language import language_of_errors
from aed.http.problems import (
    FIELD_IS_WRONG,
    MAX_ERRORS,
    MAX_FIELD_CHARACTERS,
    NOT_VALID,
    problem,
    validation_sentence,
)
from aed.http.routes import template_of
from aed.translation import detail_of, title_of, translate
from aed.web.errors import SentForm, error_page, sent_form, wants_error_page
from aed.web.render import HEADERS

log = structlog.get_logger("aed")


def error_response(
    request: Request, error: AedError, headers: dict[str, str], *, form: SentForm | None = None
) -> Response:
    """Return an error as a page to a browser, as a problem document to a program."""
    if wants_error_page(request):
        return error_page(request, error.status, error=error, headers=headers, form=form)
    language = language_of_errors(request)
    return problem(
        request,
        error.status,
        error.code,
        title_of(error, language),
        detail_of(error, language),
        error.field,
        {**headers, "Content-Language": language},
        errors=error.errors or None,
    )


def add_error_handlers(app: FastAPI) -> None:
    """Map each kind of error to a page for browsers and a problem document for programs."""

    @app.exception_handler(AedError)
    async def expected(request: Request, error: AedError) -> Response:
        if getattr(request.state, EXPIRED_TOKEN, False) and error.status in (401, 403, 404):
            error = TokenExpired(
                "The token has expired. Get a new one; without a token, only public data is available."
            )
        headers = {}
        if error.retry_after_seconds is not None:
            headers["Retry-After"] = str(error.retry_after_seconds)
        if isinstance(error, NotSignedIn):
            headers["WWW-Authenticate"] = CHALLENGE
        if error.status >= 500:
            log.error("request failed", path=template_of(app, request.url.path), reason=error.detail)
        is_kept = isinstance(error, NotSignedIn) and wants_error_page(request)
        form = await sent_form(request) if is_kept else None
        return error_response(request, error, headers, form=form)

    @app.exception_handler(SQLAlchemyError)
    async def database_error(request: Request, error: SQLAlchemyError) -> Response:
        unavailable = unavailability(error)
        if unavailable is None:
            raise error
        return await expected(request, unavailable)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        found, language = error.errors(), language_of_errors(request)
        wrong = [
            {
                "field": ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]),
                "detail": validation_sentence(each, language),
            }
            for each in found[:MAX_ERRORS]
        ]
        first = wrong[0]
        if wants_error_page(request):
            return error_page(request, 422)
        return problem(
            request,
            422,
            "invalid-input",
            translate(NOT_VALID, language),
            translate(FIELD_IS_WRONG, language, {**first, "field": first["field"][:MAX_FIELD_CHARACTERS]}),
            first["field"],
            {"Content-Language": language},
            errors=wrong,
            more_errors=len(found) - len(wrong),
        )

    @app.exception_handler(StarletteHTTPException)
    def http(request: Request, error: StarletteHTTPException) -> Response:
        if wants_error_page(request):
            return error_page(request, error.status_code, headers=dict(error.headers or {}))
        return problem(
            request,
            error.status_code,
            f"http-{error.status_code}",
            str(error.detail),
            f"{request.method} {request.url.path}: {error.detail}.",
            None,
            dict(error.headers or {}),
        )

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected error", path=template_of(app, request.url.path), exc_info=error)
        if wants_error_page(request):
            return error_page(request, 500, headers={**DEFAULT_HEADERS, **HEADERS})
        return problem(
            request,
            500,
            "unexpected",
            "Internal error",
            "Something went wrong on our side. It has been logged.",
            None,
            DEFAULT_HEADERS,  # this response does not pass through the middleware
        )
