"""The viewer of a person: what they may see and do, by the roles that they hold."""

from __future__ import annotations

from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, TokenRole, TokenScope, Viewer
from aed.accounts.regions.queries import estates_sharing
from aed.accounts.role_grants import role_assignments_of


def viewer_of_person(session: Session, person_id: int) -> Viewer:
    """Return the viewer of a person, by the roles that they hold now.

    1. An administrator of the network is an administrator; one of a region, a dispatcher who may also amend.
    2. Everyone else is a member of the estates on which they hold a role, and of their neighbourhoods.
    3. A person without any role is signed in, and sees what everyone sees.
    """
    role_assignments = role_assignments_of(session, person_id)
    dispatching = (Role.DISPATCHER, Role.ADMINISTRATOR)
    region_ids = {id_ for each in role_assignments if each.role in dispatching for id_ in each.region_ids}
    managed = {
        id_ for each in role_assignments if each.role is Role.ESTATE_MANAGER for id_ in each.region_ids
    }
    estates = tuple(dict.fromkeys(each.estate_id for each in role_assignments if each.estate_id is not None))
    role = TokenRole.DISPATCHER if region_ids else TokenRole.MEMBER
    if any(each.role is Role.ADMINISTRATOR and each.is_everywhere for each in role_assignments):
        role = TokenRole.ADMINISTRATOR
    return Viewer(
        role=role,
        name=f"person:{person_id}",
        scopes=frozenset(TokenScope),
        estate_id=estates[0] if estates else None,
        estate_ids=estates_sharing(session, *estates) if estates else (),
        region_ids=tuple(sorted(region_ids)),
        person_id=person_id,
        other_estate_ids=estates[1:],
        managed_region_ids=tuple(sorted(managed)),
        role_assignments=role_assignments,
    )
