"""Routes of people."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.schemas import PeoplePage, PersonAmend, PersonChangeOut, PersonIn, PersonOut
from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import codes_of_regions
from aed.accounts.roles import actions as role_actions
from aed.accounts.roles.schemas import RoleIn, RoleOut, version_of
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotSignedIn
from aed.http.parameters import (
    Cursor,
    IfMatch,
    Limit,
    RowId,
    SettingsDep,
    cursor_id,
    next_cursor,
    set_created,
    set_etag,
    version_from_if_match,
)

router = APIRouter(tags=["accounts"])


def _signed_in(viewer: Viewer) -> None:
    if not viewer.is_signed_in:
        raise NotSignedIn("People are visible only to those responsible for them. Send a token, or sign in.")


@router.get("/people")
def list_people(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> PeoplePage:
    """List the people whose roles you administer or manage, and yourself."""
    _signed_in(viewer)
    found = people_queries.people(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return PeoplePage(
        people=[PersonOut.of(*each) for each in found[:limit]],
        next=next_cursor([person for person, _account in found], limit),
    )


@router.post("/people", status_code=201)
def add_person(
    session: WriteSession, viewer: ViewerDep, settings: SettingsDep, new: PersonIn, response: Response
) -> PersonOut:
    """Add a person with an account and, if given, a role."""
    person = people_actions.add_person(session, viewer, new, country=settings.phone_country, at=clock.now())
    set_created(response, f"/v1/people/{person.id}", version=person.version)
    return PersonOut.of(person, people_queries.account_of(session, person.id))


@router.get("/people/{person_id}")
def get_person(session: ReadSession, viewer: ViewerDep, person_id: RowId, response: Response) -> PersonOut:
    """Get one person."""
    _signed_in(viewer)
    person, account = people_queries.person(session, viewer, person_id)
    set_etag(response, person.version)
    return PersonOut.of(person, account)


@router.patch("/people/{person_id}")
def amend_person(
    session: WriteSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    person_id: RowId,
    change: PersonAmend,
    response: Response,
    if_match: IfMatch = None,
) -> PersonOut:
    """Amend a person.

    Returns 412 if the person was amended after it was read.
    """
    _signed_in(viewer)
    person, account = people_actions.amend_person(
        session,
        viewer,
        person_id,
        change,
        version=version_from_if_match(if_match),
        country=settings.phone_country,
        at=clock.now(),
    )
    set_etag(response, person.version)
    return PersonOut.of(person, account)


@router.get("/people/{person_id}/history")
def list_person_history(session: ReadSession, viewer: ViewerDep, person_id: RowId) -> list[PersonChangeOut]:
    """List the changes of a person, newest first."""
    _signed_in(viewer)
    people_queries.person(session, viewer, person_id)
    return [PersonChangeOut.of(change) for change in people_queries.person_history(session, person_id)]


@router.post("/people/{person_id}/roles", status_code=201)
def grant_role(
    session: WriteSession, viewer: ViewerDep, person_id: RowId, new: RoleIn, response: Response
) -> RoleOut:
    """Grant a role to a person."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Granting roles requires an administrator. Send a token, or sign in.")
    person, _account = people_queries.person(session, viewer, person_id)
    grant = role_actions.grant_role(session, viewer, person.id, new, at=clock.now())
    set_created(response, f"/v1/roles/{grant.id}", version=version_of(grant))
    return RoleOut.of(grant, codes_of_regions(session, [grant.region_id] if grant.region_id else []))
