"""Routes of health checks: whether the process answers, and whether it is ready for requests."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel
from sqlalchemy import text

from aed import __version__
from aed.database.dependencies import DatabaseDep
from aed.database.session import database_now, read_session
from aed.errors import DatabaseUnavailable, Draining
from aed.http.parameters import SettingsDep
from aed.migrations import has_schema, head, is_newer
from aed.registry.holidays.queries import calendar_warnings

router = APIRouter(tags=["health"])


class Ready(BaseModel):
    """The service can answer requests; warnings of what needs attention soon."""

    status: Literal["ok"]
    version: str
    """The version of this program."""
    walking: str
    warnings: list[str]


async def require_not_draining(settings: SettingsDep) -> None:
    """Raise Draining while the drain file of the settings exists."""
    if settings.drain_file is not None and settings.drain_file.exists():
        raise Draining("This server is about to stop. Send new requests to another one.")


@router.get("/healthz", dependencies=[Depends(require_not_draining)])
async def healthz() -> dict[str, str]:
    """Check that the process answers and is not about to stop, without a thread and without the database."""
    return {"status": "ok"}


@router.get("/readyz", dependencies=[Depends(require_not_draining)])
def readyz(request: Request, database: DatabaseDep) -> Ready:
    """Check that the database answers and has the schema of this version, or of a newer one.

    A newer schema serves the release before it, so that an upgrade does not interrupt the service.
    `warnings` lists what needs attention soon, such as a holiday calendar that ends.
    """
    with read_session(database) as session:
        if not has_schema(session.connection()):
            raise DatabaseUnavailable("The database has no schema yet: run `aed db upgrade`.")
        revision = session.scalar(text("SELECT version_num FROM alembic_version"))
        is_current = revision == head()
        warnings = calendar_warnings(session, database_now(session)) if is_current else []
    if is_newer(revision):
        warnings = [f"The database is at schema {revision}, newer than {head()}: upgrade the program."]
    elif revision != head():
        raise DatabaseUnavailable(
            "The database is at schema {revision}, the program at {head}: run `aed db upgrade`.",
            revision=revision,
            head=head(),
        )
    has_network = request.app.state.network is not None
    walking = "network" if has_network else "straight lines only"
    return Ready(status="ok", version=__version__, walking=walking, warnings=warnings)
